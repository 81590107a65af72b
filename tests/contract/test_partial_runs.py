"""Runs that enter at a layer or stop after a site, in every family."""

from __future__ import annotations

import pytest
import torch

import unembed as ue

from .closeness import PROMPT, assert_close
from .footprint import footprint
from .sites import exists, layer_sites
from .wiring import NAMES

pytestmark = pytest.mark.parametrize("name", NAMES)


def test_a_run_from_a_residual_is_the_rest_of_the_whole_run(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before = footprint(model.module)
    for layer in range(oracle.n_layers):
        sites = layer_sites(oracle, oracle.n_layers - 1)
        whole = model.run(PROMPT, capture=[f"L{layer}.resid_pre", *sites])
        rest = model.run(PROMPT, capture=sites, start=(layer, whole[f"L{layer}.resid_pre"]))
        assert torch.equal(rest.logits, whole.logits)
        assert all(torch.equal(rest[site], whole[site]) for site in sites)
    assert footprint(model.module) == before


def test_a_run_from_another_residual_is_that_residual_edited_in(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float64), oracle_of(name, torch.float64)
    shape = oracle.run(PROMPT)["embed"].shape
    residual = torch.randn(shape, generator=torch.Generator().manual_seed(2)).double()
    edits = [ue.scale("L1.H1", -1.5, positions=[3]), ue.zero("L2.H0.pattern", positions=[6])]

    def head(value: torch.Tensor) -> torch.Tensor:
        value[3, 1] *= -1.5
        return value

    def row(value: torch.Tensor) -> torch.Tensor:
        value[0, 6] = 0.0
        return value

    changes = {"L1.resid_pre": lambda value: residual, "L1.z": head, "L2.pattern": row}
    limit = 5e-6 if oracle.wiring.fp32_pattern else 1e-9
    actual = model.run(PROMPT, edits=edits, start=(1, residual)).logits
    assert_close(actual, oracle.run(PROMPT, changes)["logits"], limit)


def test_a_run_stopped_after_a_site_has_what_the_whole_run_has(name, model_of, oracle_of):
    model, oracle = model_of(name, torch.float32), oracle_of(name, torch.float32)
    before = footprint(model.module)
    whole = model.run(PROMPT, capture=layer_sites(oracle, 0) + layer_sites(oracle, 1))
    for site in ("resid_pre", "q", "pattern", "z", "attn_out", "mlp_post", "resid_post"):
        if not exists(oracle, 1, site):
            continue
        wanted = ["L0.resid_post", f"L1.{site}"]
        part = model.run(PROMPT, capture=wanted, stop_after=f"L1.{site}")
        assert part.logits is None
        assert all(torch.equal(part[name], whole[name]) for name in wanted)
        assert torch.equal(
            model.run(PROMPT, capture=wanted, logits="none")[wanted[1]], whole[wanted[1]]
        )
    assert footprint(model.module) == before
