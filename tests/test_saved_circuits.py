"""Circuits in the workspace: kept with what was measured, renamed, deleted, sent to another."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict

import pytest

import unembed as ue
from unembed.errors import InputError, LoadError
from unembed.models.tiny import tiny_model
from unembed.saved_circuits import MAX_EDGES
from unembed.workspace import SCHEMA, Workspace

PROMPT, OTHER = [5, 6, 7, 8], [5, 9, 7, 8]
ASKED = {"target": 72, "distractor": 9, "curve": False}


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2"))


@pytest.fixture(scope="module")
def found(model):
    return ue.find_circuit(model, PROMPT, OTHER, edges=7, by_position=True, **ASKED)


@pytest.fixture
def kept(tmp_path):
    return Workspace(tmp_path / "kept.sqlite3")


def test_a_kept_circuit_comes_back_with_what_was_measured(model, found, kept):
    own = kept.save_circuit("ioi", found.to_dict(), note="first", corrupted="a b", spec="v=1")
    again = Workspace(kept.path)
    (entry,) = again.list_circuits()
    labels = "".join(token.label for token in found.tokens)
    assert (entry.id, entry.name, entry.note, entry.prompt) == (own, "ioi", "first", labels)
    assert (entry.objective, entry.n_kept) == (found.objective, 7)
    assert entry.faithfulness == found.faithfulness
    assert entry.fingerprint == model.fingerprint
    saved = again.circuit(own)
    assert (saved.corrupted, saved.spec) == ("a b", "v=1")
    assert saved.circuit == json.loads(found.to_json())
    measured = ue.find_circuit(
        model, PROMPT, OTHER, edges=0, by_position=True, include=saved.edges, **ASKED
    )
    assert measured.value == pytest.approx(found.value, abs=1e-6)


def test_a_kept_circuit_is_renamed_and_deleted(found, kept):
    first, second = (kept.save_circuit(name, found.to_dict()) for name in ("one", "two"))
    kept.rename_circuit(first, "first", "a note")
    assert [(one.name, one.note) for one in kept.list_circuits()] == [
        ("two", ""),
        ("first", "a note"),
    ]
    kept.delete_circuit(second)
    assert [one.id for one in kept.list_circuits()] == [first]
    for act in (kept.circuit, kept.delete_circuit, lambda own: kept.rename_circuit(own, "x")):
        with pytest.raises(InputError, match="no saved circuit has the id") as caught:
            act(second)
        assert caught.value.field == "id"
    with pytest.raises(InputError, match="name must be"):
        kept.rename_circuit(first, "")
    assert Workspace(kept.path.with_name("none")).list_circuits() == ()


def test_an_exported_circuit_is_imported_elsewhere_and_not_twice(found, kept, tmp_path):
    own = kept.save_circuit("ioi", found.to_dict(), note="n")
    data = json.loads(json.dumps(kept.export_circuit(own)))
    there = Workspace(tmp_path / "there.sqlite3")
    assert there.import_circuit(data) == there.import_circuit(data) == own
    assert asdict(there.circuit(own)) == asdict(kept.circuit(own))
    other = there.import_circuit(data | {"name": "another"})
    assert other != own
    assert [one.name for one in there.list_circuits()] == ["another", "ioi"]
    lying = there.import_circuit(data | {"id": "new", "n_kept": 999, "faithfulness": 5.0})
    assert there.circuit(lying).n_kept == 7  # what lists show is read from the circuit


EDGE = {"source": "embed", "target": "L0.mlp", "effect": 1.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"edges": None}, "circuit.edges"),
        ({"edges": [EDGE | {"source": 3}]}, "circuit.edges[0]"),
        ({"edges": [EDGE, EDGE | {"effect": "1"}]}, "circuit.edges[1]"),
        ({"edges": [EDGE] * (MAX_EDGES + 1)}, "circuit.edges"),
        ({"tokens": [{"id": 3}]}, "circuit.tokens"),
        ({"whole": float("nan")}, "circuit.whole"),
        ({"faithfulness": True}, "circuit.faithfulness"),
        ({"objective": None}, "circuit.objective"),
        ({"extra": float("inf")}, "circuit"),
        ({"extra": "x" * 3_000_000}, "circuit"),
    ],
)
def test_what_is_no_circuit_is_refused_and_nothing_kept(change, field, found, kept):
    with pytest.raises(InputError) as caught:
        kept.save_circuit("bad", found.to_dict() | change)
    assert caught.value.field == field
    assert kept.list_circuits() == ()


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"unembed": 2}, "unembed", "has format 2"),
        ({"saved": "yesterday"}, "saved", "no time"),
        ({"name": 3}, "name", "is not a text"),
        ({"more": 1}, "more", "no saved circuit has"),
        ({"circuit": []}, "circuit", "no object"),
    ],
)
def test_a_file_that_holds_no_saved_circuit_is_refused(change, field, words, found, kept):
    data = kept.export_circuit(kept.save_circuit("ioi", found.to_dict()))
    with pytest.raises(InputError, match=words) as caught:
        kept.import_circuit(data | change)
    assert caught.value.field == field
    with pytest.raises(InputError, match="is missing"):
        kept.import_circuit({key: value for key, value in data.items() if key != "spec"})
    with pytest.raises(InputError, match="no saved circuit of Unembed"):
        kept.import_circuit({"edges": []})
    assert len(kept.list_circuits()) == 1


@pytest.mark.parametrize("version", [1, 2])
def test_a_workspace_of_an_older_version_gets_circuits_and_keeps_what_it_had(version, found, kept):
    run = kept.save_run("before", "", "v=1")
    with sqlite3.connect(kept.path) as file:
        file.execute("DROP TABLE circuits")
        if version == 1:
            file.execute("DROP TABLE labels")
        file.execute(f"PRAGMA user_version = {version}")
    file.close()
    own = kept.save_circuit("after", found.to_dict())
    assert kept.run(run).name == "before"
    assert kept.circuit(own).name == "after"
    assert kept.labels("any") == ()
    file = sqlite3.connect(kept.path)
    assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
    file.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    file.close()
    with pytest.raises(LoadError, match="newer version"):
        kept.list_circuits()
