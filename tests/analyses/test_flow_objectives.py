"""The flow graph and measured cuts on an objective: effects, values and changes, another way."""

from __future__ import annotations

from html import unescape

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.attributed import attributed
from unembed.analyses.flow.cuts import attributed_at, measure_edits
from unembed.analyses.flow.names import parse_cut
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.errors import InputError
from unembed.models.tiny import tiny_model

from .slow import OF_LOGITS, PROMPT

Objective = ue.Objective
LAYERS = (1, 2)
LINEAR = {
    "logits": {72: 0.5, 5: 0.5},
    "logit_diff": {72: 1, 9: -1},
    "several": {72: 0.5, 5: 0.5, 9: -1 / 3, 11: -1 / 3, 40: -1 / 3},
}


def flow_run(model, position=-1):
    return model.run(PROMPT, ue.flow_capture(model, LAYERS, position), logits="none")


@pytest.mark.parametrize(
    ("name", "dtype", "limit"),
    [
        *((name, torch.float64, 1e-9) for name in ("gpt2", "llama", "olmo2", "bert", "falcon")),
        ("gpt2", torch.float32, 2e-5),
    ],
)
def test_effects_on_an_objective_are_those_on_its_logits(name, dtype, limit, model_of):
    """A mean and a difference of logits are linear in them, and so are direct effects."""
    model = model_of(name, dtype)
    run = flow_run(model)
    tokens = sorted({token for weights in LINEAR.values() for token in weights})
    by_token = {token: ue.flow_graph(run, LAYERS, target=token) for token in tokens}
    for kind, weights in LINEAR.items():
        graph = ue.flow_graph(run, LAYERS, target=OF_LOGITS[kind][0])
        for parts in ("nodes", "links"):
            for order, part in enumerate(getattr(graph, parts)):
                each = {
                    token: getattr(by_token[token], parts)[order].attributed for token in weights
                }
                if None in each.values():
                    assert part.attributed is None
                    continue
                wanted = sum(weight * each[token] for token, weight in weights.items())
                assert part.attributed == pytest.approx(wanted, rel=limit, abs=limit)


def test_a_graph_of_a_token_is_that_of_its_logit_to_the_bit(model_of):
    model = model_of("gpt2", torch.float32)
    run = flow_run(model)
    plain = ue.flow_graph(run, LAYERS, target=72)
    for target in (Objective.logit(72), Objective.logit(model.token(72).text, position=9)):
        graph = ue.flow_graph(run, LAYERS, target=target)
        assert (graph.nodes, graph.links, graph.notes) == (plain.nodes, plain.links, plain.notes)
        assert graph.target.tokens == plain.target.tokens
    assert plain.target.objective == f"logit of {model.token(72).text!r}"


def test_a_graph_says_what_its_effects_are_on(model_of):
    model = model_of("gpt2", torch.float32)
    graph = ue.flow_graph(flow_run(model), LAYERS, target=Objective.logit_diff(72, 9))
    words = graph.target.objective
    assert words.startswith("logit of ")
    assert " less that of " in words
    assert words in graph.notes[0]
    assert graph.to_dict()["target"]["objective"] == words
    assert "objective" not in graph.to_dict()
    hovers = [text for trace in graph.plot().data for text in trace.hovertext or ()]
    assert f"direct effect on the {words}" in unescape(" ".join(hovers))


def without_norm_biases(name):
    """A tiny model whose norms add nothing: what enters the stream is written by nodes alone."""
    module = tiny_model(name).double()
    for part in module.modules():
        if isinstance(part, torch.nn.LayerNorm):
            part.bias.data.zero_()
    return ue.load(module)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert", "falcon"])
def test_effects_on_a_direction_sum_to_how_far_the_stream_reaches_along_it(name):
    """Of everything written before the site; also where norms stand in the stream."""
    model = without_norm_biases(name)
    sites = ["L0.resid_pre", "L1.resid_mid", "L1.resid_post", "L2.resid_post", "final_norm"]
    if model.block(0).parallel:
        sites.remove("L1.resid_mid")
    if name == "bert":
        sites.remove("final_norm")  # behind a transform that is not linear
    capture = [*effects_capture(model, None), "embed", "attn_out", "mlp_out"]
    torch.manual_seed(1)
    vector = torch.randn(model.anatomy.d_model, dtype=torch.float64)
    for site in sites:
        objective = Objective.direction(site, vector, position=4)
        run = model.run(PROMPT, [*capture, *objective.required_capture(model)], logits="none")
        groups = [Writes(run["embed"][4, None], None, None)]
        for layer in range(3):
            for part in ("attn", "mlp"):
                groups.append(Writes(run[f"L{layer}.{part}_out"][4, None], layer, part))
        effects = effects_on(run, groups, [objective])
        assert effects.shape == (7, 1)
        value = float(objective.value(run))
        assert float(effects.sum()) == pytest.approx(value, rel=1e-9)
        joint = effects_on(run, groups, [objective, objective], joint=True)
        assert joint.tolist() == [pytest.approx([value, value], rel=1e-9)]
        later = {"L0.resid_pre": 1, "L1.resid_mid": 4, "L1.resid_post": 5}.get(site, 7)
        assert not effects[later:].any()


