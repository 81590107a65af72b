"""`POST /api/flow` with edits: the edited side, measured effects, and cuts on every route."""

from __future__ import annotations

from typing import Any

import pytest

import unembed as ue
from unembed.analyses.flow import cuts as flow_cuts
from unembed.analyses.flow import graph as flow
from unembed.analyses.flow import names as flow_names
from unembed.engine.names import sites
from unembed.questions import flow as flow_question

from .asgi import post
from .flow_requests import EDITS, FAMILIES, HALF_A_CHARACTER, PROMPT, ask, assert_same, drawn

# ---------------------------------------------------------------- edits


@pytest.mark.parametrize("family", FAMILIES)
def test_the_edited_side_has_the_nodes_that_the_baseline_selects(make_app, models, family):
    model = models[family]
    edits = [{"target": "L0.attn", "operation": "scale", "value": 3}]
    answer = ask(make_app(served=model), layers=[1, 2], edits=edits)
    ours = drawn(model, layers=[1, 2])
    own = ours.target.tokens[0].id
    theirs = drawn(model, [ue.scale("L0.attn", 3)], ours, layers=[1, 2], target=own)
    assert_same(answer.baseline, ours)
    assert_same(answer.edited, theirs)
    names = [[node.id for node in side.nodes] for side in (answer.baseline, answer.edited)]
    assert names[0] == names[1]
    assert answer.baseline.output != answer.edited.output


def test_effects_are_measured_for_each_edit_and_for_all_together(app, model):
    edits = [
        EDITS[0],
        {"target": "L0.mlp", "operation": "zero", "enabled": False},
        {"target": "L2.N3", "operation": "set_to", "value": 4.0},
    ]
    answer = ask(app, edits=edits, target=72)
    effects = answer.effects
    made = [ue.zero("L1.H2"), ue.set_to("L2.N3", 4.0)]
    assert answer.measured == [0, 2]
    assert [one.name for one in effects.cuts] == ["L1.H2", "L2.N3"]
    before = scored(model, [])
    assert effects.baseline.probability == pytest.approx(before[0], rel=1e-5)
    for effect, some in zip(
        [*effects.cuts, effects.together], [made[:1], made[1:], made], strict=True
    ):
        probability, logit, rank = scored(model, some)
        assert effect.measured.probability == pytest.approx(probability, rel=1e-5)
        assert effect.measured.logit == pytest.approx(logit, abs=1e-4)
        assert effect.measured.rank == rank
        assert effect.logit_change == pytest.approx(logit - before[1], abs=1e-4)
        assert effect.probability_change == pytest.approx(probability - before[0], abs=1e-6)
    assert answer.left_out == 0


def scored(model: Any, edits: Any, token: int = 72) -> tuple[float, float, int]:
    logits = model.run(PROMPT, edits=edits).logits[-1].double()
    logit = float(logits[token])
    return float(logits.softmax(-1)[token]), logit, 1 + int((logits > logit).sum())


@pytest.mark.parametrize("target", [None, HALF_A_CHARACTER])
def test_the_edited_run_is_rated_by_the_very_token_of_the_baseline(app, model, target):
    """Also where its text alone would not lead back to it, or the edited run prefers another."""
    edits = [{"target": "L2.resid_post", "operation": "scale", "value": -1}]
    answer = ask(app, edits=edits, target=target)
    (token,) = answer.baseline.target.tokens
    assert answer.baseline.target.chosen is (target is not None)
    probability, logit, rank = scored(model, [ue.scale("L2.resid_post", -1)], token.id)
    assert answer.effects.cuts[0].measured.logit == pytest.approx(logit, abs=1e-4)
    assert answer.edited.output.target.probability == pytest.approx(probability, rel=1e-4)
    assert answer.edited.output.target.rank == rank


def test_one_edit_alone_has_no_together(app):
    assert ask(app, edits=EDITS).effects.together is None


def test_edits_beyond_the_limit_are_measured_together_only(make_app):
    app = make_app(max_measured_cuts=2)
    edits = [{"target": f"L1.H{head}", "operation": "zero"} for head in range(4)]
    answer = ask(app, edits=edits)
    effects = answer.effects
    assert (answer.measured, len(effects.cuts), answer.left_out) == ([0, 1], 2, 2)
    every = ask(make_app(), edits=edits).effects
    assert effects.together == every.together


def test_a_graph_that_was_drawn_is_not_drawn_again(app, monkeypatch):
    seen: list[Any] = []
    draw = flow_question.flow_graph

    def counted(*args: Any, **options: Any) -> Any:
        seen.append(args)
        return draw(*args, **options)

    monkeypatch.setattr(flow_question, "flow_graph", counted)
    ask(app)
    ask(app, edits=EDITS)
    ask(app, edits=EDITS)
    assert len(seen) == 2


