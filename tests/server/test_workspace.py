"""The workspace over HTTP: kept, listed, opened, deleted, exported and imported."""

from __future__ import annotations

from typing import Any

import pytest

from unembed.workspace import Workspace

from .asgi import bearer, call, post

RUN = {"name": "Disco", "note": "neurons of music", "spec": "v=1&p=She%20is", "summary": "She is"}


def everything(app: Any) -> Any:
    answer = call(app, "GET", "/api/workspace", headers=[bearer()])
    assert answer.status == 200, answer.body
    return answer.json()


def do(app: Any, what: str, expected: int = 200, **body: Any) -> Any:
    answer = post(app, f"/api/workspace/{what}", body)
    assert answer.status == expected, answer.body
    return answer.json() if answer.body else None


def refused(app: Any, what: str, **body: Any) -> Any:
    return do(app, what, 400, **body)["error"]


# ---------------------------------------------------------------- names


def test_a_node_is_named_renamed_and_forgotten(app):
    assert everything(app) == {"names": [], "runs": [], "circuits": []}
    do(app, "name", 204, node="L1D7", name="music", note="albums")
    do(app, "name", 204, node="L2.H3", name="", note="only a note")
    assert everything(app)["names"] == [
        {"node": "L1.N7", "name": "music", "note": "albums"},
        {"node": "L2.H3", "name": "", "note": "only a note"},
    ]
    do(app, "name", 204, node="L1.N7", name="songs")
    assert everything(app)["names"][0] == {"node": "L1.N7", "name": "songs", "note": ""}
    for node in ("L1.N7", "L2.H3"):
        do(app, "name", 204, node=node, name="")
    assert everything(app)["names"] == []


def test_names_are_those_of_the_loaded_model(app, model):
    kept = Workspace(app.session.settings.workspace_file())
    kept.set_name("another model", "L1.N7", "theirs")
    kept.set_name(model.fingerprint, "L1.N7", "ours")
    assert [one["name"] for one in everything(app)["names"]] == ["ours"]


@pytest.mark.parametrize("node", ["L3.N0", "L1.N52", "L1.resid_post", "music", "L1.H2@3", "", "L1"])
def test_what_is_no_node_cannot_be_named(app, node):
    assert refused(app, "name", node=node, name="x")["field"] == "node"


# ---------------------------------------------------------------- runs


def test_a_run_is_saved_listed_opened_and_deleted(app, model):
    first, second = (do(app, "run", **RUN | {"name": name})["id"] for name in ("one", "two"))
    listed = everything(app)["runs"]
    assert [(run["id"], run["name"]) for run in listed] == [(second, "two"), (first, "one")]
    assert "spec" not in listed[0]
    opened = do(app, "open", id=first)
    assert opened["unembed"] == 1
    assert opened["spec"] == RUN["spec"]
    assert (opened["model"], opened["fingerprint"]) == (model.name, model.fingerprint)
    do(app, "delete", 204, id=first)
    assert [run["id"] for run in everything(app)["runs"]] == [second]
    for what in ("open", "delete"):
        assert refused(app, what, id=first)["field"] == "id"


def test_what_was_exported_is_imported_elsewhere_and_here(app, make_app, tmp_path):
    exported = do(app, "open", id=do(app, "run", **RUN)["id"])
    other = make_app(cache_dir=str(tmp_path / "elsewhere"))
    assert do(other, "import", run=exported) == {"id": exported["id"]}
    assert do(other, "open", id=exported["id"]) == exported
    assert do(other, "import", run=exported) == {"id": exported["id"]}
    assert len(everything(other)["runs"]) == 1
    changed = exported | {"note": "mine"}
    again = do(app, "import", run=changed)["id"]
    assert again != exported["id"]
    assert do(app, "open", id=again)["note"] == "mine"
    assert do(app, "open", id=exported["id"]) == exported


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"unembed": 2}, "run.unembed"),
        ({"unembed": True}, "run.unembed"),
        ({"unembed": "1"}, "run.unembed"),
        ({"id": ""}, "run.id"),
        ({"id": "x" * 65}, "run.id"),
        ({"id": 5}, "run.id"),
        ({"name": ""}, "run.name"),
        ({"name": "x" * 501}, "run.name"),
        ({"spec": ""}, "run.spec"),
        ({"spec": {}}, "run.spec"),
        ({"spec": "x" * 100_001}, "run.spec"),
        ({"saved": "yesterday"}, "run.saved"),
        ({"note": None}, "run.note"),
        ({"extra": 1}, "run.extra"),
    ],
    ids=str,
)
def test_garbage_is_not_imported(app, change, field):
    exported = do(app, "open", id=do(app, "run", **RUN)["id"])
    assert refused(app, "import", run=exported | change)["field"] == field
    del exported["summary"]
    assert refused(app, "import", run=exported)["field"] == "run.summary"
    assert len(everything(app)["runs"]) == 1


