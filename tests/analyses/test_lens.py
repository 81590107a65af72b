"""The lens is, cell by cell, a full softmax over the decoded residual stream."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.analyses.lens import reading as module
from unembed.analyses.lens.grid import compare_lenses, lens_of_run, logit_lens
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import plan_lens
from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, TargetError, TooLargeError

from ..contract.wiring import REPRESENTATIVES
from .slow import PROMPT, TOLERANCE, assert_lens, assert_top, divergence

DTYPES = (torch.float32, torch.float64)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_every_cell_is_a_full_softmax(name, dtype, model_of, slow_of):
    grid = logit_lens(model_of(name, dtype), PROMPT, top_k=5)
    logits = slow_of(name, dtype).rows(grid.rows)
    assert_lens(grid, logits, logits[-1].argmax(-1), TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_last_row_is_the_models_own_output(name, dtype, model_of):
    model = model_of(name, dtype)
    grid = logit_lens(model, PROMPT, top_k=3)
    with torch.no_grad():
        logits = model.module(torch.tensor([PROMPT])).logits[0].double()
    assert_top(grid.top_ids[-1], grid.top_probabilities[-1], logits, TOLERANCE[dtype])
    assert torch.equal(grid.target_ids, grid.top_ids[-1, :, 0])
    assert (grid.rank[-1] == 1).all()
    assert not grid.kl[-1].any()
    assert torch.equal(grid.probability[-1], grid.top_probabilities[-1, :, 0])


def test_edits_show_in_the_rows_above_them(model_of, slow_of):
    model = model_of("llama", torch.float64)
    plain = logit_lens(model, PROMPT)
    edited = logit_lens(model, PROMPT, edits=[ue.zero("L1.mlp")])
    logits = slow_of("llama", torch.float64).rows(edited.rows, {"L1.mlp_out": torch.zeros_like})
    assert_lens(edited, logits, logits[-1].argmax(-1), 1e-10)
    assert torch.equal(plain.entropy[:2], edited.entropy[:2])
    assert not torch.isclose(plain.entropy[2:], edited.entropy[2:]).any()


def test_an_edit_of_the_last_state_is_the_last_row(model_of):
    edited = logit_lens(model_of("llama"), PROMPT, edits=[ue.zero("final_norm")])
    assert edited.entropy[-1].tolist() == pytest.approx([torch.tensor(128.0).log().item()] * 10)


@pytest.mark.parametrize("target", [None, 9])
def test_two_runs_side_by_side(model_of, slow_of, target):
    model = model_of("gemma3", torch.float64)
    plan = plan_lens(model, len(PROMPT), LensOptions(top_k=4, target=target))
    baseline = model.run(PROMPT, plan.capture)
    edited = model.run(PROMPT, plan.capture, [ue.zero("L0.attn")])
    found = compare_lenses(baseline, edited, plan)
    slow = slow_of("gemma3", torch.float64)
    before = slow.rows(found.baseline.rows)
    after = slow.rows(found.baseline.rows, {"L0.attn_out": torch.zeros_like})
    targets = before[-1].argmax(-1) if target is None else torch.full((len(PROMPT),), target)
    assert_lens(found.baseline, before, targets, 1e-10)
    assert_lens(found.edited, after, targets, 1e-10)
    torch.testing.assert_close(found.kl_between, divergence(before, after), rtol=0, atol=1e-10)
    alone = lens_of_run(baseline, plan)
    for name, array in alone.arrays().items():
        torch.testing.assert_close(found.baseline.arrays()[name], array, rtol=0, atol=1e-12)


def test_positions_read_in_parts_are_the_same_grid(model_of, monkeypatch):
    model = model_of("gpt2", torch.float64)
    whole = logit_lens(model, PROMPT)
    seen = []
    monkeypatch.setattr(module, "CELLS_AT_A_TIME", 12)
    parts = logit_lens(model, PROMPT, progress=lambda *step: seen.append(step))
    for name, array in whole.arrays().items():
        torch.testing.assert_close(parts.arrays()[name], array, rtol=0, atol=1e-12)
    done = [done for stage, done, _ in seen if stage == "projecting"]
    assert done == sorted(done)
    assert seen[-1][1] == seen[-1][2]


def test_a_wrong_first_guess_of_the_final_tokens_is_mended(model_of, monkeypatch):
    model = model_of("gpt2")
    wanted = logit_lens(model, PROMPT)
    monkeypatch.setattr(
        module.LensReading, "_target_ids", lambda self: torch.zeros(len(PROMPT), dtype=torch.long)
    )
    found = logit_lens(model, PROMPT)
    for name, array in wanted.arrays().items():
        assert torch.equal(found.arrays()[name], array)


def test_the_same_call_gives_the_same_bytes(model_of):
    first, second = (logit_lens(model_of("qwen3"), PROMPT) for _ in range(2))
    for name, array in first.arrays().items():
        assert torch.equal(second.arrays()[name], array)


def test_a_target_that_does_not_exist_is_refused_before_the_run(model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(TargetError):
        logit_lens(model, PROMPT, target=128)


def test_too_many_cells_are_refused_before_the_run(model_of, monkeypatch):
    model = model_of("gpt2")
    monkeypatch.setattr(model, "settings", replace(model.settings, max_lens_cells=39))
    monkeypatch.setattr(type(model), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    with pytest.raises(TooLargeError, match="4 rows x 10 positions = 40 cells"):
        logit_lens(model, PROMPT)


def test_a_run_that_captured_too_little_is_told_what_to_capture(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, ["L0.resid_post"])
    with pytest.raises(TargetError, match="was not captured"):
        lens_of_run(run, plan_lens(model, len(PROMPT), LensOptions()))


def test_cancelling_stops_the_projection(model_of):
    model = model_of("gpt2")
    cancel = Cancel()
    plan = plan_lens(model, len(PROMPT), LensOptions())
    run = model.run(PROMPT, plan.capture)
    cancel.cancel()
    with pytest.raises(CancelledError):
        lens_of_run(run, plan, cancel)