def test_an_edit_that_was_measured_is_not_measured_again(app, monkeypatch):
    seen: list[Any] = []
    measure = flow_question.measure_edits

    def counted(run: Any, groups: Any, *args: Any, **options: Any) -> Any:
        seen.append(groups)
        return measure(run, groups, *args, **options)

    monkeypatch.setattr(flow_question, "measure_edits", counted)
    more = {"target": "L1.H0", "operation": "zero"}
    ask(app, edits=EDITS)
    assert len(seen) == 1
    ask(app, edits=[*EDITS, more])
    assert len(seen) == 3  # the new one, and both together
    ask(app, edits=[*EDITS, more])
    assert len(seen) == 3


@pytest.mark.parametrize("family", ["gptj"])  # of the others: tests/analyses/test_flow_cuts.py
def test_what_is_attributed_to_a_cut_is_what_the_graph_attributes_to_its_node(
    make_app, models, family
):
    app = make_app(served=models[family])
    answer = ask(app, layers=[1])
    graph, (token,) = answer.baseline, answer.baseline.target.tokens
    run = models[family].run(PROMPT, flow.flow_capture(models[family], [1]))

    def by_name(name: str) -> float | None:
        return flow_cuts.attributed(run, name, answer.baseline.position, token.id)

    parts = [part for part in (*graph.nodes, *graph.links) if part.cut]
    assert {part.cut.operation for part in parts} == {"zero", "cut"}
    first_of_each_kind = {(type(part), part.kind): part for part in reversed(parts)}.values()
    for part in first_of_each_kind:
        edit = {"target": part.cut.target, "operation": part.cut.operation}
        (effect,) = ask(app, layers=[1], edits=[edit]).effects.cuts
        if part.attributed is not None:
            assert effect.attributed == -part.attributed
            assert effect.attributed == pytest.approx(by_name(part.cut.target), rel=1e-4, abs=1e-6)
    assert sum(part.attributed is not None for part in first_of_each_kind) > 5


@pytest.mark.parametrize(
    ("edit", "node"),
    [
        ({"operation": "cut", "target": "L1.mlp_out"}, "L1.mlp_out"),
        ({"operation": "zero", "target": "L1.mlp", "positions": [-1]}, "L1.mlp_out"),
        ({"operation": "cut", "target": "L1.H2>L1.z"}, "L1.H2"),
        ({"operation": "cut", "target": "L1.H2", "positions": [10]}, "L1.H2"),
        ({"operation": "zero", "target": "L1.H2@10"}, "L1.H2"),
    ],
)
def test_a_cut_is_known_however_it_is_written(app, edit, node):
    answer = ask(app, edits=[edit])
    (wanted,) = [one.attributed for one in answer.baseline.nodes if one.id == node]
    assert answer.effects.cuts[0].attributed == -wanted


def test_all_cuts_together_are_attributed_the_sum(app):
    cuts = [{"operation": "cut", "target": name} for name in ("L1.H2", "L1.mlp")]
    effects = ask(app, edits=cuts).effects
    total = sum(one.attributed for one in effects.cuts)
    assert effects.together.attributed == pytest.approx(total, rel=1e-4)
    more = [*cuts, {"operation": "scale", "target": "L0.H1", "value": 2}]
    assert ask(app, edits=more).effects.together.attributed is None


def test_what_cuts_share_is_attributed_once(app):
    own = {"operation": "cut", "target": "L1.H2.value@3"}
    head = {"operation": "zero", "target": "L1.H2", "positions": [-1]}
    for edits in ([own, head], [head, own], [head, {"operation": "cut", "target": "L1.attn"}]):
        effects = ask(app, edits=edits).effects
        largest = effects.cuts[edits.index(head)] if own in edits else effects.cuts[1]
        assert effects.together.attributed == pytest.approx(largest.attributed, rel=1e-4)


def test_what_is_no_cut_of_the_graph_has_nothing_attributed(app):
    for edit in (
        {"target": "L1.H2", "operation": "scale", "value": 0.5},
        {"target": "L1.H2", "operation": "zero"},  # at every position, not the graph's alone
        {"target": "L1.H2", "operation": "zero", "positions": [0]},
        {"target": "L2.H2", "operation": "zero", "positions": [-1]},
    ):
        assert ask(app, edits=[edit]).effects.cuts[0].attributed is None, edit
    spelled = {"target": "L1.H2", "operation": "zero", "positions": [-1]}
    assert ask(app, edits=[spelled]).effects.cuts[0].attributed is not None


def test_edits_of_every_kind_are_drawn(app):
    for edit in (
        {"target": "L0.H1", "operation": "scale", "value": -1},
        {"target": "L0.N5", "operation": "set_to", "value": 2.5, "stage": "pre"},
        {"target": "L0.resid_post", "operation": "add", "value": 0.1, "positions": [0, -1]},
        {
            "target": "L0.mlp",
            "operation": "patch",
            "source": {"prompt": PROMPT[::-1]},
            "positions": [0],
        },
        {"target": "L1.H2@5<1", "operation": "zero"},
        {"target": "L1.N7", "operation": "on"},
        {"target": "L1.N7", "operation": "lmd_on"},
        {"target": "L1.N7", "operation": "lmd_off"},
        {"target": "L1.H2", "operation": "cut"},
    ):
        answer = ask(app, edits=[edit])
        assert answer.edited.output != answer.baseline.output, edit
        assert answer.effects.cuts[0].name == edit["target"]


