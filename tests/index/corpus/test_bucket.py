"""A corpus whose vectors stand in object storage is the corpus that a disk has: built, added to,
killed and gone on with; what cannot be reached is said, and no secret is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from unembed.errors import InputError, LoadError
from unembed.index.bucket import Bucket
from unembed.index.corpus import build
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import corpora, open_corpus
from unembed.index.corpus.rows import Rows, vector_columns
from unembed.index.fragments import write_fragments

from . import azurite
from .buckets import served
from .conftest import MORE
from .inline import within_this_process
from .test_building import assert_same, kept

LAYERS = [1]
# One process for all kills, as in test_kills.py and test_cluster.py: of both engines.
SCRIPT = """
import os, signal, sys
import lance_namespace, pandas, pyarrow, torch, unembed  # slow to import, and start no thread
from unembed.index import bucket, store
from unembed.index.corpus import build, cluster, cluster_workers
from unembed.models.tiny import tiny_model, tiny_tokenizer
from tests.index.corpus.inline import within_this_process

torch.set_num_threads(1)
model = unembed.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())
build.STRETCH_CHARS, cluster.COMMIT_SECONDS = 60, 0.0
cluster.APPENDED_TOKENS, cluster.tokens_held = 0, lambda sites: 30
HAVE = {"add": store.Store, "_write_packed": store.Store, "renamed": bucket.Bucket,
        "write_fragments": cluster_workers, "commit": cluster, "copy": build}

def child(engine, folder, tables, step, count, after, files):
    where, name = HAVE[step], "begin_from" if step == "copy" else step
    real, seen = getattr(where, name), [0]
    def called(*given, **named):
        seen[0] += 1
        if seen[0] == count and after == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        found = real(*given, **named)
        if seen[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(where, name, called)
    with within_this_process():
        options = {"add": True} if step == "copy" else {"layers": [1]}
        build.index_corpus(model, files, "one", folder=folder, engine=engine, tables=tables,
                           **options)

for line in sys.stdin:
    engine, folder, tables, step, count, after, *files = line.split()
    pid = os.fork()
    if pid == 0:
        child(engine, folder, tables, step, int(count), after, files)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status), flush=True)
"""


@pytest.fixture(scope="module", params=["s3", "az"])
def buckets(request):
    found = azurite.program() if request.param == "az" else None
    if request.param == "az" and found is None:
        pytest.skip("Azurite is not set up: `make clouds` does, and runs these")
    with served() if found is None else azurite.served(found) as there:
        yield there


@pytest.fixture
def bucket(buckets):
    """The name of a new bucket."""
    return buckets.make()


@pytest.fixture
def tables(buckets, bucket):
    return f"{buckets.scheme}://{bucket}/some/where"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Stretches of some sentences each, so that there are several appends."""
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)


@pytest.fixture(scope="module")
def wanted(model, texts, tmp_path_factory):
    """What a build on a disk keeps."""
    here = index_corpus(model, texts, "one", LAYERS, folder=tmp_path_factory.mktemp("here"))
    return here, kept(here)


def test_a_put_that_must_be_the_first_is_refused_where_it_is_not(buckets, bucket):
    """What Lance's commits count on: or two of them would both have the next version."""
    buckets.put_first(bucket, "x", b"1")
    with pytest.raises(FileExistsError):
        buckets.put_first(bucket, "x", b"2")


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_vectors_in_a_bucket_are_those_of_a_build_on_a_disk(
    engine, buckets, bucket, tables, wanted, model, texts, tmp_path
):
    here, rows = wanted
    with within_this_process():
        found = index_corpus(
            model, texts, "one", LAYERS, folder=tmp_path, tables=tables + "/", engine=engine
        )
    assert_same(kept(found), rows)
    assert found.search("The girl", 1).items == here.search("The girl", 1).items
    stand = f"one/{found.version.name}/"
    assert {one.removesuffix(".packed") for one in buckets.tables(bucket)} == {
        stand + "L1.resid_post", stand + "L1.z",
    }  # fmt: skip
    there = sorted(path.name for path in found.version.glob("*.lance"))
    assert there == ["sentences.lance", "tokens.lance"]
    assert (found.about.tables, here.about.tables) == (tables, None)
    sizes = found._rows.sizes_apart(found.sites)
    local = sum(path.stat().st_size for path in found.version.rglob("*") if path.is_file())
    beside = sum((found.version / name).stat().st_size for name in ("about.json", "tables.json"))
    assert found.about.bytes == local - beside + sum(sizes.values())
    assert all(size > 2 * len(found) for size in sizes.values())
    assert corpora(model, folder=tmp_path) == (found.about,)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or buckets.secret.encode() not in path.read_bytes()
    again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path)  # nothing is left to do
    assert again.version == found.version


def test_layers_and_files_are_added_where_the_others_stand(
    buckets, bucket, tables, model, texts, tmp_path
):
    more = tmp_path / "c.txt"
    more.write_text(MORE)
    results = []
    for folder, place in ((tmp_path / "far", tables), (tmp_path / "near", None)):
        index_corpus(model, texts, "one", LAYERS, folder=folder, tables=place)
        layers = kept(index_corpus(model, texts, "one", [1, 3], folder=folder))
        files = index_corpus(model, [more], "one", folder=folder, add=True)
        results.append((layers, kept(files), files))
    (layers, files, far), (layers_near, files_near, _) = results
    assert_same(layers, layers_near)
    assert_same(files, files_near)
    assert far.about.tables == tables
    assert {one.split("/")[1] for one in buckets.tables(bucket)} == {far.version.name}
    for other in (f"{buckets.scheme}://other/place", tables + "/below"):
        with pytest.raises(InputError, match=f"stand in {tables}, and not in {other}") as caught:
            index_corpus(
                model, [*texts, more], "one", LAYERS, folder=tmp_path / "far", tables=other
            )
        assert caught.value.field == "tables"


