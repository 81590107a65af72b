"""The direct effect of a write on one token's logit, one module after another, norms frozen."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unembed.models.tiny import is_masked

from ..contract.wiring import weight_and_bias
from .flow_oracle import SlowFlow


@torch.no_grad()
def effect_on_target(flow: SlowFlow, layer: int, part: str, write: Tensor, token: int) -> float:
    """What a write made by one branch adds to the token's logit, before any soft cap."""
    slow, oracle = flow.slow, flow.slow.oracle
    carried = to_last_residual(flow, layer, part, write)
    last = flow.sites[f"L{oracle.n_layers - 1}.resid_post"][flow.position]
    if is_masked(oracle.name):  # no norm and no linear map: what is lost without the write
        logits = slow.decode(torch.stack([last, last - carried]))[:, token]
        return float(logits[0] - logits[1])
    model, w = oracle.model, oracle.wiring
    weight, _ = weight_and_bias(model.get_submodule(w.unembedding))
    return float(final(flow, last, carried) @ weight[:, token]) * w.logit_scale


def final(flow: SlowFlow, state: Tensor, part: Tensor) -> Tensor:
    """A part of the last residual through the final norm, its scale frozen."""
    oracle = flow.slow.oracle

    def norm(states: Tensor) -> Tensor:
        found: Tensor = oracle.wiring.final(oracle.model, states[None])[0]
        return found

    bias = norm(torch.zeros_like(state)[None])[0]
    if oracle.name == "opt-post-norm":  # a map to the unembedding's width, and no norm
        return norm(part[None])[0] - bias
    centres = torch.allclose(norm((state + 1)[None]), norm(state[None]))
    given = state - state.mean() if centres else state
    gain = (norm(state[None])[0] - bias) / given
    return gain * (part - part.mean() if centres else part)


def to_last_residual(flow: SlowFlow, layer: int, part: str, write: Tensor) -> Tensor:
    """Through the norms of the stream that stand behind the write, in blocks that have them."""
    oracle = flow.slow.oracle
    if oracle.wiring.layout != "post":
        return write
    for later in range(layer, oracle.n_layers):
        for stream, added in (("resid_pre", "attn"), ("resid_mid", "mlp")):
            if later == layer and part == "mlp" and added == "attn":
                continue
            path = oracle.wiring.attn_post if added == "attn" else oracle.wiring.mlp_post
            names = (f"L{later}.{stream}", f"L{later}.{added}_out")
            before = sum(flow.sites[name][flow.position] for name in names)
            write = through(oracle.part(later, path), before, write)
    return write


def through(norm: nn.Module, state: Tensor, part: Tensor) -> Tensor:
    """LayerNorm, written out."""
    scale = (state.var(unbiased=False) + norm.eps).sqrt()
    return norm.weight * (part - part.mean()) / scale
