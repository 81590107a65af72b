"""What attributions are held against: autograd on a slow second model."""

from __future__ import annotations

import torch

import unembed as ue

from ..contract.wiring import wiring
from .slow import PROMPT

OTHER = (*PROMPT[:4], 33, 7, *PROMPT[6:])
WHY = ue.Objective.logit_diff([72, 5], 9)
POSITION = 6
SITES = {"neuron": "mlp_post", "pair": "pattern", "attn": "attn_out", "mlp": "mlp_out"}


def limit(name, dtype):
    """Some kernels round their pattern to float32 whatever the model's dtype."""
    rounded = wiring(name).fp32_pattern or name in ("olmo2", "gemma2", "gemma3", "gemma3-capped")
    return 2e-4 if dtype == torch.float32 else 5e-6 if rounded else 1e-9


def close(found, wanted, tolerance):
    scale = max(float(wanted.abs().max()), 1.0)
    torch.testing.assert_close(found.double(), wanted.double(), rtol=0, atol=tolerance * scale)


def slow_slopes(oracle, groups, value_of):
    """Gradient of a number at every variable, by adding a zero there: values, then gradients."""
    sites = {"L0.resid_pre"} | {
        site for group in groups for site in [site_of(group)] if group.layer is not None
    }
    plain = oracle.run(PROMPT)
    pushes = {site: torch.zeros_like(plain[site], requires_grad=True) for site in sites}
    changes = {site: lambda value, push=push: value + push for site, push in pushes.items()}
    seen = oracle.run(PROMPT, changes, grad=True)
    found = torch.autograd.grad(value_of(seen), list(pushes.values()), allow_unused=True)
    slopes = {
        site: torch.zeros_like(plain[site]) if slope is None else slope
        for site, slope in zip(pushes, found, strict=True)
    }
    return plain, slopes


def site_of(group):
    if group.layer is None:
        return "L0.resid_pre"
    if group.kind == "bias":
        return f"L{group.layer}.{'mlp' if 'mlp' in group.stem else 'attn'}_out"
    return f"L{group.layer}.{SITES[group.kind]}"
