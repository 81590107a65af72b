"""A build on Ray keeps what a build here keeps, whoever dies meanwhile; what cannot be is said.

One small Ray for all of them, and few builds: each process that holds a model takes seconds of a
processor to start.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unembed.errors import IndexMissingError, InputError, LoadError, PromptError
from unembed.index.corpus import build, cluster
from unembed.index.corpus import cluster_workers as workers
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.corpus import open_corpus
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece, Word
from unembed.index.corpus.rows import Rows, Stretch, StretchColumns
from unembed.index.corpus.stages import Work
from unembed.index.corpus.states import sites_for
from unembed.index.corpus.stretches import read_stretch
from unembed.index.corpus.tagging import tagger
from unembed.index.corpus.text_reader import TextReader

from .test_building import assert_same, kept

LAYERS = [1]
DRIVER = """
import os, signal, sys
import torch, unembed
from unembed.index.corpus import build, cluster
from unembed.models.tiny import tiny_model, tiny_tokenizer

folder, *files = sys.argv[1:]
torch.set_num_threads(1)
build.STRETCH_CHARS, cluster.COMMIT_SECONDS = 60, 0.0
cluster.tokens_held = lambda sites: 30
real, calls = cluster.commit, []

def commit(table, fragments):
    calls.append(table)
    if len(calls) == 4:  # the first part is committed, and one table of the second
        os.kill(os.getpid(), signal.SIGKILL)
    real(table, fragments)

