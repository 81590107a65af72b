"""Readings of one position are a full softmax over each state's decoded logits."""

from __future__ import annotations

import math

import pytest
import torch

import unembed as ue
from unembed.analyses.predictions.predictions import (
    compare_predictions,
    layer_predictions,
    predictions_capture,
)
from unembed.engine.capabilities import Capability
from unembed.errors import InputError, TargetError

from ..contract.wiring import REPRESENTATIVES
from .slow import PROMPT, TOLERANCE, divergence, entropy

DTYPES = (torch.float64,)  # float32: see tests/contract


def assert_reading(reading, logits, final, tolerance, target=None, distractor=None):
    p = logits.softmax(-1)
    best = p.topk(len(reading.top))
    found = [one.probability for one in reading.top]
    ids = [one.token.id for one in reading.top]
    assert found == pytest.approx(best.values.tolist(), abs=tolerance)
    assert p[ids].tolist() == pytest.approx(best.values.tolist(), abs=tolerance)
    assert [one.logit for one in reading.top] == pytest.approx(logits[ids].tolist(), abs=tolerance)
    assert reading.entropy == pytest.approx(float(entropy(logits)), abs=tolerance)
    assert reading.kl_to_final == pytest.approx(float(divergence(final, logits)), abs=tolerance)
    for score, token in ((reading.target, target), (reading.distractor, distractor)):
        if token is None:
            assert score is None
            continue
        assert score.probability == pytest.approx(float(p[token]), abs=tolerance)
        assert score.logit == pytest.approx(float(logits[token]), abs=tolerance)
        low = 1 + int((logits > logits[token] + tolerance).sum())
        high = int((logits > logits[token] - tolerance).sum())
        assert low <= score.rank <= high


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_every_state_of_a_position_is_a_full_softmax(name, dtype, model_of, slow_of):
    model = model_of(name, dtype)
    run = model.run(PROMPT, predictions_capture(model), logits="none")
    found = layer_predictions(run, 6, top_k=4, target=9, distractor=11)
    slow = slow_of(name, dtype)
    sites = slow.oracle.run(PROMPT)
    final = sites["logits"][6].double()
    assert found.position == 6
    assert_reading(found.baseline.next_token, final, final, TOLERANCE[dtype], 9, 11)
    assert found.baseline.next_token.kl_to_final == 0
    for layer, reading in enumerate(found.baseline.layers):
        parts = {"resid_pre": reading.resid_pre, "resid_post": reading.resid_post}
        if slow.oracle.wiring.layout == "parallel":
            assert reading.resid_mid is None
        else:
            parts["resid_mid"] = reading.resid_mid
        for site, part in parts.items():
            logits = slow.decode(sites[f"L{layer}.{site}"])[6].double()
            assert_reading(part, logits, final, TOLERANCE[dtype], 9, 11)


@pytest.mark.parametrize("name", ["gemma3", "bert", "falcon"])
def test_baseline_beside_edited(name, model_of, slow_of):
    model = model_of(name, torch.float64)
    capture = predictions_capture(model)
    baseline = model.run(PROMPT, capture, logits="none")
    edited = model.run(PROMPT, capture, [ue.scale("L1.mlp", 3.0)], logits="none")
    found = compare_predictions(baseline, edited, 4, top_k=5, target=30)
    slow = slow_of(name, torch.float64)
    before = slow.oracle.run(PROMPT)["logits"][4]
    after = slow.oracle.run(PROMPT, {"L1.mlp_out": lambda value: value * 3.0})["logits"][4]
    assert_reading(found.baseline.next_token, before, before, 1e-10, 30)
    assert_reading(found.edited.next_token, after, after, 1e-10, 30)
    assert found.kl == pytest.approx(float(divergence(before, after)), abs=1e-10)
    p, q = before.softmax(-1), after.softmax(-1)
    union = {*p.topk(5).indices.tolist(), *q.topk(5).indices.tolist()}
    assert {change.token.id for change in found.changes} == union
    for change in found.changes:
        token = change.token.id
        assert change.baseline_probability == pytest.approx(float(p[token]), abs=1e-10)
        assert change.edited_probability == pytest.approx(float(q[token]), abs=1e-10)
        assert change.baseline_rank == 1 + int((p > p[token]).sum())
        assert change.edited_rank == 1 + int((q > q[token]).sum())
    sizes = [abs(c.edited_probability - c.baseline_probability) for c in found.changes]
    assert sizes == sorted(sizes, reverse=True)
    alone = layer_predictions(baseline, 4, top_k=5, target=30)
    assert_reading(alone.baseline.next_token, before, before, 1e-10, 30)


def test_ranks_of_changes_agree_with_the_lists_of_both_sides(model_of):
    model = model_of("qwen2")
    capture = predictions_capture(model)
    runs = [model.run(PROMPT, capture, edits) for edits in ([], [ue.zero("L0.H1")])]
    found = compare_predictions(*runs, top_k=8)
    by_token = {change.token.id: change for change in found.changes}
    for rank, one in enumerate(found.baseline.next_token.top, 1):
        assert by_token[one.token.id].baseline_rank == rank
        assert by_token[one.token.id].baseline_probability == one.probability
    for rank, one in enumerate(found.edited.next_token.top, 1):
        assert by_token[one.token.id].edited_rank == rank


def test_a_distractor_alone(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, predictions_capture(model))
    reading = layer_predictions(run, distractor=3).baseline.next_token
    assert reading.target is None
    assert reading.distractor is not None


