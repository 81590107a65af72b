"""Nodes in words, asked in Python, on the command line and over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unembed.engine.model import Model
from unembed.explanations.explain import explain
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.corpus import open_corpus

from ..server.asgi import post
from .faces import Face, Numbers

TEXT = "The cat sat on the mat. The dog (a cat) ran in.\n\nA dog ran on."


@pytest.fixture(scope="session")
def corpus(model: Model, cache: Path) -> str:
    path = cache / "many.txt"
    path.write_text("\n\n".join([TEXT] * 12))
    return index_corpus(model, path, "many", [0], kept="hidden").about.name


def _numbers(answer: Any) -> Numbers:
    items = answer["items"]
    return {
        "n": (answer["n_tokens"], answer["n_held_out"]),
        "items": [(one["label"], one["threshold"], one["n_active"]) for one in items],
        "held_out": [one["held_out"] for one in items],
        "nulls": [(one["shuffled"], one["searched"]) for one in items],
        "promotes": [[each["score"] for each in one["promotes"] or ()] for one in items],
    }


FACES = {
    "explain": Face(
        "/api/explain",
        {"corpus": "many", "nodes": ["L1.N5", "L2.H1"], "says": 3, "n_tokens": 400},
        lambda model, fields, _: _numbers(
            explain(open_corpus(model, "many"), fields["nodes"], says=3, n_tokens=400).to_dict()
        ),
        lambda answer: _numbers(answer),
        lambda: [
            "explain",
            *["--name", "many", "--nodes", "L1.N5,L2.H1", "--says", "3"],
            *["--n-tokens", "400", "--json"],
        ],
        edits=False,
    ),
}


def test_all_three_find_the_same(put, corpus):
    put("explain", FACES["explain"], edited=False)


def test_a_table_is_printed_with_the_reasons_below(cli, source, corpus, cache, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(cache))
    monkeypatch.setenv("COLUMNS", "200")
    command = ["explain", source, "--name", "many", "--nodes", "L1.N5,L2.H1"]
    status, out, err = cli(*command, "--n-tokens", "400")
    assert status == 0, err
    assert "chance" in out
    assert "held out" in out
    assert out.count("L2.H1") >= 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"corpus": "none", "nodes": ["L1.N5"]}, "name"),
        ({"corpus": "many", "nodes": ["L99.N5"]}, "target"),
        ({"corpus": "many", "nodes": ["L1.H0@3"]}, "target"),
        ({"corpus": "many", "nodes": []}, "nodes"),
        ({"corpus": "many", "nodes": ["L1.N5"] * 1001}, "nodes"),
        ({"corpus": "many", "nodes": ["L1.N5"], "n_tokens": 200_000}, "n_tokens"),
        ({"corpus": "many", "nodes": ["L1.N5"], "shuffles": 2}, "shuffles"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(body, field, app, corpus):
    answer = post(app, "/api/explain", body)
    assert (answer.status, answer.json()["error"]["field"]) == (400, field)
