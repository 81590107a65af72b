"""Prompts at and beyond the limits, over HTTP: each works, or is refused with a useful sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.questions.described import rows_of
from unembed.questions.table import QUESTIONS
from unembed.server import wire
from unembed.settings import Settings

from .asgi import bearer, call, post

PATHS = (
    "/api/predictions",
    "/api/lens",
    "/api/flow",
    "/api/generate",
    "/api/component",
    "/api/tokenize",
)


def ask(app: Any, path: str, prompt: object, **more: Any) -> Any:
    body: dict[str, Any] = {"prompt": prompt} | more
    if path == "/api/generate":
        body["max_new_tokens"] = 1
    if path == "/api/component":
        body["target"] = "L1.H2"
    if path == "/api/flow":
        body["layers"] = [0, 2]
    return post(app, path, body)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "prompt",
    [
        "a",
        " ",
        "\n\n\t",
        "👩‍👩‍👧‍👦 and 🇯🇵",
        "שלום עולם, مرحبا",
        "e\u0301 \u202e right to left \u202c",
        "日本の首都は",
        "\u0000\u0001\u007f",
        "\ufeffmarked",
        "\U0010ffff",
        "<bos>",
        "<eos><pad><unk>",
        [1],
        [2, 0, 4],
        [5] * 63,
    ],
    ids=repr,
)
def test_prompts_of_every_kind_work(app, path, prompt):
    answer = ask(app, path, prompt)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize("path", PATHS)
def test_a_prompt_of_the_longest_length_works_and_one_more_is_refused(app, path):
    longest = [5] * 64
    if path != "/api/generate":  # there is no room left for a new token
        assert ask(app, path, longest).status == 200
    refused = ask(app, path, [*longest, 5])
    assert (refused.status, refused.error["field"]) == (400, "prompt")
    assert "64" in refused.error["message"]
    assert "64" in refused.error["legal"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("prompt", ["", []])
def test_an_empty_prompt_is_refused(app, path, prompt):
    refused = ask(app, path, prompt)
    assert (refused.status, refused.error["field"]) == (400, "prompt")
    assert "empty" in refused.error["message"]


def test_generation_beyond_the_models_length_is_refused_or_stops(app):
    answer = ask(app, "/api/generate", [5] * 64)
    assert answer.status in (200, 400)
    if answer.status == 400:
        assert answer.error["field"] in ("prompt", "max_new_tokens")


def test_configured_limits_hold_and_are_told(make_app):
    app = make_app(
        max_prompt_chars=10,
        max_k=5,
        max_edits=1,
        max_lens_cells=20,
        max_new_tokens=3,
        max_flow_layers=1,
    )
    edit = {"target": "L1.H2", "operation": "zero"}
    for path, body, status, field in (
        ("/api/predictions", {"prompt": "a" * 11}, 400, "prompt"),
        ("/api/predictions", {"prompt": "a", "top_k": 6}, 400, "top_k"),
        ("/api/predictions", {"prompt": "a", "edits": [edit, edit]}, 400, "edits"),
        ("/api/lens", {"prompt": "a b c d", "top_k": 1}, 413, "prompt"),
        ("/api/lens", {"prompt": "a b", "top_k": 1, "edits": [edit]}, 413, "prompt"),
        ("/api/flow", {"prompt": "a", "layers": [0, 1]}, 400, "layers"),
        ("/api/flow", {"prompt": "a", "layers": [0], "k": 6}, 400, "k"),
        ("/api/generate", {"prompt": "a", "max_new_tokens": 4}, 400, "max_new_tokens"),
    ):
        answer = post(app, path, body)
        assert (answer.status, answer.error["field"]) == (status, field), answer.body


def test_numbers_that_overflow_are_an_error_and_not_a_nan(app):
    edits = [{"target": "L0.resid_post", "operation": "scale", "value": 3e38}]
    for path in ("/api/predictions", "/api/lens", "/api/component", "/api/flow"):
        answer = ask(app, path, "a b", edits=edits)
        assert answer.status in (200, 400, 422), answer.body
        assert b"NaN" not in answer.body
        assert answer.status == 200 or "finite" in answer.error["message"]


def test_4096_tokens_work_and_4097_are_refused(make_app, long_model):
    app = make_app(served=long_model)
    for path in ("/api/predictions", "/api/lens", "/api/component"):
        answer = ask(app, path, [5, 6, 7, 8] * 1024, top_k=1)
        assert answer.status == 200, answer.body[:500]
    answer = ask(app, "/api/flow", [5, 6, 7, 8] * 1024)
    assert answer.status == 200, answer.body[:500]
    refused = ask(app, "/api/predictions", [5] * 4097)
    assert (refused.status, refused.error["legal"]) == (400, "at most 4,096 tokens")
    refused = ask(app, "/api/predictions", "a" * 5000)
    assert (refused.status, refused.error["field"]) == (400, "prompt")


@pytest.fixture(scope="module")
def masked_model() -> Model:
    return ue.load(tiny_model("bert", dtype=torch.float32), tokenizer=tiny_tokenizer())


def test_a_masked_model_says_what_it_cannot_do(make_app, masked_model):
    app = make_app(served=masked_model)
    info = wire.ModelInfo.model_validate(post_model(app))
    assert (info.kind, info.mask_token) == ("masked", "<mask>")
    assert all("<mask>" in example for example in info.examples)
    answer = ask(app, "/api/generate", "a b")
    assert (answer.status, answer.error["code"]) == (422, "not_capable")
    assert ask(app, "/api/predictions", "a <mask> b", position=1).status == 200


def post_model(app: Any) -> Any:
    from .asgi import bearer, call

    return call(app, "GET", "/api/model", headers=[bearer()]).json()


def test_clients_are_told_every_limit_that_an_option_names(make_app):
    named = {row.limit for asked in QUESTIONS for row in rows_of(asked.request) if row.limit}
    app = make_app(max_hits=7)
    limits = call(app, "GET", "/api/model", headers=[bearer()]).json()["limits"]
    assert named <= set(limits)
    assert limits["max_hits"] == 7
    assert limits["max_prompt_tokens"] == app.session.model.max_positions
    told = {name: getattr(app.session.settings, name) for name in Settings.asked()}
    assert limits == told | {"max_prompt_tokens": limits["max_prompt_tokens"]}
