"""Readings from all logits at once, in float64: nothing here is shared with the analyses."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import unembed as ue

from ..contract.oracle import Edits, Oracle
from ..contract.wiring import weight_and_bias

PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 4)
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-10}

# objectives of logits, each beside what it is of all logits of a position
OF_LOGITS = {
    "logit": (ue.Objective.logit(72), lambda x: x[72]),
    "logits": (ue.Objective.logit([72, 5]), lambda x: (x[72] + x[5]) / 2),
    "logit_diff": (ue.Objective.logit_diff(72, 9), lambda x: x[72] - x[9]),
    "several": (
        ue.Objective.logit_diff([72, 5], [9, 11, 40]),
        lambda x: (x[72] + x[5]) / 2 - (x[9] + x[11] + x[40]) / 3,
    ),
    "log_prob": (ue.Objective.log_prob(72), lambda x: x.softmax(-1)[72].log()),
    "any": (ue.Objective.log_prob([72, 5]), lambda x: (x.softmax(-1)[72] + x.softmax(-1)[5]).log()),
    "minus_mean": (ue.Objective.logit_minus_mean(72), lambda x: x[72] - x.sum() / len(x)),
}


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

    def rows(
        self, names: tuple[str, ...], edits: Edits | None = None, decoder: str = "final_norm"
    ) -> Tensor:
        """Logits [row, pos, vocab] of named rows; of the last one, what the model says itself."""
        sites = self.oracle.run(PROMPT, edits)
        states = [self.state(sites, name) for name in names[:-1]]
        decoded = [self.through(decoder, state, edits or {}) for state in states]
        return torch.stack([*decoded, sites["logits"]]).double()

    def state(self, sites: dict[str, Tensor], name: str) -> Tensor:
        """A row's state; "L0.resid_pre+attn_out" is a sum of two sites."""
        layer, plus, _ = name.partition(".resid_pre+attn_out")
        if plus:
            return sites[f"{layer}.resid_pre"] + sites[f"{layer}.attn_out"]
        return sites[name]

    def through(self, decoder: str, state: Tensor, edits: Edits) -> Tensor:
        """Logits of a state that enters a suffix: the whole model is run, its stream replaced."""
        if decoder == "final_norm":
            return self.decode(state)
        layer, mlp, _ = decoder.partition(".mlp")
        later = {site: change for site, change in edits.items() if site >= layer or site[0] != "L"}
        if not mlp:
            before = later.pop(f"{layer}.resid_pre", lambda value: value)
            entering = {f"{layer}.resid_pre": lambda _: before(state)}
        elif self.oracle.wiring.layout == "parallel":
            entering = {f"{layer}.resid_pre": lambda _: state}
            entering[f"{layer}.attn_out"] = torch.zeros_like
        else:
            entering = {f"{layer}.resid_mid": lambda _: state}
        return self.oracle.run(PROMPT, later | entering)["logits"]


def entropy(logits: Tensor) -> Tensor:
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1)


def divergence(reference: Tensor, logits: Tensor, floor: float = 0.0) -> Tensor:
    """KL(reference ‖ logits), in nats; both clipped from below where there is a floor."""
    p, q = reference.softmax(-1).clamp_min(floor), logits.softmax(-1).clamp_min(floor)
    if not floor:
        return (p * (reference.log_softmax(-1) - logits.log_softmax(-1))).sum(-1)
    return (p * (p / q).log()).sum(-1)


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
    perhaps = (logits > chosen - tolerance).sum(-1)  # counts the token itself
    assert ((surely <= rank) & (rank <= perhaps)).all()
    assert ((perhaps - surely) <= 2).all(), "the test's own margin is too wide to mean anything"


def assert_lens(found, logits: Tensor, targets: Tensor, tolerance: float) -> None:
    """Every number of a lens is what all logits [row, position, vocab] give; targets [position]."""
    ids = targets.expand(len(found.rows), -1)
    near = {"rtol": tolerance, "atol": tolerance}
    assert torch.equal(found.target_ids, targets)
    assert_top(found.top_ids, found.top_probabilities, logits, tolerance)
    assert_rank(found.rank, ids, logits, tolerance)
    wanted = {
        "logit": logits.gather(-1, ids[..., None])[..., 0],
        "probability": logits.softmax(-1).gather(-1, ids[..., None])[..., 0],
        "top_logits": logits.gather(-1, found.top_ids),
        "kl": divergence(logits[-1], logits),
        "entropy": entropy(logits),
    }
    for name, values in wanted.items():
        torch.testing.assert_close(getattr(found, name).double(), values, **near)
