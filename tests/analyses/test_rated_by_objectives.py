"""What rates by a token rates by an objective too: numbers of all logits, the slow way."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.predictions.predictions import layer_predictions, predictions_capture
from unembed.analyses.tools.effects import Writes, effects_on
from unembed.errors import InputError, TargetError

from ..contract.wiring import REPRESENTATIVES
from .slow import OF_LOGITS, PROMPT, TOLERANCE

Objective = ue.Objective
CASES = [
    *((name, torch.float64) for name in REPRESENTATIVES),
    ("gpt2", torch.float32),
    ("gemma3-capped", torch.float32),
    ("bert", torch.float32),
]
every_family = pytest.mark.parametrize(("name", "dtype"), CASES)


def all_of(how, logits):
    """An objective of [..., vocab] logits, position by position."""
    flat = logits.double().flatten(0, -2)
    return torch.stack([how(one) for one in flat]).reshape(logits.shape[:-1])


def close(found, wanted, dtype):
    limit = 2 * TOLERANCE[dtype]
    torch.testing.assert_close(found.double(), wanted.double(), rtol=limit, atol=limit)


@every_family
def test_a_lens_reads_an_objective_in_every_cell(name, dtype, model_of, slow_of):
    model, slow = model_of(name, dtype), slow_of(name, dtype)
    for objective, how in OF_LOGITS.values():
        found = ue.logit_lens(model, PROMPT, target=objective, subblocks=True)
        wanted = all_of(how, slow.rows(found.rows))
        values = found.logit if found.value is None else found.value
        close(values, wanted, dtype)
        first = objective.tokens[0]
        assert found.target.id == first
        close(found.logit, slow.rows(found.rows)[..., first], dtype)


@every_family
def test_predictions_read_an_objective_in_every_state(name, dtype, model_of, slow_of):
    model, slow = model_of(name, dtype), slow_of(name, dtype)
    run = model.run(PROMPT, predictions_capture(model), logits="none")
    sites = slow.oracle.run(PROMPT)
    for objective, how in OF_LOGITS.values():
        found = layer_predictions(run, 6, target=objective.at(6), top_k=2)
        final = float(how(sites["logits"][6].double()))
        assert found.baseline.next_token.objective == pytest.approx(final, **near(dtype))
        for reading in found.baseline.layers:
            for site in ("resid_pre", "resid_mid", "resid_post"):
                state = getattr(reading, site)
                if state is not None:
                    logits = slow.decode(sites[f"L{reading.layer}.{site}"])[6].double()
                    wanted = float(how(logits))
                    assert state.objective == pytest.approx(wanted, **near(dtype))


def near(dtype):
    return {"rel": 2 * TOLERANCE[dtype], "abs": 2 * TOLERANCE[dtype]}


def same(one, other):
    """Whether two results are the same numbers, to the bit, but for words."""
    for name, array in one.arrays().items():
        assert array.equal(other.arrays()[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_token_is_the_objective_of_its_logit(dtype, model_of):
    """Text, an id and `Objective.logit` are one thing, bit for bit."""
    model = model_of("gemma3-capped", dtype)
    text = model.token(72).text
    for target in (text, Objective.logit(72), Objective.logit(text), Objective.logit([72])):
        lens = ue.logit_lens(model, PROMPT, target=target)
        assert lens.value is None
        assert lens.objective == f"logit of {text!r}"
        same(lens, ue.logit_lens(model, PROMPT, target=72))
        found = ue.predictions(model, PROMPT, target=target)
        assert found == ue.predictions(model, PROMPT, target=72)
        assert found.baseline.next_token.objective == found.baseline.next_token.target.logit


def test_a_distractor_is_a_difference_of_logits(model_of):
    model = model_of("llama", torch.float32)
    found = ue.predictions(model, PROMPT, target=72, distractor=9)
    assert found == ue.predictions(model, PROMPT, target=Objective.logit_diff(72, 9))
    texts = [model.token(one).text for one in (72, 9)]
    assert found.objective == f"logit of {texts[0]!r} less that of {texts[1]!r}"
    for layer in found.baseline.layers:
        state = layer.resid_post
        wanted = state.target.logit - state.distractor.logit
        assert state.objective == pytest.approx(wanted, rel=1e-6)
    alone = ue.predictions(model, PROMPT, distractor=9)
    assert alone.objective is None
    assert alone.target is None
    assert alone.baseline.next_token.distractor == found.baseline.next_token.distractor
    assert alone.baseline.next_token.objective is None


def test_an_edited_run_is_rated_by_the_same_objective(model_of, slow_of):
    model, slow = model_of("gpt2", torch.float64), slow_of("gpt2", torch.float64)
    objective, how = OF_LOGITS["several"]
    edits = [ue.scale("L1.mlp", 3.0)]
    found = ue.predictions(model, PROMPT, target=objective, edits=edits)
    after = slow.oracle.run(PROMPT, {"L1.mlp_out": lambda value: value * 3.0})["logits"][-1]
    assert found.edited.next_token.objective == pytest.approx(float(how(after)), rel=1e-9)
    lens = ue.logit_lens(model, PROMPT, target=objective, edits=edits)
    assert float(lens.value[-1, -1]) == pytest.approx(float(how(after)), rel=1e-9)


def test_a_lens_names_its_objective_everywhere(model_of):
    model = model_of("gpt2", torch.float32)
    lens = ue.logit_lens(model, PROMPT, target=Objective.logit_diff(72, 9))
    assert lens.objective in repr(lens)
    assert lens.columns()["value"] == lens.value.flatten().tolist()
    data = lens.to_dict()
    assert data["objective"] == lens.objective
    assert data["value"] == lens.value.tolist()
    assert ue.logit_lens(model, PROMPT, target=72).to_dict()["value"] is None
    assert ue.logit_lens(model, PROMPT).objective is None


REFUSED = [
    (Objective.activation("L1.N7"), {}, "target", "objective of logits"),
    (Objective.direction("L1.resid_post", torch.ones(40)), {}, "target", "objective of logits"),
    (Objective.logit(9999), {}, "target", "not in the vocabulary"),
    (Objective.logit_diff(72, 9999), {}, "target", "not in the vocabulary"),
]


@pytest.mark.parametrize(("objective", "options", "field", "said"), REFUSED)
def test_what_cannot_be_read_of_a_state_is_refused(objective, options, field, said, model_of):
    model = model_of("gpt2", torch.float32)
    for ask in (ue.logit_lens, ue.predictions):
        with pytest.raises((InputError, TargetError), match=said) as caught:
            ask(model, PROMPT, target=objective, **options)
        assert caught.value.field == field


def test_predictions_refuse_another_position_and_a_second_distractor(model_of):
    model = model_of("gpt2", torch.float32)
    with pytest.raises(InputError, match="position 4, and position 9") as caught:
        ue.predictions(model, PROMPT, target=Objective.logit(72, position=4))
    assert caught.value.fix == "target=objective.at(9)"
    with pytest.raises(InputError, match="leave distractor out"):
        ue.predictions(model, PROMPT, target=Objective.logit(72), distractor=9)
    with pytest.raises(TargetError) as caught:
        ue.predictions(model, PROMPT, target=72, distractor=9999)
    assert caught.value.field == "distractor"


def test_options_take_an_objective_in_python_and_no_other_object(model_of):
    objective = Objective.logit_diff(72, 9)
    options = ue.LensOptions(target=objective)
    assert options.changed(layer_step=2).target is objective
    lens = ue.logit_lens(model_of("gpt2", torch.float32), PROMPT, options=options)
    assert lens.value is not None
    with pytest.raises(InputError) as caught:
        ue.LensOptions(target=object())
    assert caught.value.field == "target"


# ---------------------------------------------------------------- sub-updates


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "olmo2", "falcon"])
def test_parts_of_a_layer_have_effects_on_an_objective(name, dtype, model_of):
    """They sum to that of what the layer added, and are linear in the logits."""
    model = model_of(name, dtype)
    run = model.run(PROMPT, ue.sub_updates_capture(model))
    limit = {"rel": 20 * TOLERANCE[dtype], "abs": 20 * TOLERANCE[dtype]}

    def parts(target):
        found = ue.sub_updates(run, 6, 4, target=target, effects=0)
        return [
            [update.attributed for update in branch.parts]
            for layer in found.layers
            for branch in (layer.heads, layer.neurons)
            if branch is not None
        ]

    several = parts(Objective.logit_diff([72, 5], 9, position=6))
    each = zip(parts(72), parts(5), parts(9), strict=True)
    for found, (one, other, third) in zip(several, each, strict=True):
        wanted = [(a + b) / 2 - c for a, b, c in zip(one, other, third, strict=True)]
        assert found == pytest.approx(wanted, **limit)
    layer, branch = 1, "mlp"
    added = run[f"L{layer}.{branch}_out"][6, None]
    objective = Objective.log_prob([72, 5], position=6)
    whole = float(effects_on(run, [Writes(added, layer, branch)], [objective]))
    own = ue.sub_updates(run, 6, 4, target=objective).layer(layer).neurons
    assert sum(one.attributed for one in own.parts) == pytest.approx(whole, **limit)


def test_sub_updates_beside_predictions_are_on_the_same_objective(model_of):
    model = model_of("gpt2", torch.float32)
    asked = ue.PredictionsOptions(target=72, distractor=9, sub_updates=3)
    found = ue.predictions(model, PROMPT, options=asked)
    updates = found.baseline.updates
    assert updates.objective == found.objective
    run = model.run(PROMPT, ue.sub_updates_capture(model))
    alone = ue.sub_updates(run, -1, 3, target=Objective.logit_diff(72, 9))
    assert updates.columns() == alone.columns()
    assert updates.columns()["attributed"][0] is not None
    assert ue.sub_updates(run, -1, 3).objective is None
    with pytest.raises(InputError, match="nothing writes directly"):
        ue.sub_updates(run, -1, 3, target=Objective.activation("L1.N7"))
