"""The score of a label as what is explained, against the model's own head, autograd and hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..engine.test_labels import PROMPT, labelled

FAMILIES = [
    ("bert", "text"),
    ("bert", "token"),
    ("roberta", "text"),
    ("llama", "text"),
    ("gpt2", "token"),
    ("distilbert", "text"),
]
LINEAR = {("bert", "token"), ("llama", "text"), ("gpt2", "token")}
READ = {("bert", "token"): 2, ("gpt2", "token"): 2, ("llama", "text"): 4}  # the others: the first


@pytest.fixture(params=FAMILIES, ids="-".join, scope="module")
def made(request: Any) -> tuple[tuple[str, str], nn.Module, Model]:
    module = labelled(*request.param).double()
    return request.param, module, ue.load(module, tiny_tokenizer())


def objective(model: Model) -> ue.Objective:
    return ue.Objective.label("fair", position=2 if model.labels.of == "token" else -1)


def measured(module: nn.Module, model: Model, prompt: list[int] = PROMPT) -> float:
    return score(module, model, prompt).item()


def score(module: nn.Module, model: Model, prompt: list[int] = PROMPT) -> torch.Tensor:
    found = module(torch.tensor([prompt])).logits[0]
    return found[2, 1] if model.labels.of == "token" else found[1]


def last_output(module: nn.Module, model: Model) -> tuple[torch.Tensor, torch.Tensor]:
    """The last block's output by a plain hook, and its gradient by autograd."""
    kept: list[torch.Tensor] = []

    def keep(_module: nn.Module, _args: Any, output: Any) -> None:
        kept.append(output[0] if isinstance(output, tuple) else output)

    block = module.get_submodule(model.anatomy.blocks[-1].module)
    handle = block.register_forward_hook(keep)
    with torch.enable_grad():
        value = score(module, model)
        (slope,) = torch.autograd.grad(value, kept[0])
    handle.remove()
    return kept[0].detach().reshape(len(PROMPT), -1), slope.reshape(len(PROMPT), -1)


def test_its_value_and_gradient_are_those_of_the_model_itself(made):
    case, module, model = made
    why = objective(model)
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    run = model.run(PROMPT, [last], grad=True)
    value = why.value(run)
    assert value.dim() == 0
    torch.testing.assert_close(value, score(module, model))
    state, slope = last_output(module, model)
    torch.testing.assert_close(run[last].detach(), state)
    torch.testing.assert_close(why.gradient(run), slope[READ.get(case, 0)])
    by_number = ue.Objective.label(1, position=why.position)
    assert torch.equal(by_number.value(run), value)
    assert why.words.startswith("score of the label 'fair'")


def test_a_sweep_measures_it_under_edits(made):
    _, module, model = made
    found = ue.sweep(
        model, PROMPT, [[], ue.zero("L1.attn"), ue.zero("L0.mlp")], objective=objective(model)
    )
    expected = [score(module, model)]
    for layer, branch in ((1, "attention"), (0, "mlp")):
        part = getattr(model.block(layer), branch)
        handle = module.get_submodule(part.added.module).register_forward_hook(
            lambda _, __, output: (
                (output[0] * 0, *output[1:]) if isinstance(output, tuple) else output * 0
            )
        )
        expected.append(score(module, model))
        handle.remove()
    torch.testing.assert_close(found.values, torch.stack(expected).detach())
    assert len(set(found.values.tolist())) == 3


def test_attribution_is_complete_and_says_how_the_head_is_read(made):
    case, module, model = made
    found = ue.attribute(model, PROMPT, objective(model))
    assert found.value == pytest.approx(measured(module, model))
    assert found.objective == "score of the label 'fair'"
    assert found.method == ("frozen" if case in LINEAR else "gradient")
    assert found.position == READ.get(case, 0)
    sums = found.completeness
    assert sums.rest == pytest.approx(0, abs=1e-9)
    if case in LINEAR:
        assert sums.beyond == pytest.approx(0, abs=1e-9)
    text = ue.attribute(
        model, PROMPT, 'label("fair")', position=2 if model.labels.of == "token" else -1
    )
    assert [row.total for row in text.rows] == [row.total for row in found.rows]