def test_a_model_without_a_lens_is_read_from_its_logits(model_of, monkeypatch):
    model = model_of("llama", torch.float64)
    wanted = layer_predictions(model.run(PROMPT, predictions_capture(model)), 5, target=2)
    without = {**model.capabilities(), "lens": Capability("lens", False, "no reason")}
    monkeypatch.setattr(type(model), "capabilities", lambda self: without)
    assert predictions_capture(model) == ()
    found = layer_predictions(model.run(PROMPT), 5, target=2)
    assert found.baseline.layers is None
    for one, other in zip(
        found.baseline.next_token.top, wanted.baseline.next_token.top, strict=True
    ):
        assert one.token == other.token
        assert one.probability == pytest.approx(other.probability, abs=1e-12)
    assert found.baseline.next_token.target.rank == wanted.baseline.next_token.target.rank
    last = layer_predictions(model.run(PROMPT, logits="last"), -1).baseline
    whole = layer_predictions(model.run(PROMPT), -1).baseline
    assert last.next_token.top == whole.next_token.top
    with pytest.raises(TargetError, match="no logits at position 5"):
        layer_predictions(model.run(PROMPT, logits="last"), 5)


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_the_output_alone_is_that_of_all_layers_and_needs_no_layer(name, model_of):
    model = model_of(name, torch.float64)
    edit = ue.scale("L1.mlp", 3.0)
    capture = predictions_capture(model, layers=False)
    assert capture == ("final_norm",)
    options = {"position": 5, "target": 9, "distractor": 3, "top_k": 4}
    whole = ue.predictions(model, PROMPT, edits=[edit], **options)
    runs = [model.run(PROMPT, capture, edits, logits="none") for edits in ([], [edit])]
    alone = compare_predictions(*runs, layers=False, **options)
    assert alone.baseline.layers is alone.edited.layers is None
    assert alone.kl == pytest.approx(whole.kl, rel=1e-9)
    for side in ("baseline", "edited"):
        one, other = (getattr(found, side).next_token for found in (alone, whole))
        assert one.target.logit == pytest.approx(other.target.logit, rel=1e-9)
        assert one.distractor.rank == other.distractor.rank
        assert one.entropy == pytest.approx(other.entropy, rel=1e-9)
        assert [at.token for at in one.top] == [at.token for at in other.top]
        assert [at.probability for at in one.top] == pytest.approx(
            [at.probability for at in other.top], rel=1e-9
        )
    assert [one.token.id for one in alone.changes] == [one.token.id for one in whole.changes]
    with pytest.raises(TargetError, match="was not captured"):
        layer_predictions(runs[0])


@pytest.mark.parametrize("position", [10, -11])
def test_a_position_outside_the_prompt_is_refused(model_of, position):
    model = model_of("gpt2")
    run = model.run(PROMPT, predictions_capture(model))
    with pytest.raises(TargetError, match=f"position {position} is not in this prompt"):
        layer_predictions(run, position)


def test_runs_of_different_lengths_are_not_compared(model_of):
    model = model_of("gpt2")
    capture = predictions_capture(model)
    with pytest.raises(InputError, match="different numbers of tokens"):
        compare_predictions(model.run(PROMPT, capture), model.run(PROMPT[:5], capture))


def test_numbers_are_finite(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, predictions_capture(model))
    for layer in layer_predictions(run, 0).baseline.layers:
        assert math.isfinite(layer.resid_pre.kl_to_final)


def test_one_call_runs_and_reads(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, predictions_capture(model))
    options = {"position": 4, "top_k": 3, "target": 30, "distractor": 7}
    wanted = layer_predictions(run, **options)
    assert ue.predictions(model, PROMPT, **options) == ue.predictions(run, **options) == wanted
    assert wanted.tokens == run.tokens
    assert (wanted.position, wanted.target.id, wanted.distractor.id) == (4, 30, 7)


def test_one_call_compares_with_the_edits(model_of):
    model = model_of("gpt2")
    capture = predictions_capture(model)
    first, second = ue.zero("L0.H1"), ue.scale("L1.mlp", 2.0)
    runs = [model.run(PROMPT, capture, edits) for edits in ([], [first], [first, second])]
    assert ue.predictions(model, PROMPT, edits=[first]) == compare_predictions(*runs[:2])
    assert ue.predictions(runs[1], edits=[second]) == compare_predictions(*runs[1:])


def test_a_model_needs_a_prompt_and_a_run_has_one(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="needs a prompt"):
        ue.predictions(model)
    with pytest.raises(InputError, match="has its prompt already"):
        ue.predictions(model.run(PROMPT), PROMPT)
    with pytest.raises(TargetError, match="was not captured"):
        ue.predictions(model.run(PROMPT))


def test_a_table_has_a_row_for_every_state_of_both_sides(model_of):
    model = model_of("gpt2")
    found = ue.predictions(model, PROMPT, target=30, edits=[ue.zero("L0.H1")])
    table = found.to_pandas()
    assert len(table) == 2 * (3 * model.anatomy.n_layers + 1)
    row = table[(table.side == "edited") & (table.layer == 2) & (table.state == "resid_mid")].iloc[
        0
    ]
    reading = found.edited.layers[2].resid_mid
    assert row.target_rank == reading.target.rank
    assert row.kl_to_final == reading.kl_to_final
    assert row.top_token == reading.top[0].token.text
