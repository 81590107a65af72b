"""A row of a pass over several agrees with a run of its own, in every family."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine.passes.forward import Request, capture_rows, run, run_rows
from unembed.models.tiny import FAMILIES

from .closeness import FP32_ROUNDING, TOLERANCE, assert_close

ROWS = ((1, 59, 109, 118, 72, 87, 80, 91, 121, 4), (1, 30, 77, 99, 15, 120), (66, 23, 9, 40, 50))
SITES = (
    "embed", "resid_pre", "attn_in", "q", "k", "v", "scores", "pattern", "z", "attn_out",
    "resid_mid", "mlp_in", "mlp_pre", "mlp_gate", "mlp_post", "mlp_out", "resid_post",
    "final_norm",
)  # fmt: skip
# Their own attention code works in fp32 whatever the dtype of the model.
IN_FP32 = ("gpt_neo", "gptj", "codegen")


def edits_of(model):
    """Another edit in each row: heads, attention from the last position, an early residual."""
    pairs = [ue.zero("L1.H2.pattern@-1"), ue.scale("L0.H0.q", 3.0)]
    return [
        (ue.zero("L1.H1"),),
        (ue.scale("L0.attn", 2.0), ue.zero("L2.resid_pre", positions=[-1])),
        tuple(pairs) if model.capabilities()["pattern"].available else (ue.zero("embed@0"),),
    ]


def compare(model, tolerance, **options):
    can = model.capabilities()
    sites = [site for site in SITES if can[site].available]
    requests = [
        Request(ids, sites, edits, **options)
        for ids, edits in zip(ROWS, edits_of(model), strict=True)
    ]
    for request, row in zip(requests, run_rows(model, requests), strict=True):
        alone = run(model, request)
        assert row.activations.keys() == alone.activations.keys()
        for site_key, expected in alone.activations.items():
            assert_close(row.activations[site_key], expected, tolerance)
        assert_close(row.logits, alone.logits, tolerance)


@pytest.mark.parametrize("name", FAMILIES)
def test_rows_of_any_length_agree_with_runs_of_their_own(model_of, name):
    tolerance = FP32_ROUNDING if name in IN_FP32 else TOLERANCE[torch.float64]
    compare(model_of(name, torch.float64), tolerance, logits="last")


@pytest.mark.parametrize("name", ["gpt2", "bloom", "mixtral", "modernbert", "falcon-alibi"])
def test_rows_agree_in_single_precision_and_with_all_logits(model_of, name):
    compare(model_of(name, torch.float32), TOLERANCE[torch.float32], logits="all")


@pytest.mark.parametrize("name", FAMILIES)
def test_what_is_kept_of_all_rows_together_is_what_each_alone_computes(model_of, name):
    model = model_of(name, torch.float64)
    can = model.capabilities()
    sites = [site for site in ("resid_pre", "resid_post", "z") if can[site].available]
    tolerance = FP32_ROUNDING if name in IN_FP32 else TOLERANCE[torch.float64]
    found = capture_rows(model, ROWS, sites)
    for row, ids in enumerate(ROWS):
        alone = run(model, Request(ids, sites, logits="none"))
        assert {site_key.name for site_key in alone.activations} == set(found)
        for site_key, expected in alone.activations.items():
            assert_close(found[site_key.name][row, : len(ids)], expected, tolerance)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_gradients_of_a_row_are_those_of_a_run_of_its_own(model_of, name):
    model = model_of(name, torch.float64)
    capture = ("L1.attn_in", "L1.q", "L0.resid_post")
    requests = [
        Request(ids, capture, edits, "last", grad=True)
        for ids, edits in zip(ROWS, edits_of(model), strict=True)
    ]

    def gradients(run):
        states = [run[site] for site in capture]
        return torch.autograd.grad(run.logits[-1, 7], states, retain_graph=True)

    for request, row in zip(requests, run_rows(model, requests), strict=True):
        for found, expected in zip(gradients(row), gradients(run(model, request)), strict=True):
            assert_close(found, expected)


def test_padding_is_no_text(model_of):
    """What stands behind a row changes nothing in it, and is in nothing that it returns."""
    model = model_of("bert", torch.float64)
    short = Request(ROWS[2], ("pattern", "resid_post"))
    beside = [run_rows(model, [short, Request(other, short.capture)])[0] for other in ROWS[:2]]
    for row in beside:
        assert row["L0.pattern"].shape[-2:] == (5, 5)
        assert torch.allclose(row["L0.pattern"].sum(-1), torch.ones(1, dtype=torch.float64))
        assert row["L2.resid_post"].shape[0] == row.logits.shape[0] == 5
    assert_close(beside[0].logits, beside[1].logits)