def test_objectives_of_both_kinds_stand_beside_each_other(model_of):
    model = model_of("gpt2", torch.float64)
    run = model.run(PROMPT, [*effects_capture(model, 0), "L0.mlp_out"])
    write = [Writes(run["L0.mlp_out"][4, None], 0, "mlp")]
    vector = torch.ones(model.anatomy.d_model, dtype=torch.float64)
    pair = [Objective.logit(72, position=4), Objective.direction("L1.resid_post@4", vector)]
    both = effects_on(run, write, pair)
    assert both[:, :1].equal(effects_on(run, write, pair[:1]))
    assert both[0, 1] == pytest.approx(float(run["L0.mlp_out"][4].sum()))


@torch.no_grad()
def test_a_masked_models_final_norm_is_what_it_loses(model_of):
    model = model_of("bert", torch.float64)
    run = model.run(PROMPT, [*effects_capture(model, 2), "L2.mlp_out"])
    vector = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    objective = Objective.direction("final_norm", vector, position=4)
    write = run["L2.mlp_out"][4, None]
    found = effects_on(run, [Writes(write, 2, "mlp")], [objective])
    slowly = [model.final_norm(run["L2.resid_post"][4, None])]
    norm = model.module.get_submodule(model.block(2).stream_norms[1])
    total = run["L2.mlp_out"][4] + run["L2.resid_mid"][4]
    carried = norm.weight * (write - write.mean()) / (total.var(unbiased=False) + norm.eps).sqrt()
    slowly.append(model.final_norm(run["L2.resid_post"][4, None] - carried))
    assert float(found) == pytest.approx(float((slowly[0] - slowly[1])[0] @ vector), rel=1e-9)


# ---------------------------------------------------------------- cuts


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", ["gpt2", "gemma3-capped", "bert"])
def test_measured_changes_are_those_of_the_edited_runs_logits(name, dtype, limit, model_of):
    model = model_of(name, dtype)
    run = flow_run(model)
    names = ["L1.H1", "L2.N5"]
    edits = [ue.cut(run, one) for one in names]
    before = model.run(PROMPT).logits[-1].double()
    after = [model.run(PROMPT, edits=list(one)).logits[-1].double() for one in edits]
    both = model.run(PROMPT, edits=[*edits[0], *edits[1]]).logits[-1].double()
    near = {"rel": limit, "abs": limit}
    for objective, how in OF_LOGITS.values():
        report = ue.measure_cuts(run, names, target=objective)
        assert report.value == pytest.approx(float(how(before)), **near)
        wanted = [float(how(one) - how(before)) for one in [*after, both]]
        found = [one.change for one in [*report.cuts, report.together]]
        assert found == pytest.approx(wanted, **near)
        token = objective.tokens[0]
        assert report.baseline.logit == pytest.approx(float(before[token]), **near)
        for one, cut in zip(report.cuts, names, strict=True):
            assert one.attributed == attributed(run, cut, -1, objective)


def test_a_plain_target_changes_by_its_logit(model_of):
    model = model_of("gpt2", torch.float32)
    run = flow_run(model)
    for target in (None, 72, model.token(72).text, Objective.logit(72)):
        report = ue.measure_cuts(run, ["L1.H1", "L2.N5"], target=target)
        assert report.value == report.baseline.logit
        for one in [*report.cuts, report.together]:
            assert one.change == one.logit_change
    assert report == ue.measure_cuts(run, ["L1.H1", "L2.N5"], target=72)