@pytest.mark.parametrize("garbage", [None, [], "run", 5, {}, [[]]])
def test_what_is_no_run_at_all_is_not_imported(app, garbage):
    assert (refused(app, "import", run=garbage)["field"] or "").startswith("run")


def test_texts_are_bounded(make_app):
    app = make_app(max_saved_chars=20)
    assert refused(app, "run", **RUN | {"spec": "x" * 21})["field"] == "spec"
    assert refused(app, "run", **RUN | {"note": "x" * 21})["field"] == "note"
    assert refused(app, "run", **RUN | {"note": "", "name": ""})["field"] == "name"


def test_a_restart_forgets_nothing(app, make_app):
    do(app, "name", 204, node="L1.N7", name="music")
    do(app, "run", **RUN)
    assert everything(make_app()) == everything(app)


def test_a_workspace_that_cannot_be_used_says_why_and_the_rest_works(make_app, tmp_path):
    (tmp_path / "file").write_text("no database, but a text that is long enough to be looked at")
    app = make_app(workspace_path=str(tmp_path / "file"))
    answer = call(app, "GET", "/api/workspace", headers=[bearer()])
    assert (answer.status, answer.error["code"]) == (422, "cannot_load")
    assert "UNEMBED_WORKSPACE_PATH" in answer.error["fix"]
    assert post(app, "/api/predictions", {"prompt": "a"}).status == 200


# ---------------------------------------------------------------- circuits


CIRCUIT = {
    "objective": "logit of a",
    "tokens": [{"id": 1, "text": "a", "label": "a", "special": False}],
    "edges": [{"source": "embed", "target": "L0.mlp", "effect": 1.5}],
    "whole": 2.0,
    "none": 0.0,
    "value": 1.0,
    "faithfulness": 0.5,
    "provenance": {"model": "tiny", "fingerprint": "abc"},
}


def test_a_circuit_is_kept_opened_renamed_imported_and_deleted(app):
    own = do(app, "circuit", name="ioi", note="n", spec="v=1", circuit=CIRCUIT)["id"]
    (entry,) = everything(app)["circuits"]
    assert entry["saved"]
    assert entry == {
        **{"id": own, "name": "ioi", "note": "n", "saved": entry["saved"], "model": "tiny"},
        **{"fingerprint": "abc", "prompt": "a", "objective": "logit of a", "n_kept": 1},
        "faithfulness": 0.5,
    }
    opened = do(app, "circuit/open", id=own)
    assert opened["circuit"] == CIRCUIT
    do(app, "circuit/rename", 204, id=own, name="other")
    assert everything(app)["circuits"][0]["name"] == "other"
    do(app, "circuit/delete", 204, id=own)
    assert everything(app)["circuits"] == []
    assert do(app, "circuit/import", saved=opened)["id"] == own
    assert do(app, "circuit/open", id=own) == opened


def test_what_is_no_circuit_is_refused_by_its_field(app):
    assert refused(app, "circuit", name="x", circuit=[])["field"] == "circuit"
    bad = CIRCUIT | {"edges": [{"source": "embed"}]}
    assert refused(app, "circuit", name="x", circuit=bad)["field"] == "circuit.edges[0]"
    assert refused(app, "circuit", name="", circuit=CIRCUIT)["field"] == "name"
    assert refused(app, "circuit/import", saved={"unembed": 1})["field"] == "saved.id"
    assert refused(app, "circuit/import", saved=3)["field"] == "saved"
    for what in ("open", "rename", "delete"):
        body = {"name": "x"} if what == "rename" else {}
        assert refused(app, f"circuit/{what}", id="none", **body)["field"] == "id"
    assert everything(app)["circuits"] == []
