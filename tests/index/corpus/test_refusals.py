"""What goes wrong is said on the command line in a sentence, and what was there stays."""

from __future__ import annotations

import shutil

import pytest

from unembed.engine.load import load
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus
from unembed.index.store import Store
from unembed.settings import Settings

GOOD = "The cat sat on the mat.\n\nA dog ran.\n"


@pytest.fixture
def build(cli, source, tmp_path, monkeypatch):
    """Builds a corpus of a file, where one is: the status and what is said; and what there is."""
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "good.txt").write_text(GOOD)

    def run(name, *more):
        status, _, err = cli(
            "index", "corpus", source, str(tmp_path / name), "--name", "ab", "--layers", "0", *more
        )
        return status, err

    assert run("good.txt")[0] == 0

    def kept():
        corpus = open_corpus(load(source, settings=Settings.from_environment()), "ab")
        return corpus.about, [corpus.text(number) for number in range(corpus.about.n_sentences)]

    return run, kept


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.txt", b"\n \n", "there is no sentence in empty.txt"),
        ("bad.txt", b"A line.\n\xff", "is no UTF-8 text: byte 8"),
        ("bad.parquet", b"PAR1 no", "is no Parquet file"),
        ("gone.txt", None, "cannot be read: No such file"),
        ("other.txt", b"Another text.", "there is a corpus 'ab' already, of other files"),
    ],
)
def test_a_file_that_cannot_be_read_leaves_the_corpus(name, content, said, build, tmp_path):
    run, kept = build
    before = kept()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    more = () if name == "other.txt" else ("--restart",)
    status, err = run(name, *more)
    assert (status, said in err) == (2, True), err
    assert kept() == before


def test_a_full_disk_leaves_the_corpus_and_says_what_to_do(build, tmp_path, monkeypatch):
    run, kept = build
    before = kept()
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
        status, err = run("good.txt", "--restart")
    assert (status != 0, "are free" in err, "make room" in err) == (True, True, True), err

    def full(store, columns):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_table_to_append", full)
        status, err = run("good.txt", "--restart")
    assert (status != 0, "No space left on device" in err) == (True, True), err
    assert kept() == before


def test_a_line_far_longer_than_the_model_takes_is_cut_and_none_of_it_is_lost(model, tmp_path):
    """The model takes 64 tokens; the line has no space to cut at."""
    line = "".join(chr(ord("a") + at * 7 % 26) for at in range(30_000))
    (tmp_path / "long.txt").write_text(line)
    corpus = index_corpus(
        model, tmp_path / "long.txt", "one", [0], folder=tmp_path, kept="hidden", split="lines"
    )
    said = [corpus.text(number) for number in range(corpus.about.n_sentences)]
    assert "".join(said) == line
    assert corpus.about.n_cut == len(said)
    sizes = [len(ids) for ids in corpus.token_ids()]
    assert max(sizes) <= model.max_positions
    assert sum(sizes) == len(corpus)