# ---------------------------------------------------------------- cuts


CUTS = ("L1.H2", "L1.H2.value@3", "L1.z7", "L1.N5", "L1.mlp_out", "L1.resid_pre>L1.resid_mid")
ROUTES: dict[str, dict[str, Any]] = {
    "predictions": {},
    "lens": {},
    "component": {"target": "L2.mlp"},
    "generate": {"max_new_tokens": 3},
    "generate/stream": {"max_new_tokens": 3},
    "flow": {"layers": [2]},
}


@pytest.mark.parametrize("name", CUTS)
def test_a_cut_is_what_python_makes_of_the_unedited_run(app, model, name):
    run = model.run(PROMPT, flow_cuts.cut_capture(model, name))
    strong = ue.scale("L0.mlp", 4)
    made = [strong, *flow_cuts.cut(run, name, -1)]
    expected = model.run(PROMPT, edits=made).logits[-1].double().softmax(-1)
    edits = [
        {"target": "L0.mlp", "operation": "scale", "value": 4},
        {"target": name, "operation": "cut"},
    ]
    answer = post(app, "/api/predictions", {"prompt": PROMPT, "edits": edits}).json()
    for one in answer["edited"]["next_token"]["top"]:
        assert one["probability"] == pytest.approx(float(expected[one["token"]["id"]]), rel=1e-5)


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_that_takes_edits_takes_a_cut(app, path):
    body = {"prompt": PROMPT} | ROUTES[path]
    cut = {"target": "L1.H2", "operation": "cut"}
    spelled = {"target": "L1.H2", "operation": "zero", "positions": [-1]}
    answers = [
        post(app, f"/api/{path}", body | {"edits": edits}) for edits in ([], [cut], [spelled])
    ]
    assert [answer.status for answer in answers] == [200] * 3, [one.body for one in answers]
    if path != "generate/stream":
        assert answers[1].body != answers[0].body
    if path != "flow":  # which also says how the edit is spelled
        assert answers[1].body == answers[2].body


def test_a_cut_acts_where_the_graph_is_drawn_unless_it_names_a_position(app):
    def edited(**more: Any) -> Any:
        edits = [{"target": "L1.H2", "operation": "cut"} | more]
        return numbers(ask(app, edits=edits, position=2).edited)

    def numbers(graph: Any) -> Any:
        return graph.output, graph.nodes, graph.links, graph.sums

    plain = numbers(ask(app, position=2).baseline)
    assert edited(positions=[-1]) == plain  # nothing before it changes
    assert edited(positions=[2]) != plain
    assert edited() == edited(positions=[2])  # where the graph is drawn


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"target": "L9.H2"}, "target"),
        ({"target": "L1.H9.value@3"}, "target"),
        ({"target": "L1.H2.value@60"}, "target"),
        ({"target": "music"}, "target"),
        ({"target": ""}, "target"),
        ({"target": "L1.H2>"}, "target"),
        ({"target": "L1.H2@2", "positions": [2]}, "positions"),
        ({"target": "L1.H2", "positions": [0, 1]}, "positions"),
        ({"target": "L1.H2", "positions": []}, "positions"),
        ({"target": "L1.H2", "positions": [60]}, "positions"),
        ({"target": "L1.H2", "value": 1.0}, "value"),
        ({"target": "L1.H2", "stage": "pre"}, "stage"),
        ({"target": "L1.H2", "source": {"prompt": "x"}}, "source"),
    ],
)
@pytest.mark.parametrize("path", ["flow", "predictions"])
def test_a_cut_that_makes_no_sense(app, path, edit, field):
    layers = {"layers": [1]} if path == "flow" else {}
    edits = [{"operation": "cut"} | edit]
    answer = post(app, f"/api/{path}", {"prompt": PROMPT, "edits": edits} | layers)
    assert (answer.status, answer.error["field"]) == (400, f"edits[0].{field}"), answer.body


def test_the_names_of_a_request_are_read_once(app, monkeypatch):
    """Whatever is asked of them: edits, cuts, what is attributed, what is drawn and measured."""
    seen: list[str] = []

    def counted(read: Any) -> Any:
        def reading(name: str, *rest: Any) -> Any:
            seen.append(name)
            return read(name, *rest)

        return reading

    for module in (flow_names, sites):
        monkeypatch.setattr(module, "_read", counted(module._read))
    edits = [
        {"target": "L1.H02", "operation": "cut"},
        {"target": "L01.mlp", "operation": "zero", "positions": [-1]},
        {"target": "L1.N05", "operation": "scale", "value": 2, "stage": "pre"},
        {"target": "L1.N06", "operation": "on"},
        {
            "target": "L02.mlp",
            "operation": "patch",
            "source": {"prompt": PROMPT[::-1]},
            "positions": [0],
        },
    ]
    ask(app, edits=edits)
    times = {edit["target"]: seen.count(edit["target"]) for edit in edits}
    assert times == dict.fromkeys(times, 1) | {"L1.H02": 2}  # the grammar of cuts, then of nodes
