"""Both ends of a product with the vocabulary are those of a full sort, a tile at a time."""

from __future__ import annotations

import pytest
import torch

from unembed.engine.cancel import Cancel
from unembed.engine.reading import extremes as module
from unembed.engine.reading.extremes import Extremes, extremes
from unembed.errors import CancelledError


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(module, "TILE_ROWS", 7)
    monkeypatch.setattr(module, "TILE_BYTES", 7 * 8 * 128)


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
    found = extremes(rows, weight, k)
    wanted = slow(rows, weight, k)
    names = ("raised_ids", "raised", "lowered_ids", "lowered")
    for name, values in zip(names, wanted, strict=True):
        torch.testing.assert_close(getattr(found, name), values, rtol=1e-12, atol=1e-12)


def test_half_precision_weights_are_read_in_the_accuracy_of_the_rows():
    rows, weight = numbers(5, 8, dtype=torch.float32), numbers(300, 8).bfloat16()
    found = extremes(rows, weight, 4)
    wanted = extremes(rows, weight.float(), 4)
    assert found.raised.dtype == torch.float32
    assert torch.equal(found.raised, wanted.raised)


def test_progress_is_told_and_cancelling_stops(small_tiles):
    rows, weight, heard = numbers(20, 6), numbers(1000, 6), []
    extremes(rows, weight, 3, share=lambda part, parts: heard.append(part / parts))
    assert heard == sorted(heard)
    assert len(heard) > 10
    assert 0 <= heard[0] <= heard[-1] < 1
    cancel = Cancel()
    with pytest.raises(CancelledError):
        extremes(rows, weight, 3, cancel, share=lambda *_: cancel.cancel())


def test_no_more_than_a_tile_of_scores_is_held(monkeypatch):
    sizes = []
    real = torch.mm

    def watched(first, second, out):
        sizes.append(out.numel() * out.element_size())
        return real(first, second, out=out)

    monkeypatch.setattr(torch, "mm", watched)
    extremes(numbers(2000, 4, dtype=torch.float32), numbers(70_000, 4).float(), 5)
    assert max(sizes) <= module.TILE_BYTES


def test_no_vectors_have_no_ends_and_parts_are_joined_in_order():
    weight = torch.eye(200)
    assert extremes(torch.empty(0, 200), weight, 2).raised.shape == (0, 2)
    vectors = weight[[4, 150]]
    parts = [extremes(row[None], weight, 2) for row in vectors]
    assert torch.equal(Extremes.joined(parts).raised_ids, extremes(vectors, weight, 2).raised_ids)
