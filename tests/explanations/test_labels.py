"""Labels that are kept: by hand and by machine, of one model and its latents, as files."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

import unembed as ue
from unembed.errors import InputError, LoadError, TargetError
from unembed.node_labels import TYPES, Label, NodeLabelScore
from unembed.workspace import Workspace

from . import world
from .test_explainers import Counting
from .test_judging import FEW, Knowing

GUIDE = Path(__file__).parents[2] / "docs/guides/explanations.md"


@pytest.fixture
def kept(tmp_path):
    return Workspace(tmp_path / "workspace.sqlite3")


@pytest.fixture
def labels(corpus, kept):
    return ue.Labels(corpus.model, kept)


def test_what_a_person_says_stands_first_and_the_machines_beside_it(labels):
    labels.keep([Label("L1.N5", "words", "search"), Label("L1.N5", "old", "import", "somebody")])
    labels.edit("L1.N5", "rivers", "me")
    labels.keep([Label("L1.N5", "things", "search")])
    labels.edit("L1.H2", "copies")
    assert [(one.source, one.text) for one in labels.of("L1.N5")] == [
        ("hand", "rivers"), ("import", "old"), ("search", "things"),
    ]  # fmt: skip
    assert labels.of("L1.N5")[0].made.endswith("+00:00")
    assert [one.node for one in labels.search("RIV er")] == ["L1.N5"]
    assert labels.forget("L1.N5")
    assert not labels.forget("L1.N5")
    assert labels.of("L1.N5")[0].text == "old"


def test_an_explanation_is_kept_with_its_scores(labels, corpus):
    found = ue.explain(corpus, ["L0.F0"], n_tokens=FEW, explainer=Counting(), judge=Knowing())
    assert labels.keep(found) == 2
    written, searched = labels.of("L0.F0")
    assert (written.source, written.text, written.by) == ("model", "the word the", "counting")
    assert (written.supported, written.corpus) == (True, "made-up")
    item = found.items[0]
    assert {one.kind: one.score for one in written.scores} == {
        kind: getattr(item.written, kind).score
        for kind in ("simulation", "detection", "fuzzing")
    }  # fmt: skip
    (f1,) = searched.scores
    assert (f1.kind, f1.score) == ("f1", item.held_out.f1)
    assert f1.chance == max(item.shuffled.high, item.searched.high)


def test_a_label_of_a_latent_is_of_its_autoencoder_alone(labels, corpus, planted, kept):
    labels.edit("L0.F0", "the")
    labels.edit("L1.N5", "rivers")
    derived = corpus.model.derived["latent"]
    other = world.model()
    world.attach(other, planted)
    changed = other.derived["latent"]
    from dataclasses import replace

    other.derived["latent"] = replace(changed, row=replace(changed.row, derived="another"))
    assert [one.node for one in ue.Labels(other, kept).all()] == ["L1.N5"]
    assert derived.row.derived == "planted"
    assert [one.node for one in labels.all()] == ["L0.F0", "L1.N5"]


def test_a_file_brings_them_elsewhere_with_all_that_is_known(labels, corpus, tmp_path):
    scores = (NodeLabelScore("f1", 0.5, 0.1), NodeLabelScore("detection", 0.75, None))
    labels.keep([Label("L1.N5", "x", "model", "m at h", "brown", "2025-01-31", False, scores)])
    labels.edit("L1.H2", "copies")
    data = json.loads(json.dumps(labels.exported()))
    other = ue.Labels(corpus.model, Workspace(tmp_path / "other.sqlite3"))
    assert other.imported(data) == 2
    assert other.all() == labels.all()
    with pytest.raises(InputError, match="not of this model") as refused:
        other.imported(data | {"fingerprint": "another"})
    assert refused.value.field == "fingerprint"


def test_neuronpedias_rows_come_and_go(labels):
    """Field names are those of its exports: neurons have a bare layer, latents a set's name."""
    row = {"modelId": "m", "layer": "1", "index": "5", "description": "rivers",
           "typeName": "oai_token-act-pair", "explanationModelName": "some-model"}  # fmt: skip
    latent = row | {"layer": "0-res-jb", "index": "3", "description": "seas"}
    assert labels.imported([row, latent]) == 2
    assert [(one.node, one.text, one.source, one.by) for one in labels.all()] == [
        ("L0.F3", "seas", "import", "some-model"), ("L1.N5", "rivers", "import", "some-model"),
    ]  # fmt: skip
    labels.edit("L1.N5", "brooks")
    labels.edit("L1.H2", "has no row there")
    made = labels.for_neuronpedia("gpt2-small", "res-jb")
    assert [(one["layer"], one["index"], one["description"]) for one in made] == [
        ("0-res-jb", "3", "seas"), ("1", "5", "brooks"),
    ]  # fmt: skip
    assert {*made[0]} == {*row}
    assert {type(value) for one in made for value in one.values()} <= {str, type(None)}
    assert [(one["typeName"], one["explanationModelName"]) for one in made] == [
        ("unembed_import", "some-model"), ("unembed_hand", None),
    ]  # fmt: skip
    for source, kind in TYPES.items():  # each is in the guide: its readers have to know them
        assert f"`{kind}`" in GUIDE.read_text("utf-8"), source
    assert labels.imported(made) == 2
    assert labels.imported(row) == 1


OWN = {"node": "L1.N5", "text": "x", "source": "hand"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ("text", "labels"), (5, "labels"), ([5], "labels"), ({"x": 1}, "labels"),
        ({"unembed_labels": 2}, "unembed_labels"),
        ([{"layer": "x", "index": "1", "description": "d"}], "labels[0].layer"),
        ([{"layer": "1", "index": "-1", "description": "d"}], "labels[0].layer"),
        ([{"layer": "1", "index": "1"}], "labels[0].description"),
        ([{"layer": "1", "index": "1", "description": "d" * 2_001}], "labels[0].description"),
    ],
)  # fmt: skip
def test_what_is_no_file_of_labels_is_refused(data, field, labels):
    with pytest.raises(InputError) as refused:
        labels.imported(data)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"source": "else"}, "labels[1].source"), ({"node": 5}, "labels[1].node"),
        ({"text": ""}, "labels[1].text"), ({"supported": 1}, "labels[1].supported"),
        ({"scores": [{"kind": "f1"}]}, "labels[1].scores"), ({"extra": 1}, "labels[1]"),
        ({"node": "L99.N5"}, "node"), ({"node": "L1.N5@3"}, "node"),
    ],
)  # fmt: skip
def test_one_wrong_label_keeps_all_of_a_file_out(change, field, labels, corpus):
    data = labels.exported() | {"labels": [OWN, OWN | change]}
    with pytest.raises((InputError, TargetError)) as refused:
        labels.imported(data)
    assert refused.value.field == field
    assert labels.all() == ()


def test_a_workspace_of_before_gets_a_place_for_labels(labels, kept, corpus):
    kept.set_name(corpus.model.fingerprint, "L1.N5", "mine")
    with sqlite3.connect(kept.path) as file:
        for later in ("labels", "circuits"):
            file.execute(f"DROP TABLE {later}")
        file.execute("PRAGMA user_version = 1")
    file.close()
    assert labels.all() == ()
    labels.edit("L1.N5", "rivers")
    assert kept.names(corpus.model.fingerprint)[0].name == "mine"
    kept.path.write_bytes(b"no database")
    with pytest.raises(LoadError):
        labels.all()
