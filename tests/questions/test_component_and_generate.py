"""One node, and a continuation, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from unembed.analyses.component.component import component, component_capture
from unembed.engine.model import Model

from .faces import PROMPT, Face, Numbers


def _component(answer: Any) -> Numbers:
    sides = ("promotes", "suppresses")
    found = {side: [(one["token"]["id"], one["logit"]) for one in answer[side]] for side in sides}
    acts = [(one["node"], one["through"], one["effect"]) for one in answer["downstream"]]
    return found | {"norm": answer["write_norm"], "activation": answer["activation"], "acts": acts}


def _python_component(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    node, position = fields["target"], fields["position"]
    run = model.run(PROMPT, component_capture(model, node, position), edits, logits="none")
    asked = {"downstream": fields["downstream"]}
    found = component(run, node, position, fields["top_k"], **asked)
    sides = {"promotes": found.promotes, "suppresses": found.suppresses}
    lists = {side: [(one.token.id, one.logit) for one in listed] for side, listed in sides.items()}
    acts = [(one.node, one.through, one.effect) for one in found.downstream]
    return lists | {"norm": found.write_norm, "activation": list(found.activation), "acts": acts}


def _generated(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer.get(side)]
    return {side: [token["id"] for token in answer[side]["new_tokens"]] for side in sides}


def _python_generate(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found = {"baseline": list(model.generate(PROMPT, **fields).new_ids)}
    if edits:
        found["edited"] = list(model.generate(PROMPT, edits=edits, **fields).new_ids)
    return found


FACES = {
    "component": Face(
        "/api/component",
        {"target": "L1.H2", "position": 2, "top_k": 3, "downstream": 2},
        _python_component,
        _component,
        lambda: [
            *("component", PROMPT, "--target", "L1.H2", "--position", "2", "-k", "3"),
            *("--downstream", "2", "--json"),
        ],
    ),
    "generate": Face(
        "/api/generate",
        {"max_new_tokens": 4, "temperature": 0.5, "seed": 3},
        _python_generate,
        _generated,
        lambda: [
            *("generate", PROMPT, "--max-new-tokens", "4", "--temperature", "0.5"),
            *("--seed", "3", "--json"),
        ],
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)
