"""Attention and the scores of heads, put in Python, on the command line and over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from safetensors.torch import load

import unembed as ue
from unembed.engine.model import Model
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from ..server.asgi import TOKEN, post
from .faces import PROMPT, Face, Numbers

ARRAYS = ("values", "combined", "edge_queries", "edge_keys", "edge_values")


def _arrays(body: bytes) -> Numbers:
    arrays = load(body)
    sides = [side for side in ("baseline", "edited") if f"{side}.values" in arrays]
    return {
        f"{side} {name}": arrays[f"{side}.{name}"].tolist() for side in sides for name in ARRAYS
    }


def _printed(answer: Any) -> Numbers:
    sides = [side for side in ("baseline", "edited") if answer[side]]
    return {f"{side} {name}": answer[side][name] for side in sides for name in ARRAYS}


def _python_attention(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    found: Numbers = {}
    for side, some in {"baseline": [], "edited": edits}.items():
        if side == "edited" and not edits:
            continue
        run = model.run(PROMPT, ue.attention_capture(model, **fields), some, logits="none")
        result = ue.attention(run, **fields)
        found |= {f"{side} {name}": getattr(result, name).tolist() for name in ARRAYS}
    return found


def _scores(answer: Any) -> Numbers:
    return {"heads": answer["heads"], "scores": [answer["scores"][0], answer["scores"][3]]}


def _python_heads(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    run = model.run(PROMPT, ["pattern"], edits, logits="none")
    found = ue.head_scores(run, kind=fields["kind"])
    scores = [list(found.score(kind).values()) for kind in ("previous", "same")]
    return {"heads": list(found.heads), "scores": scores}


ATTENTION = {"layers": [1, 2], "measure": "moved", "heads": [0, 2], "weights": [1, 2, 1, 0.5]}
ATTENTION |= {"mass": 0.6, "special": "renormalised"}
TYPED = ["--measure", "moved", "--heads", "0,2", "--weights", "1,2,1,0.5", "--mass", "0.6"]
FACES = {
    "attention": Face(
        "/api/attention",
        ATTENTION,
        _python_attention,
        _arrays,
        lambda: [
            "attention",
            PROMPT,
            "--layers",
            "1-2",
            *TYPED,
            "--special",
            "renormalised",
            "--json",
        ],
        _printed,
    ),
    "heads": Face(
        "/api/heads",
        {"kind": "same"},
        _python_heads,
        _scores,
        lambda: ["heads", PROMPT, "--kind", "same", "--json"],
    ),
}


@pytest.mark.parametrize("edited", [False, True], ids=["baseline", "edited"])
@pytest.mark.parametrize("name", FACES)
def test_the_three_faces_give_the_same_numbers(name, edited, put):
    put(name, FACES[name], edited=edited)


def test_more_numbers_than_the_limit_are_refused_before_anything_runs(model, cache):
    settings = Settings(cache_dir=str(cache), max_attention_numbers=1000)
    session = Session(model, settings)
    try:
        app = create_app(session, settings, TOKEN, assets={})
        refused = post(app, "/api/attention", {"prompt": [7] * 20, "layers": [0]})
        assert refused.status == 413
        assert "4 heads, 20 queries and 20 keys is 1,600 numbers" in refused.error["message"]
        few = {"prompt": [7] * 20, "layers": [0], "heads": [1], "queries": [-1]}
        assert post(app, "/api/attention", few).status == 200
    finally:
        session.close()


def test_without_a_prompt_heads_are_scored_on_texts_that_repeat(app, model):
    answer = post(app, "/api/heads", {})
    assert answer.status == 200
    assert answer.json()["n_prompts"] == 4
    refused = post(app, "/api/heads", {"edits": [{"target": "L0.H1", "operation": "zero"}]})
    assert refused.status == 400
    assert "need a prompt" in refused.error["message"]
