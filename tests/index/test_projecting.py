"""The best and worst tokens by tiles are those of a full sort."""

from __future__ import annotations

import pytest
import torch

from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError
from unembed.index import projecting
from unembed.index.projecting import token_lists


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(projecting, "TILE_ROWS", 7)
    monkeypatch.setattr(projecting, "TILE_BYTES", 7 * 8 * 128)


def numbers(*shape, dtype=torch.float64, whole=False):
    found = torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(3))
    return found.mul(2).round() if whole else found


def slow(rows, weight, k):
    """By a stable sort of everything: equal scores stay in the order of their tokens."""
    scores = rows @ weight.T
    top = scores.sort(dim=-1, descending=True, stable=True)
    bottom = scores.sort(dim=-1, stable=True)
    return [one[:, :k] for one in (top.indices, top.values, bottom.indices, bottom.values)]


@pytest.mark.parametrize("whole", [False, True], ids=["distinct", "many ties"])
@pytest.mark.parametrize("vocab_size", [40, 128, 1000])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_tiles_find_what_a_full_sort_finds(k, vocab_size, whole, small_tiles):
    rows, weight = numbers(23, 6, whole=whole), numbers(vocab_size, 6, whole=whole)
    found = token_lists(rows, weight, k)
    wanted = slow(rows, weight, k)
    names = ("top_ids", "top_scores", "bottom_ids", "bottom_scores")
    for name, values in zip(names, wanted, strict=True):
        torch.testing.assert_close(getattr(found, name), values, rtol=1e-12, atol=1e-12)


def test_half_precision_weights_are_read_in_the_accuracy_of_the_rows():
    rows, weight = numbers(5, 8, dtype=torch.float32), numbers(300, 8).bfloat16()
    found = token_lists(rows, weight, 4)
    wanted = token_lists(rows, weight.float(), 4)
    assert found.top_scores.dtype == torch.float32
    assert torch.equal(found.top_scores, wanted.top_scores)


def test_progress_is_told_and_cancelling_stops(small_tiles):
    rows, weight, heard = numbers(20, 6), numbers(1000, 6), []
    token_lists(rows, weight, 3, share=lambda part, parts: heard.append(part / parts))
    assert heard == sorted(heard)
    assert len(heard) > 10
    assert 0 <= heard[0] <= heard[-1] < 1
    cancel = Cancel()
    with pytest.raises(CancelledError):
        token_lists(rows, weight, 3, cancel, share=lambda *_: cancel.cancel())


def test_no_more_than_a_tile_of_scores_is_held(monkeypatch):
    sizes = []
    real = torch.mm

    def watched(first, second, out):
        sizes.append(out.numel() * out.element_size())
        return real(first, second, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    token_lists(numbers(2000, 4, dtype=torch.float32), numbers(70_000, 4).float(), 5)
    assert max(sizes) <= projecting.TILE_BYTES
