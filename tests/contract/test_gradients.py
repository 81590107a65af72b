"""Gradients at captured sites, in every family: what attribution will stand on."""

from __future__ import annotations

import pytest
import torch

from .closeness import PROMPT, relative_error
from .sites import layer_sites
from .wiring import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_gradients_at_captured_sites_are_those_of_a_push_at_that_site(name, model_of, oracle_of):
    """The oracle adds a zero at each site and asks for the gradient of that."""
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    sites = [*layer_sites(oracle, 1), "final_norm"]
    run = model.run(PROMPT, capture=sites, grad=True)
    actual = torch.autograd.grad(run.logits[-1, 7], [run[s] for s in sites], allow_unused=True)
    plain = oracle.run(PROMPT)
    pushes = {site: torch.zeros_like(plain[site], requires_grad=True) for site in sites}
    changes = {site: lambda value, push=push: value + push for site, push in pushes.items()}
    logits = oracle.run(PROMPT, changes, grad=True)["logits"]
    expected = torch.autograd.grad(logits[-1, 7], list(pushes.values()))
    limit = 5e-6 if oracle.wiring.fp32_pattern else 1e-9
    wrong = {}
    for site, gradient, wanted in zip(sites, actual, expected, strict=True):
        if gradient is None:
            wrong[site] = "no gradient"
        elif (error := relative_error(gradient.double(), wanted.double())) > limit:
            wrong[site] = f"{error:.1e}"
    assert not wrong
