"""The flow graph, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

import unembed as ue
from unembed.analyses.flow.cuts import attributed
from unembed.engine.model import Model

from .faces import PROMPT, Face, Numbers


def _nodes(side: Any) -> list[tuple[str, float | None]]:
    return [(node["id"], node["attributed"]) for node in side["nodes"]]


def _flow(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer.get(side)]
    found: Numbers = {side: _nodes(answer[side]) for side in sides}
    effects = answer.get("effects") or {}
    alone = effects.get("cuts", [])
    found["alone"] = [(one["attributed"], one["logit_change"]) for one in alone]
    together = effects.get("together")
    change = None if together is None else (together["attributed"], together["logit_change"])
    return found | {"together": change}


def _python_flow(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    options = {name: fields[name] for name in fields if name != "layers"}
    capture = ue.flow_capture(model, fields["layers"], fields["position"])
    run = model.run(PROMPT, capture, logits="all")
    graph = ue.flow_graph(run, fields["layers"], **options)
    found: Numbers = {"baseline": _python_nodes(graph), "alone": [], "together": None}
    if not edits:
        return found
    edited = model.run(PROMPT, capture, edits, logits="all")
    drawn = ue.flow_graph(edited, fields["layers"], like=graph, **options)
    token, position = fields["target"], graph.position
    before = run.logits[position, token]
    change = float(edited.logits[position, token] - before)
    worth = attributed(run, edits[0].target, position, token)
    found |= {"edited": _python_nodes(drawn), "alone": [(worth, change)]}
    return found


def _python_nodes(graph: Any) -> list[tuple[str, float | None]]:
    return [(node.id, node.attributed) for node in graph.nodes]


FLOW = {"layers": [1], "target": 72, "position": -1, "n_heads": 0, "top_neurons": 3}
FACES = {
    "flow": Face(
        "/api/flow",
        FLOW,
        _python_flow,
        _flow,
        lambda: [
            *("flow", PROMPT, "--layers", "1", "--target", "#72", "--n-heads", "0"),
            *("--top-neurons", "3", "--json"),
        ],
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)
