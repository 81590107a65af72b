"""Both ends of a product with the vocabulary are those of a full sort."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine import extremes as module
from unembed.engine.extremes import Extremes, extremes
from unembed.engine.unembedding import Unembedding
from unembed.errors import CancelledError


@pytest.mark.parametrize("chunk_bytes", [1, 1 << 24])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_both_ends_are_those_of_all_products(dtype, chunk_bytes, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    g = torch.Generator().manual_seed(0)
    weight = torch.randn(1000, 24, generator=g).to(dtype)
    vectors = torch.randn(7, 24, generator=g).to(dtype)
    bias = torch.randn(1000, generator=g).to(dtype)
    found = extremes(Unembedding(weight, bias, scale=0.5, divisor=4.0, softcap=3.0), vectors, 6)
    every = (vectors / 8 @ weight.T).to(torch.promote_types(dtype, torch.float32))
    for ids, values, best in (
        (found.raised_ids, found.raised, every.topk(6).values),
        (found.lowered_ids, found.lowered, -(-every).topk(6).values),
    ):
        torch.testing.assert_close(values, best)
        torch.testing.assert_close(every.gather(1, ids), values)


def test_ties_go_to_the_lower_token():
    found = extremes(Unembedding(torch.ones(300, 2)), torch.tensor([[1.0, 1.0]]), 3)
    assert found.raised_ids.tolist() == found.lowered_ids.tolist() == [[0, 1, 2]]


def test_no_vectors_have_no_ends_and_parts_are_joined_in_order():
    head = Unembedding(torch.eye(200))
    assert extremes(head, torch.empty(0, 200), 2).raised.shape == (0, 2)
    vectors = torch.eye(200)[[4, 150]]
    parts = [extremes(head, row[None], 2) for row in vectors]
    assert torch.equal(Extremes.joined(parts).raised_ids, extremes(head, vectors, 2).raised_ids)


def test_it_can_be_cancelled():
    cancel = ue.Cancel()
    cancel.cancel()
    with pytest.raises(CancelledError):
        extremes(Unembedding(torch.eye(200)), torch.eye(200), 2, cancel)
