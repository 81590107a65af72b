"""Nodes in words, asked in Python, on the command line and over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.explanations.explain import explain
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus

from ..explanations.stub import said, server, yes
from ..server.asgi import bearer, call, post, request
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
    "score": Face(
        "/api/explain/score",
        {"corpus": "many", "node": "L1.N5", "explanation": "cats", "texts": 3, "window": 4},
        lambda model, fields, _: _scores(
            ue.score_explanation(
                open_corpus(model, "many"),
                fields["node"],
                "cats",
                ue.LocalJudge(model, prompts=SHORT),
                texts=3,
                window=4,
            ).to_dict()
        ),
        lambda answer: _scores(answer),
        lambda: [
            "score",
            *["--name", "many", "--node", "L1.N5", "--explanation", "cats", "--texts", "3"],
            *["--window", "4", "--prompt-folder", str(SHORT), "--json"],
        ],
        edits=False,
    ),
}
SHORT = Path(__file__).parent / "short_prompts"  # of a model that reads 64 bytes


def _scores(answer: Any) -> Numbers:
    kinds = ("simulation", "detection", "fuzzing")
    return {kind: answer[kind] for kind in kinds} | {"labels": answer["chance_labels"]}


@pytest.mark.parametrize("name", FACES)
def test_all_three_find_the_same(name, put, corpus, session):
    session.settings = replace(session.settings, language_prompts=str(SHORT))
    put(name, FACES[name], edited=False)


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
        ({"corpus": "many", "nodes": ["L1.N5"], "judge": "own"}, "judge"),
        ({"corpus": "many", "nodes": ["L1.N5"], "explainer": "server"}, "explainer"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_its_field(body, field, app, corpus):
    answer = post(app, "/api/explain", body)
    assert (answer.status, answer.json()["error"]["field"]) == (400, field)


# ---------------------------------------------------------------- with a server

EXPLAIN = {"corpus": "many", "nodes": ["L1.N5"], "n_tokens": 400, "explainer": "server"}
SCORE = {"corpus": "many", "node": "L1.N5", "explanation": "cats", "judge": "server", "texts": 2}


@pytest.fixture
def stub(session) -> Iterator[Any]:
    """A server that the settings name; `stub.answer` says what it answers."""

    class Stub:
        answer = staticmethod(lambda body: yes() if "logprobs" in body else said("all of it"))

    made = Stub()
    with server(lambda body, _: (200, made.answer(body), {})) as (url, asked):
        made.asked, made.url = asked, url
        session.settings = replace(session.settings, language_url=url, language_model="tiny")
        yield made


def test_the_server_that_the_settings_name_writes_and_judges(app, corpus, stub):
    models = call(app, "GET", "/api/explain/models", headers=[bearer()]).json()
    assert models == {"own": None, "server": "tiny", "host": "127.0.0.1", "leaves": False}
    answer = post(app, "/api/explain", EXPLAIN | {"judge": "server"})
    assert answer.status == 200, answer.body
    written = answer.json()["items"][0]["written"]
    assert (written["text"], written["by"]) == ("all of it", "tiny at 127.0.0.1")
    assert written["judge"] == "tiny at 127.0.0.1"
    assert written["fuzzing"]["balanced_accuracy"] == 0.5  # it always says yes
    assert (written["simulation"]["correlation"], written["simulation"]["n"]) == (None, 0)
    assert written["supported"] is False
    asked = len(stub.asked)
    assert post(app, "/api/explain", EXPLAIN).json()["items"][0]["written"]["text"] == "all of it"
    assert len(stub.asked) == asked  # answers are kept
    scored = post(app, "/api/explain/score", SCORE).json()
    assert scored["fuzzing"]["null"] is not None


def test_nothing_leaves_before_a_request_says_that_it_may(app, corpus, session, monkeypatch):
    import socket

    def connect(*_: Any, **__: Any) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket, "create_connection", connect)
    session.settings = replace(
        session.settings,
        language_url="https://models.example/v1",
        language_model="large",
        language_price_sent=1.0,
    )
    for path, body in (("/api/explain", EXPLAIN), ("/api/explain/score", SCORE)):
        error = post(app, path, body).error
        assert (error["field"], error["value"]) == ("consent", "models.example")
        assert error["message"].startswith("Nothing was sent")
        assert "which costs about" in error["message"]
    whole = post(app, "/api/explain", EXPLAIN | {"judge": "server"}).error["message"]
    assert "203 requests" in whole  # 3 for what is written, 10 lists of 20 texts
    named = post(app, "/api/explain", EXPLAIN | {"server": "http://elsewhere.example"})
    assert (named.status, named.error["field"]) == (400, "server")


def test_a_job_that_waits_for_a_server_is_cancelled(app, corpus, stub):
    began, go = threading.Event(), threading.Event()

    def hang(_body: Any) -> Any:
        began.set()
        go.wait(20)
        return said("late")

    stub.answer = hang
    fresh = EXPLAIN | {"nodes": ["L0.N3"], "job": "job-of-mine"}

    async def main() -> Any:
        work = asyncio.create_task(
            request(app, "POST", "/api/explain", headers=[bearer()], data=fresh)
        )
        assert await asyncio.to_thread(began.wait, 20)
        gone = await request(app, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        return gone, await asyncio.wait_for(work, 10)

    try:
        gone, work = asyncio.run(main())
    finally:
        go.set()
    assert (gone.status, work.status, work.error["code"]) == (204, 499, "cancelled")


def test_what_is_written_is_printed_below_the_table(cli, source, corpus, cache, stub, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(cache))
    command = ["explain", source, "--name", "many", "--nodes", "L1.N5", "--n-tokens", "400"]
    status, out, err = cli(
        *command, "--explainer", "server", "--server", stub.url, "--server-model", "tiny"
    )
    assert status == 0, err
    assert "L1.N5: “all of it” (nobody judged it)" in out
    assert cli(*command, "--explainer", "server")[0] == 2  # none is named
    status, _, err = cli(*command, "--price", "1,x")
    assert (status, "--price" in err) == (2, True)


# ---------------------------------------------------------------- labels that are kept


def test_labels_are_kept_edited_and_brought_elsewhere(app, corpus, session):
    body = {"corpus": "many", "nodes": ["L1.N5", "L2.H1"], "n_tokens": 400}
    labels = "/api/explain/labels"
    found = post(app, "/api/explain", body | {"keep": True}).json()
    edited = post(app, labels, {"node": "L1.N5", "text": "cats [bold]and[/bold] mats", "by": "me"})
    assert edited.status == 204
    kept = call(app, "GET", labels, headers=[bearer()]).json()
    assert kept["fingerprint"] == session.model.fingerprint
    first = kept["labels"][0]
    assert (first["node"], first["source"], first["by"]) == ("L1.N5", "hand", "me")
    searched = {one["node"]: one["text"] for one in kept["labels"] if one["source"] == "search"}
    assert searched == {one["node"]: one["label"] for one in found["items"] if one["label"]}
    assert post(app, labels, {"node": "L1.N5", "text": ""}).status == 204
    assert post(app, labels + "/import", {"labels": kept}).json() == {"kept": len(kept["labels"])}
    assert call(app, "GET", labels, headers=[bearer()]).json() == kept
    wrong = post(app, labels + "/import", {"labels": [{"layer": "x"}]})
    assert (wrong.status, wrong.error["field"]) == (400, "labels[0].layer")
    assert post(app, labels, {"node": "L99.N5", "text": "x"}).error["field"] == "node"


def test_the_command_line_keeps_the_same_labels(cli, source, tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_WORKSPACE_PATH", str(tmp_path / "kept.sqlite3"))
    assert cli("node-labels", "edit", source, "L1.N5", "cats [bold]and[/bold] mats")[0] == 0
    status, out, _ = cli("node-labels", "list", source, "CATS")
    assert (status, "cats [bold]and[/bold] mats" in out) == (0, True)
    whole, rows = tmp_path / "labels.json", tmp_path / "labels.jsonl"
    assert cli("node-labels", "export", source, str(whole))[0] == 0
    assert cli("node-labels", "export", source, str(rows), "--neuronpedia", "tiny")[0] == 0
    assert '"modelId": "tiny"' in rows.read_text()
    monkeypatch.setenv("UNEMBED_WORKSPACE_PATH", str(tmp_path / "other.sqlite3"))
    for file in (whole, rows):
        status, _, err = cli("node-labels", "import", source, str(file))
        assert (status, "1 labels are kept" in err) == (0, True)
    whole.write_text("{")
    assert cli("node-labels", "import", source, str(whole))[0] == 2
