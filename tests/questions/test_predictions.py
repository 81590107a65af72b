"""Predictions, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from unembed.analyses.predictions.predictions import (
    compare_predictions,
    layer_predictions,
    predictions_capture,
)
from unembed.engine.model import Model

from .faces import PROMPT, Face, Numbers


def _top(side: Any) -> list[tuple[int, float]]:
    return [(one["token"]["id"], one["probability"]) for one in side["next_token"]["top"]]


def _predictions(answer: Any) -> Numbers:
    sides = {name: answer[name] for name in ("baseline", "edited") if answer.get(name)}
    found: Numbers = {name: _top(side) for name, side in sides.items()}
    for name, side in sides.items():
        found[f"{name} ranks"] = [one["resid_post"]["target"]["rank"] for one in side["layers"]]
    return found | {"kl": answer.get("kl")}


def _python_predictions(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    capture = predictions_capture(model)
    options = {"top_k": fields["top_k"], "target": fields["target"]}
    baseline, kl = model.run(PROMPT, capture), None
    sides = {"baseline": layer_predictions(baseline, fields["position"], **options).baseline}
    if edits:
        edited = model.run(PROMPT, capture, edits)
        both = compare_predictions(baseline, edited, fields["position"], **options)
        sides, kl = {"baseline": both.baseline, "edited": both.edited}, both.kl
    found: Numbers = {"kl": kl}
    for name, side in sides.items():
        found[name] = [(one.token.id, one.probability) for one in side.next_token.top]
        found[f"{name} ranks"] = [one.resid_post.target.rank for one in side.layers]
    return found


FACES = {
    "predictions": Face(
        "/api/predictions",
        {"top_k": 4, "target": 72, "position": -1},
        _python_predictions,
        _predictions,
        lambda: ["run", PROMPT, "--top-k", "4", "--target", "#72", "--json"],
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)
