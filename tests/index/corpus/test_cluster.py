"""A build on Ray keeps what a build here keeps, whoever dies meanwhile; what cannot be is said.

Each process of Ray takes seconds of a processor to start: one build has some, the other tests do
what Ray would ask of them in this process. `make kills ARGS="--engine ray"` kills on a real one.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import lance
import numpy as np
import pytest

import unembed as ue
from unembed.errors import IndexMissingError, InputError, LoadError, PromptError
from unembed.index.corpus import build, cluster
from unembed.index.corpus import cluster_workers as workers
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece, Word
from unembed.index.corpus.rows import Rows, Stretch, StretchColumns
from unembed.index.corpus.stages import Work
from unembed.index.corpus.states import sites_for
from unembed.index.corpus.stretches import read_stretch
from unembed.index.corpus.tagging import tagger
from unembed.index.corpus.text_reader import TextReader
from unembed.training import cluster as activations

from .buckets import served
from .inline import within_this_process
from .test_building import assert_same, kept

LAYERS = [1]
# One process for all kills, which forks before Lance starts its threads. What Ray would ask of
# others is done in the driver: what is to survive is on disk, whoever wrote it.
DRIVERS = """
import os, signal, sys, threading
import lance_namespace, pandas, pyarrow, torch, unembed  # slow to import, and start no thread
from contextlib import nullcontext
from unembed.index.corpus import build, cluster, cluster_workers
from unembed.models.tiny import tiny_model, tiny_tokenizer
from tests.index.corpus.inline import within_this_process

torch.set_num_threads(1)
model = unembed.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())
build.STRETCH_CHARS, cluster.COMMIT_SECONDS = 60, 0.0
cluster.APPENDED_TOKENS, cluster.tokens_held = 0, lambda sites: 30

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def child(folder, step, count, late, files):
    # dies at the count-th call of a step, some milliseconds into it
    where = cluster_workers if step == "write_fragments" else cluster
    if step == "add_columns":
        where = cluster.Rows
    real, seen = getattr(where, step), [0]
    def called(*given, **named):
        seen[0] += 1
        if seen[0] == count:
            die() if late == 0 else threading.Timer(late / 1000, die).start()
        return real(*given, **named)
    setattr(where, step, called)
    with within_this_process():
        build.index_corpus(model, files, "one", [1], folder=folder, engine="ray")

for line in sys.stdin:
    folder, step, count, late, *files = line.split()
    pid = os.fork()
    if pid == 0:
        child(folder, step, int(count), float(late), files)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)
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
def buckets():
    with served() as found:
        yield found


@pytest.fixture(scope="module")
def ray(buckets):
    """A Ray of one processor that builds find, as they find a cluster; its processes know where
    object storage is.
    """
    cluster.start("local", include_dashboard=False, num_cpus=1)
    import ray

    yield ray
    ray.shutdown()


@pytest.fixture
def small(monkeypatch):
    """Parts of some sentences each, so that there are several."""
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)
    monkeypatch.setattr(cluster, "tokens_held", lambda sites: 30)


@pytest.fixture(scope="module")
def wanted(model, texts, tmp_path_factory):
    """What a build without Ray keeps."""
    return kept(index_corpus(model, texts, "one", LAYERS, folder=tmp_path_factory.mktemp("whole")))


@pytest.mark.timeout(600)  # Ray starts ten processes
def test_a_build_on_ray_keeps_what_one_here_keeps_though_a_process_dies(
    ray, small, model, texts, wanted, tmp_path, monkeypatch
):
    monkeypatch.setattr(cluster, "VectorsWorker", DiesOnce)
    said = []
    found = index_corpus(
        model, texts, "one", LAYERS, folder=tmp_path, engine="ray",
        progress=lambda *a: said.append(a),
    )  # fmt: skip
    assert (found.version / "died").exists()
    assert_same(kept(found), wanted)
    here = index_corpus(model, texts, "here", LAYERS, folder=tmp_path)
    assert found.search("The girl", 1).items == here.search("The girl", 1).items
    assert {total for *_, total in said} == {len(here)}
    assert said[-1][1] == len(here)


@pytest.mark.timeout(600)
def test_processes_of_ray_write_into_a_bucket(ray, buckets, small, model, texts, wanted, tmp_path):
    name = buckets.make()
    found = index_corpus(
        model, texts, "one", LAYERS, folder=tmp_path, engine="ray", tables=f"s3://{name}"
    )
    assert_same(kept(found), wanted)
    assert [one.rpartition("/")[2] for one in buckets.tables(name)] == ["L1.resid_post", "L1.z"]
    data = [key for key in buckets.keys(name) if "/data/" in key]
    assert len(data) == sum(len(files_of(found, site)) for site in found.sites) > 2