def test_a_cut_is_measured_where_the_objective_is(model_of):
    """It acts at one position and is seen at a later one, which nothing reaches directly."""
    model = model_of("gpt2", torch.float64)
    run = flow_run(model, 4)
    report = ue.measure_cuts(run, ["L1.H1"], position=4, target=Objective.logit_diff(72, 9))
    after = model.run(PROMPT, edits=[ue.zero("L1.H1@4")]).logits[-1]
    before = model.run(PROMPT).logits[-1]
    change = float((after[72] - after[9]) - (before[72] - before[9]))
    assert change != 0
    assert report.cuts[0].change == pytest.approx(change, rel=1e-9)
    assert report.cuts[0].attributed == 0.0
    earlier = ue.measure_cuts(run, ["L1.H1"], position=4, target=Objective.logit(72, position=3))
    assert earlier.cuts[0].change == 0


@torch.no_grad()
def test_what_a_cut_does_to_an_activation_and_a_direction(model_of):
    model = model_of("gpt2", torch.float64)
    vector = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    direction = Objective.direction("L2.resid_post", vector)
    neuron = Objective.activation("L2.N7")
    more = [*direction.required_capture(model), *neuron.required_capture(model)]
    run = model.run(PROMPT, [*ue.flow_capture(model, LAYERS), *more], logits="none")
    cut = model.run(PROMPT, more, [ue.zero("L1.H1@-1")])
    for objective in (direction, neuron):
        report = ue.measure_cuts(run, ["L1.H1"], target=objective)
        assert report.value == float(objective.value(run))
        wanted = float(objective.value(cut) - objective.value(run))
        assert report.cuts[0].change == pytest.approx(wanted, rel=1e-9)
        assert not report.target.chosen
    by_graph = ue.measure_cuts(run, ["L1.H1"], target=direction).cuts[0].attributed
    rows = slice(model.block(1).attention.d_head, 2 * model.block(1).attention.d_head)
    write = run["L1.z"][-1].flatten()[rows] @ model.output_weight(1, "attn")[rows]
    assert by_graph == pytest.approx(-float(write @ vector), rel=1e-9)
    assert ue.measure_cuts(run, ["L1.H1"], target=neuron).cuts[0].attributed is None


def test_what_a_graph_attributes_is_of_its_own_objective(model_of):
    model = model_of("gpt2", torch.float64)
    run = flow_run(model)
    objective = Objective.logit_diff(72, 9)
    graph = ue.flow_graph(run, LAYERS, target=objective)
    head = next(one for one in graph.nodes if one.kind == "head")
    for name in (head.id, f"{head.id}@9", "L1.mlp"):
        found = attributed_at(run, graph, [parse_cut(name)])
        assert found == pytest.approx(attributed(run, name, -1, objective), rel=1e-9)


def test_edits_are_measured_by_an_objective(model_of):
    model = model_of("gpt2", torch.float64)
    run = flow_run(model)
    edit = ue.scale("L1.mlp", 2.0)
    report = measure_edits(run, [(None, [edit])], target=Objective.log_prob([72, 5]))
    how = OF_LOGITS["any"][1]
    wanted = how(model.run(PROMPT, edits=[edit]).logits[-1]) - how(model.run(PROMPT).logits[-1])
    assert report.cuts[0].change == pytest.approx(float(wanted), rel=1e-9)


def test_what_has_no_direct_effect_is_refused_by_the_graph(model_of):
    model = model_of("gpt2", torch.float64)
    run = flow_run(model)
    vector = torch.ones(model.anatomy.d_model, dtype=torch.float64)
    refused = [
        ({"target": Objective.activation("L2.N7")}, "target", "nothing writes directly"),
        ({"target": Objective.direction("L2.attn_in", vector)}, "target", "nothing writes"),
        ({"target": Objective.logit(72, position=4)}, "target", "position 4, and position 9"),
        (
            {"target": Objective.logit(72), "target_mode": "whole"},
            "target_mode",
            "only text can be rated as a whole",
        ),
    ]
    for asked, field, said in refused:
        with pytest.raises(InputError, match=said) as caught:
            ue.flow_graph(run, LAYERS, **asked)
        assert caught.value.field == field


def test_a_graph_explains_a_direction_of_the_stream(model_of):
    model = model_of("gpt2", torch.float64)
    run = flow_run(model)
    vector = torch.linspace(-1, 1, model.anatomy.d_model, dtype=torch.float64)
    graph = ue.flow_graph(run, LAYERS, target=Objective.direction("L1.resid_post", vector))
    seen = [node for node in graph.nodes if node.kind == "head"]
    assert seen
    for node in seen:
        wanted = float(graph.vectors[node.readings[0].row] @ vector) if node.layer == 1 else 0.0
        assert node.attributed == pytest.approx(wanted, rel=1e-9)