def test_estimated_effects_are_gradients_of_the_score(made):
    _, module, model = made
    found = ue.attribute(model, PROMPT, objective(model), frozen="none", pairs=False)
    kept: list[torch.Tensor] = []

    def keep(_module: nn.Module, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        kept.append(args[0])
        return args

    out = module.get_submodule(model.block(0).attention.output_map)
    handle = out.register_forward_pre_hook(keep)
    with torch.enable_grad():
        value = score(module, model)
        (slope,) = torch.autograd.grad(value, kept[0])
    handle.remove()
    n_heads = model.block(0).attention.n_heads
    expected = (kept[0] * slope).detach().reshape(len(PROMPT), n_heads, -1).sum(-1)
    group = next(one for one in found.groups if one.kind == "head" and one.layer == 0)
    torch.testing.assert_close(group.total, expected)


def test_direct_effects_through_a_linear_head_are_those_by_hand():
    module = labelled("gpt2", "token").double()
    model = ue.load(module, tiny_tokenizer())
    last, why = model.anatomy.n_layers - 1, ue.Objective.label("fair", position=2)
    found = ue.attribute(model, PROMPT, why, pairs=False)
    state, _ = last_output(module, model)
    norm, row = module.transformer.ln_f, module.classifier.weight[1].detach()
    scale = (state[2].var(unbiased=False) + norm.eps).sqrt()
    written = module.transformer.h[last].mlp.c_proj.weight.detach()  # [neuron, d_model]
    centred = written - written.mean(-1, keepdim=True)
    group = next(one for one in found.groups if one.kind == "neuron" and one.layer == last)
    expected = group.activation[2] * ((centred / scale * norm.weight.detach()) @ row)
    torch.testing.assert_close(group.direct, expected)
    bias = float(norm.bias.detach() @ row + module.classifier.bias[1].detach())
    assert found.completeness.head == pytest.approx(bias)


@pytest.mark.parametrize(
    "made", [one for one in FAMILIES if one not in LINEAR], ids="-".join, indirect=True
)
def test_direct_effects_through_a_pooled_head_are_along_its_gradient(made):
    _, module, model = made
    last = model.anatomy.n_layers - 1
    found = ue.attribute(model, PROMPT, objective(model), pairs=False)
    _, slope = last_output(module, model)
    kept: list[torch.Tensor] = []
    inner = module.get_submodule(model.block(last).mlp.output_map)
    handle = inner.register_forward_hook(lambda _, args, output: kept.extend((args[0], output)))
    norms: list[torch.Tensor] = []
    final = module.get_submodule(model.block(last).stream_norms[-1])
    other = final.register_forward_hook(lambda _, args, output: norms.append(args[0]))
    score(module, model)
    handle.remove()
    other.remove()
    state = norms[0].detach()[0, 0]
    scale = (state.var(unbiased=False) + final.eps).sqrt()
    written = inner.weight.detach().T  # [neuron, d_model]
    carried = (written - written.mean(-1, keepdim=True)) / scale * final.weight.detach()
    group = next(one for one in found.groups if one.kind == "neuron" and one.layer == last)
    torch.testing.assert_close(group.direct, kept[0].detach()[0, 0] * (carried @ slope[0]))


def test_measured_beside_estimated_and_a_grid_of_patches(made):
    _, module, model = made
    why = objective(model)
    found = ue.attribute(model, PROMPT, why, verify=3, pairs=False)
    assert found.verification.nodes == 3
    other = [5, 9, 7, 22, 40]
    grid = ue.patch_grid(model, PROMPT, other, why, site="resid_pre", layers=[1])
    assert grid.clean == pytest.approx(measured(module, model))
    assert grid.corrupted == pytest.approx(measured(module, model, other))
    clean = model.run(PROMPT, ["L1.resid_pre"])
    for position in range(len(PROMPT)):
        edit = ue.patch(f"L1.resid_pre@{position}", clean)
        alone = why.value(model.run(other, edits=[edit]))
        assert float(grid.values[0, position]) == pytest.approx(float(alone))


def test_with_norms_frozen_totals_of_the_last_layer_are_direct_effects(made):
    _, _, model = made
    found = ue.attribute(model, PROMPT, objective(model), frozen="all", pairs=False)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    last = model.anatomy.n_layers - 1
    group = next(one for one in found.groups if one.kind == "neuron" and one.layer == last)
    torch.testing.assert_close(group.total[found.position], group.direct)


@pytest.mark.parametrize("estimator", ["integrated", "relp"])
def test_other_estimators_explain_it_too(made, estimator):
    _, module, model = made
    found = ue.attribute(
        model, PROMPT, objective(model), estimator=estimator, frozen="none", steps=12, pairs=False
    )
    assert found.value == pytest.approx(measured(module, model))
    if estimator == "integrated":
        last = model.anatomy.n_layers - 1
        group = next(one for one in found.groups if one.kind == "neuron" and one.layer == last)
        without = objective(model).value(model.run(PROMPT, edits=[ue.zero(f"L{last}.mlp_post")]))
        lost = found.value - float(without)
        assert float(group.total.sum()) == pytest.approx(lost, rel=1e-2, abs=1e-4)


def test_a_sweep_measures_cuts(made):
    _, _, model = made
    why = objective(model)
    run = model.run(PROMPT)
    cuts = [ue.cut(run, name, 2) for name in ("L1.H2", "L1.N5")]
    found = ue.sweep(model, PROMPT, [(), *cuts], objective=why)
    zeros = [ue.zero("L1.H2@2"), ue.zero("L1.N5@2")]
    expected = [why.value(model.run(PROMPT, edits=[one])) for one in zeros]
    torch.testing.assert_close(found.values[1:], torch.stack(expected))


def test_a_direction_of_the_stream_is_explained_without_a_lens(made):
    _, _, model = made
    vector = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    toward = ue.Objective.direction("L1.resid_mid", vector, position=2)
    found = ue.attribute(model, PROMPT, toward, pairs=False)
    run = model.run(PROMPT, ["L1.resid_mid", *ue.sub_updates_capture(model)])
    assert found.value == pytest.approx(float(run["L1.resid_mid"][2] @ vector))
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    parts = ue.sub_updates(run, target=toward, position=2, effects=0)
    assert parts.objective == found.objective
    heads = {
        row["node"]: row["attributed"]
        for row in parts.to_pandas().to_dict("records")
        if row["node"].startswith(("L0.H", "L1.H"))
    }
    assert heads
    for row in found.top(100, kinds=["head"], positions=[2]):
        name = row.name.split("@")[0]
        if name in heads:
            assert row.direct == pytest.approx(heads[name])


def test_without_a_target_the_top_label_is_explained(made):
    _, _, model = made
    found = ue.attribute(model, PROMPT, pairs=False)
    scores = model.run(PROMPT).label_scores.reshape(-1, 3)[-1]
    assert found.objective == f"score of the label {model.labels.names[int(scores.argmax())]!r}"


def test_the_label_of_a_text_is_at_no_position_whatever_a_question_is_asked_at(made):
    _, module, model = made
    other = [5, 9, 7, 22, 40]
    for target in ('label("fair")', None):
        found = ue.attribute(model, PROMPT, target, position=2, pairs=False)
        grid = ue.patch_grid(model, PROMPT, other, target, position=2, layers=[1])
        scores = module(torch.tensor([PROMPT])).logits[0]
        at = scores if model.labels.of == "text" else scores[2]
        label = 1 if target else int(at.argmax())
        assert found.value == pytest.approx(at[label].item())
        assert grid.clean == pytest.approx(at[label].item())
        assert found.objective == grid.objective
        assert found.objective == f"score of the label {model.labels.names[label]!r}"
        run = model.run(PROMPT, ue.flow_capture(model, [2], 2), logits="last")
        graph = ue.flow_graph(run, [2], position=2, target=target)
        assert graph.target.text == model.labels.names[label]
    if model.labels.of == "text":
        named = ue.Objective.label("fair", position=2)
        for ask in (
            lambda: ue.attribute(model, PROMPT, named),
            lambda: ue.patch_grid(model, PROMPT, other, named, layers=[1]),
            lambda: ue.flow_graph(run, [2], position=2, target=named),
        ):
            with pytest.raises(InputError, match="as a whole, and not at a position"):
                ask()


def test_what_it_cannot_be_is_refused_with_the_reason(made):
    _, _, model = made
    run = model.run(PROMPT)
    for label in ("great", 3, -1):
        with pytest.raises(TargetError, match="no label of this model"):
            ue.Objective.label(label).value(run)
    with pytest.raises(InputError, match="grad=True"):
        objective(model).gradient(run)
    with pytest.raises(InputError, match="did not reach the head"):
        objective(model).value(model.run(PROMPT, ["L1.z"], logits="none"))
    if model.labels.of == "text":
        with pytest.raises(InputError, match="as a whole"):
            ue.Objective.label("fair", position=1).value(run)
    parts = model.run(PROMPT, ue.sub_updates_capture(model))
    if model.labels.of == "text":
        with pytest.raises(InputError, match="alone, and what is written at position 1") as caught:
            ue.sub_updates(parts, position=1, target=objective(model))
        assert caught.value.fix.startswith("position=")
    with pytest.raises(CapabilityError, match="3 labels") as caught:
        ue.flow_graph(run, [1], target=4)
    assert caught.value.fix == """target='label("bad")', or no target"""
    with pytest.raises(InputError):
        ue.Objective.label(True)


def test_a_language_model_gives_no_labels():
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    with pytest.raises(CapabilityError, match="gives no labels"):
        ue.attribute(model, PROMPT, ue.Objective.label("fair"))
    with pytest.raises(CapabilityError, match="gives no labels"):
        ue.sweep(model, PROMPT, objective=ue.Objective.label("fair"))
    with pytest.raises(InputError, match="states are read as logits"):
        ue.logit_lens(model, PROMPT, target='label("fair")')


def test_labels_of_one_name_are_told_by_number():
    module = labelled("llama", "text")
    module.config.id2label = {0: "same", 1: "same", 2: "other"}
    model = ue.load(module)
    with pytest.raises(TargetError, match="name of 2 labels"):
        ue.Objective.label("same").value(model.run(PROMPT))
    assert torch.equal(
        ue.Objective.label(1).value(model.run(PROMPT)), model.run(PROMPT).label_scores[1]
    )


def test_a_head_that_reads_every_position_has_no_direct_effects():
    module = labelled("distilbert", "text").double()
    forward = module.distilbert.forward

    def mean_first(*args: Any, **named: Any) -> Any:
        found = forward(*args, **named)
        mean = found[0].mean(1, keepdim=True).expand_as(found[0])
        found.last_hidden_state = mean
        return (mean, *found[1:]) if isinstance(found, tuple) else found

    module.distilbert.forward = mean_first
    model = ue.load(module, tiny_tokenizer())
    found = ue.attribute(model, PROMPT, ue.Objective.label("good"), pairs=False)
    assert (found.method, found.completeness) == (None, None)
    assert found.value == pytest.approx(module(torch.tensor([PROMPT])).logits[0, 2].item())


def test_where_a_label_is_measured_is_said_of_a_token_alone(made):
    _, _, model = made
    at = 2 if model.labels.of == "token" else None
    other = [5, 9, 7, 22, 40]
    for target in ('label("fair")', None):
        grid = ue.patch_grid(model, PROMPT, other, target, position=2, layers=[1])
        assert grid.position == at
        paths = ue.path_patch(
            model, PROMPT, other, ["L0.H0"], ["L1.H0.q"], target=target, position=2
        )
        assert paths.position == at


def test_a_circuit_of_labels_is_refused_before_anything_is_read(made, monkeypatch):
    _, _, model = made
    monkeypatch.setattr(type(model), "read_prompt", _not_called)
    given = "a text as a whole" if model.labels.of == "text" else "each token"
    with pytest.raises(CapabilityError, match=f"gives {given} a label, and a circuit is of") as no:
        ue.find_circuit(model, PROMPT, [5, 9, 7, 22, 40], 'label("fair")')
    assert (no.value.field, no.value.value) == ("model", model.name)
    assert no.value.legal == "a model that predicts tokens"
    assert """ue.attribute(model, prompt, 'label("bad")')""" in no.value.fix


def _not_called(*_args: Any, **_named: Any) -> Any:
    raise AssertionError("the prompt was read")