class EndsOnce(activations.ActivationsWorker):
    """Its process ends once, with an answer at hand."""

    mark = ""

    def answer(self, row):
        found = super().answer(row)
        mark = Path(self.mark)
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found


@pytest.mark.timeout(600)
def test_a_training_on_ray_is_the_one_here_though_a_process_dies(
    ray, model, texts, tmp_path, monkeypatch
):
    mark = tmp_path / "died"
    ends = type("Ends", (EndsOnce,), {"mark": str(mark)})
    monkeypatch.setattr(activations, "ActivationsWorker", ends)
    asked = {"latents": 12, "k": 2, "tokens": 64, "batch": 16, "buffer": 32, "held_out": 10}
    found = [
        ue.train_sae(model, texts, "L1.mlp_out", folder=tmp_path / engine, engine=engine, **asked)
        for engine in ("ray", "local")
    ]
    on_ray, here = (ue.load_sae(one.folder).weights for one in found)
    assert mark.exists()
    for name, one in here.named().items():
        np.testing.assert_allclose(on_ray.named()[name], one, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------- kills


@pytest.fixture(scope="module")
def killed(texts):
    """killed(folder, step, count, late): the signal that ended a driver; 0 if it came through."""
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVERS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
    )

    def run(*asked):
        print(*asked, *texts, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    with process:
        yield run
        process.stdin.close()


@pytest.mark.parametrize(
    ("step", "count", "late", "engine"),
    [
        ("add_columns", 2, 1, "ray"),  # texts, some of them
        ("write_fragments", 2, 0, "ray"),  # vectors of one site, which nobody committed
        ("commit", 4, 0, "ray"),  # the first part, and one table of the second
        ("commit", 4, 0, "local"),
    ],
    ids=str,
)
def test_a_kill_loses_nothing_that_was_committed(
    step, count, late, engine, killed, wanted, small, model, texts, tmp_path
):
    """Either engine goes on with what a build on Ray left."""
    assert killed(tmp_path, step, count, late) == signal.SIGKILL
    with pytest.raises(IndexMissingError):
        open_corpus(model, "one", folder=tmp_path)
    if step == "commit":
        (draft,) = (tmp_path / "one").glob("v-*")
        rows = Rows(CorpusFolder(tmp_path / "one"), draft)
        rows.mend()
        state, context = sites_for(model, LAYERS, "both", "resid_post")
        assert 0 < rows.n_vectors(context) < rows.n_vectors(state) < rows.n_tokens
    with within_this_process():
        again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, engine=engine)
    assert_same(kept(again), wanted)
    assert len(list((tmp_path / "one").glob("v-*"))) == 1
    if engine == "local":
        return
    named = {part["path"] for site in again.sites for part in files_of(again, site)}
    there = {path.name for path in again.version.glob("L*.lance/data/*")}
    assert there == named, "files that nobody committed"


def files_of(corpus, site) -> list[dict]:
    """The files of a table, as Lance has them."""
    table = lance.dataset(corpus._rows.place(site.name))
    return [part for one in table.get_fragments() for part in one.metadata.to_json()["files"]]


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
                  for name in Stretch.__dataclass_fields__)), {0}
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


def test_a_model_with_a_name_is_loaded_there_by_it(model, texts, small, tmp_path, monkeypatch):
    model.module.save_pretrained(tmp_path / "model")
    model.tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    named = ue.load("model", dtype="float64")
    wanted = index_corpus(named, texts, "here", LAYERS, folder=tmp_path)
    loaded, real = [], workers.load

    def load(**options):
        loaded.append(options)
        return real(**options)

    monkeypatch.setattr(workers, "load", load)
    with within_this_process():
        found = index_corpus(named, texts, "there", LAYERS, folder=tmp_path, engine="ray")
    assert_same(kept(found), kept(wanted))
    (asked,) = loaded
    assert (asked["source"], asked["dtype"]) == (str(tmp_path / "model"), "float64")


def test_another_pipeline_there_is_refused(model, monkeypatch):
    reading = reading_of(model, None, tagger(None))
    monkeypatch.setattr(workers, "fetched", lambda held: dataclasses.replace(held, words="other"))
    workers._at_hand.cache_clear()
    row = workers.read_row({"stretch": "[]"}, reading)
    assert "the build was started with other" in workers.heard(row["error"]).message
