"""Gradients at captured sites, in every family: what attribution will stand on."""

from __future__ import annotations

import pytest
import torch

from .closeness import PROMPT, relative_error
from .sites import layer_sites
from .wiring import NAMES, REPRESENTATIVES


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


@pytest.mark.parametrize("name", REPRESENTATIVES)
@pytest.mark.parametrize("part", [["pattern@3"], ["H1.scores@2", "H1.scores@4"], ["H0.pattern"]])
def test_a_part_of_attention_that_is_captured_changes_neither_logits_nor_gradients(
    name, part, model_of
):
    model = model_of(name, torch.float64)
    layer = model.anatomy.attention_layers[-1]
    runs, gradients = [], []
    for capture in ([], [f"L{layer}.{one}" for one in part]):
        run = model.run(PROMPT, capture=["L0.resid_pre", *capture], grad=True)
        runs.append(run)
        gradients += torch.autograd.grad(run.logits[-1, 7], run["L0.resid_pre"])
    plain, partly = runs
    limit = 5e-6  # some families take the softmax in float32
    assert relative_error(partly.logits, plain.logits) <= limit
    assert relative_error(gradients[1], gradients[0]) <= limit
    for one in part:
        site = one.partition("@")[0]
        whole = model.run(PROMPT, capture=[f"L{layer}.{site}"])
        torch.testing.assert_close(partly[f"L{layer}.{one}"], whole[f"L{layer}.{one}"])
