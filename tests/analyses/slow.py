"""Readings from all logits at once, in float64: nothing here is shared with the analyses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..contract.oracle import Edits, Oracle
from ..contract.wiring import weight_and_bias

PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 4)
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}


@dataclass(frozen=True)
class Slow:
    """A model read the slow way."""

    oracle: Oracle

    @torch.no_grad()
    def decode(self, states: Tensor) -> Tensor:
        """Logits of states of the residual stream [pos, d]."""
        model, w = self.oracle.model, self.oracle.wiring
        weight, bias = weight_and_bias(model.get_submodule(w.unembedding))
        logits = (w.final(model, states[None])[0] @ weight + bias) * w.logit_scale
        return logits if w.logit_cap is None else w.logit_cap * torch.tanh(logits / w.logit_cap)

    def rows(self, names: tuple[str, ...], edits: Edits | None = None) -> Tensor:
        """Logits [row, pos, vocab] of named sites; of the last one, what the model says itself."""
        sites = self.oracle.run(PROMPT, edits)
        decoded = [self.decode(sites[name]) for name in names[:-1]]
        return torch.stack([*decoded, sites["logits"]]).double()


def entropy(logits: Tensor) -> Tensor:
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def divergence(reference: Tensor, logits: Tensor) -> Tensor:
    """KL(reference ‖ logits)."""
    log_r, log_p = reference.log_softmax(-1), logits.log_softmax(-1)
    return (log_r.exp() * (log_r - log_p)).sum(-1)


def assert_top(ids: Tensor, probabilities: Tensor, logits: Tensor, tolerance: float) -> None:
    """The listed tokens are the most probable ones, in order; near ties may stand either way."""
    p = logits.softmax(-1)
    best = p.topk(ids.shape[-1], -1).values
    torch.testing.assert_close(p.gather(-1, ids), best, rtol=0, atol=tolerance)
    torch.testing.assert_close(probabilities.double(), best, rtol=0, atol=tolerance)
    assert all(len(set(row)) == len(row) for row in ids.flatten(0, -2).tolist())


def assert_rank(rank: Tensor, ids: Tensor, logits: Tensor, tolerance: float) -> None:
    """Rank is 1 + the strictly higher logits; those within rounding may count or not."""
    chosen = logits.gather(-1, ids[..., None])
    surely = 1 + (logits > chosen + tolerance).sum(-1)
    perhaps = (logits > chosen - tolerance).sum(-1)
    assert ((surely <= rank) & (rank <= perhaps)).all()
    assert ((perhaps - surely) <= 2).all(), "the test's own margin is too wide to mean anything"
