"""Questions to corpora, put in Python, on the command line and over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from unembed.analyses.tools.vectors import value_vectors
from unembed.engine.model import Model
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.examples import find_examples
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.relations import head_relations
from unembed.questions import corpus as questions

from ..server.asgi import bearer, call, post
from .faces import PROMPT, Face, Numbers

TEXT = "The cat sat on the mat. The dog sat by the door.\n\nA cat ran."


@pytest.fixture(scope="session")
def corpus(model: Model, cache: Path) -> str:
    path = cache / "tiny.txt"
    path.write_text(TEXT)
    return index_corpus(model, path, "tiny", [0, 2]).about.name


def _numbers(answer: Any) -> Numbers:
    items = answer["items"]
    labels = answer["labels"]["items"]
    return {
        "total": answer["total"],
        "labels": [(one["column"], one["label"], one["count"], one["low"]) for one in labels],
        "items": [(one["sentence"], one["match"]["position"], one["score"]) for one in items],
    }


def _read(answer: Any) -> Numbers:
    return {
        "items": [
            (one["row"], one["position"], one["text"], len(one["tokens"]), one["attention"])
            for one in answer["items"]
        ]
    }


def _examples(answer: Any) -> Numbers:
    return {name: answer[name] for name in ("n", "density", "mean", "least", "most")} | {
        "items": [(one["group"], one["value"], one["row"]) for one in answer["items"]]
    }


def _stream_along(model: Model) -> tuple[str, Any]:
    """The stream along what a neuron writes: its row of W_out, through the norm behind that."""
    return "L1.resid_post", value_vectors(model, 1)[5]


def _relations(answer: Any) -> Numbers:
    return {"total": answer["total"], "items": [one["attention"] for one in answer["items"]]}


def _python(model: Model, fields: dict[str, Any], edits: list[Any]) -> Numbers:
    options = {name: value for name, value in fields.items() if name != "corpus"}
    corpus = open_corpus(model, fields["corpus"])
    capture = corpus.required_capture(by=fields["by"], layer=fields["layer"])
    run = model.run(PROMPT, capture=capture, edits=edits)
    return _numbers(corpus.search(run, **options).to_dict())


FACES = {
    "corpus": Face(
        "/api/corpus/search",
        {
            "corpus": "tiny",
            "by": "context",
            "layer": 2,
            "heads": [0, 3],
            "limit": 7,
            "summarise": "attended",
        },
        _python,
        _numbers,
        lambda: [
            "corpus search",
            PROMPT,
            "--name",
            "tiny",
            "--by",
            "context",
            "--layer",
            "2",
            "--heads",
            "0,3",
            "--limit",
            "7",
            "--summarise",
            "attended",
            "--json",
        ],
    ),
    "sentences": Face(
        "/api/corpus/sentences",
        {"corpus": "tiny", "rows": [7, 2], "layer": 1, "heads": [3]},
        lambda model, fields, _: _read(
            open_corpus(model, "tiny").sentences([7, 2], 1, heads=(3,)).to_dict()
        ),
        lambda answer: _read(answer),
        lambda: [
            "corpus sentences",
            "--name",
            "tiny",
            *["--rows", "7,2", "--layer", "1", "--heads", "3", "--json"],
        ],
        edits=False,
    ),
    "examples": Face(
        "/api/corpus/examples",
        {"corpus": "tiny", "target": "L1.N5", "top": 2, "each": 1},
        lambda model, fields, _: _examples(
            find_examples(open_corpus(model, "tiny"), "L1.N5", top=2, each=1)[0].to_dict()
        ),
        lambda answer: _examples(answer),
        lambda: [
            "corpus examples",
            "--name",
            "tiny",
            "--node",
            "L1.N5",
            *["--top", "2", "--each", "1", "--json"],
        ],
        edits=False,
    ),
    "relations": Face(
        "/api/corpus/relations",
        {"corpus": "tiny", "layers": [1], "min_count": 1, "sort": "attention"},
        lambda model, fields, _: _relations(
            head_relations(
                open_corpus(model, "tiny"), layers=(1,), min_count=1, sort="attention"
            ).to_dict()
        ),
        lambda answer: _relations(answer),
        lambda: [
            "corpus heads",
            "--name",
            "tiny",
            "--layers",
            "1",
            *["--min-count", "1", "--sort", "attention", "--json"],
        ],
        edits=False,
    ),
}


ALONG = Face(
    "/api/corpus/examples",
    {"corpus": "tiny", "target": "L1.resid_post", "along": "L1.N5", "top": 2},
    lambda model, fields, _: _examples(
        find_examples(open_corpus(model, "tiny"), [_stream_along(model)], top=2)[0].to_dict()
    ),
    lambda answer: _examples(answer),
    lambda: [
        "corpus examples",
        *["--name", "tiny", "--node", "L1.resid_post", "--along", "L1.N5"],
        *["--top", "2", "--json"],
    ],
    edits=False,
)


@pytest.mark.parametrize(
    ("name", "edited"),
    [
        ("corpus", False),
        ("corpus", True),
        ("sentences", False),
        ("examples", False),
        ("relations", False),
    ],
)
def test_all_three_find_the_same(name, edited, put, corpus):
    put(name, FACES[name], edited=edited)


def test_all_three_find_the_same_along_a_direction(put, corpus):
    put("examples", ALONG, edited=False)


def test_heads_are_listed_otherwise_without_another_pass(app, corpus, model, monkeypatch):
    passes = []
    count = questions.count_relations

    def counted(*given: Any) -> Any:
        passes.append(given)
        return count(*given)

    monkeypatch.setattr(questions, "count_relations", counted)
    whole = open_corpus(model, "tiny")
    for listing in (
        {"sort": "lift", "min_count": 1},
        {"sort": "share", "min_count": 4, "limit": 3},
        {"relation": ["previous", "next"], "min_count": 1},
    ):
        answer = post(app, "/api/corpus/relations", {"corpus": "tiny"} | listing)
        assert answer.json() == json.loads(head_relations(whole, **listing).to_json())
    assert len(passes) == 1
    assert post(app, "/api/corpus/relations", {"corpus": "tiny", "layers": [1]}).status == 200
    assert len(passes) == 2


def test_a_row_that_there_is_not_is_refused_by_its_field(app, corpus):
    answer = post(app, "/api/corpus/sentences", {"corpus": "tiny", "rows": [9999]})
    assert (answer.status, answer.json()["error"]["field"]) == (400, "rows")


def test_a_direction_is_given_in_numbers_or_by_what_writes_it(app, corpus, model):
    ask = {"corpus": "tiny", "target": "L1.resid_post", "top": 2}
    site, vector = _stream_along(model)
    by_node = post(app, "/api/corpus/examples", ask | {"along": "L1.N5"}).json()
    by_numbers = post(app, "/api/corpus/examples", ask | {"direction": vector.tolist()}).json()
    assert by_node == by_numbers
    assert (by_node["node"], by_node["measured"]) == (site, "along the direction")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"direction": [1.0, 2.0]}, "direction"),
        ({"direction": [0.0] * 40}, "direction"),
        ({"direction": [1.0] * 40, "along": "L1.N5"}, "along"),
        ({"along": "L1.H2"}, "along"),
        ({"along": "L1.N5", "target": "L1.z"}, "target"),
        ({"along": "L1.N5", "target": "L1.N5"}, "target"),
    ],
)
def test_a_direction_that_is_none_is_refused_with_its_field(asked, field, app, corpus):
    ask = {"corpus": "tiny", "target": "L1.resid_post"} | asked
    answer = post(app, "/api/corpus/examples", ask)
    assert (answer.status, answer.json()["error"]["field"]) == (400, field), answer.json()


def test_http_lists_corpora_and_searches_without_a_prompt(app, corpus, model):
    items = call(app, "GET", "/api/corpus", headers=[bearer()]).json()["items"]
    # others of this session build in the same cache, before or after, as it is shared out
    (listed,) = (one for one in items if one["name"] == "tiny")
    assert listed["sites"] == ["L0.resid_post", "L0.z", "L2.resid_post", "L2.z"]
    found = post(app, "/api/corpus/search", {"corpus": "tiny", "word": ["cat"]}).json()
    assert found["total"] == sum(
        one.word == "cat" for n in range(3) for one in open_corpus(model, "tiny").tokens(n)
    )
    assert {item["score"] for item in found["items"]} == {None}


def test_a_layer_that_is_added_is_seen_by_who_serves(app, corpus, model, cache):
    body = {"corpus": "more", "prompt": PROMPT, "layer": 1}
    index_corpus(model, cache / "tiny.txt", "more", [0])
    refused = post(app, "/api/corpus/search", body)
    assert (refused.status, refused.json()["error"]["field"]) == (400, "layer")
    index_corpus(model, cache / "tiny.txt", "more", [1])
    assert post(app, "/api/corpus/search", body).status == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"corpus": "none"}, "name"),
        ({"corpus": "tiny", "prompt": PROMPT, "layer": 1}, "layer"),
        ({"corpus": "tiny", "edits": [{"target": "L1.H2", "operation": "zero"}]}, "edits"),
        ({"corpus": "tiny", "pos": ["NOUN"]}, "pos"),
        ({"corpus": "../tiny"}, "name"),
        ({"corpus": "tiny", "prompt": PROMPT, "source": "a"}, "source"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(body, field, app, corpus):
    answer = post(app, "/api/corpus/search", body)
    assert (answer.status, answer.json()["error"]["field"]) == (400, field)