cluster.commit = commit
model = unembed.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())
build.index_corpus(model, files, "one", [1], folder=folder, engine="ray")
"""


class DiesOnce(workers.VectorsWorker):
    """Its process ends in the middle of a part, the first time."""

    def answer(self, row):
        mark = Path(self._version, "died")
        found = super().answer(row)
        if row["first"] and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found


@pytest.fixture(scope="module")
def ray():
    """A Ray of two processors that the builds find, as they find a cluster."""
    with cluster.running():
        import ray

        yield ray


@pytest.fixture
def small(monkeypatch):
    """Parts of some sentences each, so that there are several."""
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)
    monkeypatch.setattr(cluster, "tokens_held", lambda sites: 30)


def killed(ray, folder, texts) -> int:
    """How a build ended that kills itself between two commits."""
    address = {"RAY_ADDRESS": ray.get_runtime_context().gcs_address, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DRIVER, str(folder), *map(str, texts)]
    ended = subprocess.run(command, env=os.environ | address, capture_output=True, timeout=240)
    return ended.returncode


def test_a_build_whose_driver_and_worker_die_becomes_what_one_here_becomes(
    ray, small, model, texts, tmp_path, monkeypatch
):
    assert killed(ray, tmp_path, texts) == -signal.SIGKILL
    with pytest.raises(IndexMissingError):
        open_corpus(model, "one", folder=tmp_path)
    (draft,) = (tmp_path / "one").glob("v-*")
    rows = Rows(CorpusFolder(tmp_path / "one"), draft)
    rows.mend()
    state, context = sites_for(model, LAYERS, "both", "resid_post")
    assert 0 < rows.n_vectors(context) < rows.n_vectors(state) < rows.n_tokens

    monkeypatch.setattr(cluster, "VectorsWorker", DiesOnce)
    said = []
    found = index_corpus(
        model, texts, "one", LAYERS, folder=tmp_path, engine="ray",
        progress=lambda *a: said.append(a),
    )  # fmt: skip
    assert (found.version / "died").exists()
    wanted = index_corpus(model, texts, "two", LAYERS, folder=tmp_path)
    assert_same(kept(found), kept(wanted))
    assert found.search("The girl", 1).items == wanted.search("The girl", 1).items
    assert said[-1][1] == len(wanted)


# ---------------------------------------------------------------- without a cluster


def reading_of(model, spacy, words) -> workers.Reading:
    return workers.Reading(TextReader(model), spacy, words.name, False, 60, frozenset({0}))


@pytest.mark.parametrize("family", ["gemma3", "bert"])
def test_texts_are_read_without_the_model_as_with_it(family, model_of, texts, monkeypatch):
    """Labels, gold words and numbers of rows among them, over several stretches."""
    model = model_of(family)
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)
    work = Work(model, CorpusOptions(max_tokens=60), texts, (), 60, None)
    held = list(work.stretches(0, 0))
    words = tagger(None)
    reading = reading_of(model, None, words)
    parts = [workers.read(workers.stretch_as_text(one), reading, words) for one in held]
    assert len(parts) > 2
    found = workers.unpacked([one for one in parts if one])
    sentences, n = [], 0
    for one in held:
        words.submit([piece for _, piece in one], False)
        sentences.append(read_stretch(model, one, words.result(), 60))
        n += sum(len(each.ids) for each in sentences[-1].sentences)
    whole = StretchColumns.of(
        Stretch(*(sum((getattr(one, name) for one in sentences), ())
                  for name in ("sentences", "files", "records", "pieces"))), {0}
    )  # fmt: skip
    for side in ("sentences", "tokens"):
        for name, column in getattr(whole, side).items():
            own = getattr(found, side)[name].to_pylist()
            assert own == list(np.asarray(column).tolist() if len(column) else []), name
    assert len(found.tokens["row"]) == n


def test_pieces_cross_processes_as_they_are(tmp_path):
    words = (Word(0, 2, "PRON", "PRP", "nsubj", "", "he", 1), Word(3, 6, lemma="sit", head=-1))
    numbered = [(7, Piece("a.txt", 3, "He sat", 0.25, words)), (8, Piece("b", 0, "é\n😀", 1.0))]
    assert workers.stretch_from(workers.stretch_as_text(numbered)) == numbered


def test_an_error_crosses_processes_as_it_is():
    for error in (
        PromptError("no", field="prompt", value=[1], legal="text", fix="write"),
        LoadError("gone", field="spacy", value=3),
    ):
        found = workers.heard(workers.said(error))
        assert type(found) is type(error)
        assert (found.message, found.field, found.legal, found.fix) == (
            error.message, error.field, error.legal, error.fix,
        )  # fmt: skip


def test_without_ray_the_extra_is_named(model, texts, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match="Ray is not installed") as caught:
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, engine="ray")
    assert caught.value.field == "engine"
    assert "unembed[ray]" in caught.value.fix


@pytest.mark.parametrize(
    ("given", "field"),
    [({"engine": "dask"}, "engine"), ({"engine": "ray", "workers": 0}, "workers")],
)
def test_what_is_no_engine_is_said_at_once(given, field, model, texts, tmp_path):
    with pytest.raises(InputError) as caught:
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, **given)
    assert caught.value.field == field
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reason", ["another model", "no such folder"])
def test_a_model_that_a_process_cannot_load_is_said(reason, model, tmp_path):
    origin = {"source": str(tmp_path / "gone")}
    if reason == "another model":
        model.module.save_pretrained(tmp_path / "here")
        origin = {"source": str(tmp_path / "here")}
    source = workers.ModelSource("tiny", "another", model.settings, "cpu", origin)
    worker = workers.VectorsWorker(source, tmp_path, ())
    row = worker({"first": 0, "sizes": [1]})
    error = workers.heard(row["error"])
    assert isinstance(error, LoadError)
    assert error.message.startswith("a process of the cluster cannot load tiny: ")
    assert ("another model, or weights" if reason == "another model" else "gone") in error.message


def test_another_pipeline_there_is_refused(model, monkeypatch):
    reading = reading_of(model, None, tagger(None))
    monkeypatch.setattr("ray.get", lambda held: dataclasses.replace(held, words="another 1.0"))
    workers._at_hand.cache_clear()
    row = workers.read_row({"stretch": "[]"}, reading)
    assert "the build was started with another 1.0" in workers.heard(row["error"]).message