def test_a_copy_of_the_folder_reads_and_writes_nothing(
    buckets, bucket, tables, wanted, model, texts, tmp_path
):
    one = index_corpus(model, texts, "one", LAYERS, folder=tmp_path / "first", tables=tables)
    shutil.copytree(tmp_path / "first", tmp_path / "copy")
    assert_same(kept(open_corpus(model, "one", folder=tmp_path / "copy")), wanted[1])
    before = buckets.keys(bucket)
    with pytest.raises(InputError, match="is a copy: its tables in") as caught:
        index_corpus(model, texts, "one", [1, 3], folder=tmp_path / "copy")
    assert caught.value.field == "folder"
    assert buckets.keys(bucket) == before
    anew = index_corpus(
        model, texts, "one", LAYERS, folder=tmp_path / "copy", tables=tables, restart=True
    )
    assert_same(kept(anew), wanted[1])
    assert_same(kept(one), wanted[1])
    index_corpus(model, texts, "one", LAYERS, folder=tmp_path / "first", restart=True)
    assert {one.split("/")[1] for one in buckets.tables(bucket)} == {anew.version.name}


# ---------------------------------------------------------------- kills


@pytest.fixture(scope="module")
def killed(buckets):
    """killed(engine, folder, tables, step, count, when, files): the signal that ended a build."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[3],
    )

    def run(*asked, files):
        print(*asked, *files, file=process.stdin, flush=True)
        return int(process.stdout.readline())

    with process:
        yield run
        process.stdin.close()


@pytest.mark.parametrize(
    ("engine", "step", "count", "when", "goes_on"),
    [
        ("local", "add", 7, "before", "local"),  # vectors of one site, and none of the other
        ("local", "_write_packed", 3, "after", "local"),  # packed, and not yet meant
        ("local", "renamed", 1, "after", "ray"),  # meant, and the one before is still there
        ("ray", "write_fragments", 2, "after", "ray"),  # which nobody committed
        ("ray", "commit", 3, "after", "local"),
    ],
)
def test_a_kill_loses_nothing_that_was_finished(
    engine, step, count, when, goes_on, killed, buckets, bucket, tables, wanted, model, texts,
    tmp_path,
):  # fmt: skip
    """And leaves nothing behind, in the bucket neither; the next build knows where to go on."""
    ended = killed(engine, tmp_path, tables, step, count, when, files=texts)
    assert ended == signal.SIGKILL
    assert not (tmp_path / "one" / "current.json").exists()
    (draft,) = (tmp_path / "one").glob("v-*")
    with within_this_process():
        again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, engine=goes_on)
    assert again.version == draft
    assert again.about.tables == tables
    assert_same(kept(again), wanted[1])
    assert len(buckets.tables(bucket)) == 2
    data = data_of(buckets, bucket)
    n = sum(len(again._rows._open(site.name).to_lance().get_fragments()) for site in again.sites)
    assert len(data) == n, "files that nobody committed"


def test_a_kill_while_tables_are_copied_leaves_the_corpus_and_no_copy(
    killed, buckets, bucket, tables, wanted, model, texts, tmp_path
):
    index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    more = tmp_path / "c.txt"
    more.write_text(MORE)
    assert killed("local", tmp_path, tables, "copy", 1, "after", files=[more]) == signal.SIGKILL
    assert len(buckets.tables(bucket)) == 4
    found = open_corpus(model, "one", folder=tmp_path)
    assert_same(kept(found), wanted[1])
    whole = index_corpus(model, [more], "one", folder=tmp_path, add=True)
    assert {one.split("/")[1] for one in buckets.tables(bucket)} == {whole.version.name}
    assert len(list((tmp_path / "one").glob("v-*"))) == 1


@pytest.mark.parametrize("pylance", [True, False])
def test_a_file_that_was_not_committed_goes_though_its_table_needs_no_packing(
    pylance, buckets, bucket, tables, wanted, model, texts, tmp_path, monkeypatch
):
    """As a kill between a file and its commit leaves it; all tokens then come in one append."""

    def interrupted(rows, *given):
        site = wanted[0].sites[0]
        write_fragments(rows.place(site.name), vector_columns(0, *vectors_of(site)))
        raise KeyboardInterrupt

    with patch.object(Rows, "add_sentences", interrupted), pytest.raises(KeyboardInterrupt):
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    assert len(data_of(buckets, bucket)) == 1
    monkeypatch.setattr(build, "STRETCH_CHARS", 60_000)
    monkeypatch.setattr(build, "can_tidy", lambda: pylance)
    again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path)
    assert_same(kept(again), wanted[1])
    assert len(data_of(buckets, bucket)) == len(again.sites)


def vectors_of(site):
    return np.ones((2, site.width)), np.ones((2, site.heads))


def data_of(buckets, bucket):
    return [key for key in buckets.keys(bucket) if "/data/" in key]


def test_what_cannot_be_removed_now_the_next_build_removes(
    buckets, bucket, tables, model, texts, tmp_path, monkeypatch
):
    old = index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)

    def drop(self, seconds):
        raise LoadError("no network")

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "drop", drop)
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, restart=True)
    assert len(buckets.tables(bucket)) == 2
    assert old.version.is_dir()
    index_corpus(model, texts, "one", LAYERS, folder=tmp_path)
    assert buckets.tables(bucket) == []
    assert not old.version.exists()
