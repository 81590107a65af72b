"""Flow graphs, cuts and sub-updates toward a label or a direction, where no tokens are predicted.

Against the model's own head: its scores and gradients by autograd, and plain hooks.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.engine.model import Model
from unembed.errors import CapabilityError, InputError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..cli.conftest import Cli, cli
from ..engine.test_labels import PROMPT, labelled
from .test_label_objective import LINEAR, READ, last_output, objective, score

__all__ = ["cli"]
FAMILIES = [("bert", "text"), ("llama", "text"), ("gpt2", "token")]


@pytest.fixture(params=FAMILIES, ids="-".join, scope="module")
def made(request: Any) -> tuple[tuple[str, str], nn.Module, Model]:
    module = labelled(*request.param).double()
    return request.param, module, ue.load(module, tiny_tokenizer())


def graph_of(model: Model, at: int, **more: Any) -> ue.FlowGraph:
    run = model.run(PROMPT, ue.flow_capture(model, [2], at), logits="last")
    return ue.flow_graph(run, [2], position=at, **more)


def test_what_the_last_layer_writes_sums_to_the_score(made):
    case, module, model = made
    at, why = READ.get(case, 0), objective(model)
    graph = graph_of(model, at, target=why)
    state, slope = last_output(module, model)
    passed = graph.link("L2.resid_mid", "L2.resid_post").attributed
    whole = passed + graph.node("L2.mlp_out").attributed
    value = score(module, model).item()
    if case in LINEAR and case[0] != "bert":  # a final norm, whose scale is held
        final = getattr(module, "transformer", None)
        bias = 0.0
        if final is not None:
            row = module.classifier.weight[1]
            bias = float((final.ln_f.bias @ row + module.classifier.bias[1]).detach())
        assert whole == pytest.approx(value - bias)
    else:  # its own norm is the last there is: what goes in, less that norm's bias, comes out
        norm = module.get_submodule(model.block(2).stream_norms[-1])
        expected = (state[at] - norm.bias.detach()) @ slope[at]
        assert whole == pytest.approx(float(expected))
    heads = [node for node in graph.nodes if node.kind == "head"]
    bias = graph.node("L2.attn_bias").attributed if case[0] != "llama" else 0.0
    assert len(heads) == model.anatomy.n_heads
    total = sum(node.attributed for node in heads) + bias
    assert total == pytest.approx(graph.node("L2.attn_out").attributed)


def test_its_boxes_predict_nothing_and_it_says_why(made):
    _, _, model = made
    graph = graph_of(model, 2, target='label("fair")')
    assert not graph.has_readings
    for node in graph.nodes:
        for reading in node.readings:
            assert (reading.tokens, reading.target, reading.entropy) == ((), None, None)
    assert graph.target.text == "fair"
    assert graph.target.tokens == ()
    assert any("No box promotes tokens: its head gives" in note for note in graph.notes)
    written = json.loads(graph.to_json())
    assert written["target"]["objective"] == "score of the label 'fair'"
    assert written["nodes"][0]["readings"][0]["entropy"] is None
    page = graph.to_html()
    assert "toward" in page
    assert "nats" not in graph.plot().to_json()


def test_at_another_position_than_the_head_reads_nothing_reaches_it_directly(made):
    case, _, model = made
    if case[1] == "token":
        with pytest.raises(InputError, match="the objective is at position 2"):
            graph_of(model, 1, target=objective(model))
        return
    graph = graph_of(model, 1, target=objective(model))
    assert {node.attributed for node in graph.nodes} <= {0.0, None}
    assert any("alone: nothing that is written at position 1" in one for one in graph.notes)


def test_cuts_are_measured_by_the_score(made):
    case, module, model = made
    at, why = READ.get(case, 0), objective(model)
    run = model.run(PROMPT, ue.flow_capture(model, [2], at), logits="last")
    report = ue.measure_cuts(run, ["L2.mlp", "L2.H2"], target=why, position=at)
    graph = ue.flow_graph(run, [2], position=at, target=why)
    before = score(module, model).item()

    def without(_module: Any, _args: Any, output: torch.Tensor) -> torch.Tensor:
        output = output.clone()
        output.reshape(len(PROMPT), -1)[at] = 0
        return output

    handle = module.get_submodule(model.block(2).mlp.added.module).register_forward_hook(without)
    after = score(module, model).item()
    handle.remove()
    assert report.value == pytest.approx(before)
    assert report.cuts[0].change == pytest.approx(after - before)
    assert report.cuts[0].attributed == pytest.approx(-graph.node("L2.mlp_out").attributed)
    assert report.cuts[1].attributed == pytest.approx(-graph.node("L2.H2").attributed)
    both = report.cuts[0].attributed + report.cuts[1].attributed
    assert report.together.attributed == pytest.approx(both)
    assert report.baseline is None
    assert {one.measured for one in report.cuts} == {None}


def test_sub_updates_have_the_direct_effects_of_attribution(made):
    case, _, model = made
    at, why = READ.get(case, 0), objective(model)
    found = ue.sub_updates(
        model.run(PROMPT, ue.sub_updates_capture(model)), position=at, target=why, effects=0
    )
    told = ue.attribute(model, PROMPT, why, pairs=False)
    direct = {row.name: row.direct for row in told.top(10_000, positions=[at])}
    shown = [
        update
        for layer in found.layers
        for branch in (layer.heads, layer.neurons)
        for update in branch.shown
    ]
    assert len(shown) == 3 * (model.anatomy.n_heads + 10)
    for update in shown:
        assert update.attributed == pytest.approx(direct[f"{update.node}@{at}"], abs=1e-12)


def test_without_a_target_the_top_label_is_drawn_toward():
    model = ue.load(labelled("bert", "token").double(), tiny_tokenizer())
    graph = graph_of(model, 3)
    best = int(model.run(PROMPT).label_scores[3].argmax())
    assert (graph.target.text, graph.target.chosen) == (model.labels.names[best], False)
    lacking = model.run(PROMPT, ue.flow_capture(model, [2], 3), logits="none")
    with pytest.raises(InputError, match="did not reach the head"):
        ue.flow_graph(lacking, [2], position=3)


def test_a_direction_of_the_stream_is_drawn_toward_without_a_lens():
    model = ue.load(labelled("distilbert", "text").double(), tiny_tokenizer())
    vector = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    toward = ue.Objective.direction("L2.resid_post", vector, position=2)
    graph = graph_of(model, 2, target=toward)
    norm = model.module.get_submodule(model.block(2).stream_norms[-1])
    run = model.run(PROMPT, ["L2.resid_post"])
    passed = graph.link("L2.resid_mid", "L2.resid_post").attributed
    whole = passed + graph.node("L2.mlp_out").attributed
    expected = (run["L2.resid_post"][2] - norm.bias.detach()) @ vector
    assert whole == pytest.approx(float(expected))
    report = ue.measure_cuts(
        model.run(PROMPT, [*ue.flow_capture(model, [2], 2), "L2.resid_post"]),
        ["L2.mlp"],
        target=toward,
        position=2,
    )
    cut = model.run(PROMPT, ["L2.resid_post"], edits=[ue.zero("L2.mlp@2")])
    change = (cut["L2.resid_post"][2] - run["L2.resid_post"][2]) @ vector
    assert report.cuts[0].change == pytest.approx(float(change))


def test_a_head_that_reads_every_position_is_measured_only():
    module = labelled("distilbert", "text").double()
    forward = module.distilbert.forward

    def mean_first(*args: Any, **named: Any) -> Any:
        found = forward(*args, **named)
        mean = found[0].mean(1, keepdim=True).expand_as(found[0])
        found.last_hidden_state = mean
        return (mean, *found[1:]) if isinstance(found, tuple) else found

    module.distilbert.forward = mean_first
    model = ue.load(module, tiny_tokenizer())
    graph = graph_of(model, 1, target='label("good")')
    assert {node.attributed for node in graph.nodes} == {None}
    assert any("reads no single position" in note for note in graph.notes)
    run = model.run(PROMPT, ue.flow_capture(model, [2], 1), logits="last")
    report = ue.measure_cuts(run, ["L2.mlp"], target='label("good")', position=1)
    off = model.run(PROMPT, edits=[ue.zero("L2.mlp@1")])
    expected = float(off.label_scores[2] - run.label_scores[2])
    assert (report.cuts[0].attributed, report.cuts[0].change) == (None, pytest.approx(expected))
    with pytest.raises(InputError, match="reads no single position"):
        ue.sub_updates(
            model.run(PROMPT, ue.sub_updates_capture(model)), target='label("good")', position=1
        )


def test_a_language_model_has_no_graph_toward_a_label():
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    run = model.run(PROMPT, ue.flow_capture(model, [2]))
    with pytest.raises(CapabilityError, match="gives no labels"):
        ue.flow_graph(run, [2], target='label("fair")')


def test_the_command_line_draws_it_and_measures_edits(cli: Cli, tmp_path):
    folder = str(tmp_path / "labels")
    labelled("gpt2", "token").save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    asked = ["flow", folder, "the cat", "--layers", "2", "--position", "1"]
    asked += ["--edit", "zero L2.mlp@1"]
    status, out, err = cli(*asked, "--target", 'label("good")')
    assert status == 0, err
    for words in ("Toward good", "effect, by the graph", "No box promotes tokens"):
        assert words in out
    data = json.loads(cli(*asked, "--target", 'label("good")', "--json")[1])
    (cut,) = data["effects"]["cuts"]
    model = ue.load(folder)
    off = model.run("the cat", edits=[ue.zero("L2.mlp@1")]).label_scores[1, 2]
    expected = float(off - model.run("the cat").label_scores[1, 2])
    assert cut["change"] == pytest.approx(expected, rel=1e-4)
    assert cut["measured"] is None
    best = int(model.run("the cat").label_scores[1].argmax())
    status, out, err = cli(*asked)
    assert status == 0, err
    assert f"Toward {model.labels.names[best]}" in out
    status, _, err = cli(*asked, "--target", "the")
    assert status != 0
    assert "'label(\"bad\")', or no target" in err
