"""Room on disk: what is asked for before a build is what it takes, less what is there; and packing,
which takes more for a while, is left out where there is no more.
"""

from __future__ import annotations

import shutil

import pytest

from unembed.index.corpus.about import BYTES_BESIDE
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.rows import TOKENS, Rows
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .test_building import assert_same, kept

SHORT = "The girl ran. He sat on the bank! Can it be?\n\nA dog ran to the local pub, he said.\n\n"


@pytest.fixture
def asked(monkeypatch):
    """How many bytes each build asks for first."""
    found, real = [], CorpusFolder.check_room

    def check(self, needed):
        found.append(needed)
        real(self, needed)

    monkeypatch.setattr(CorpusFolder, "check_room", check)
    return found


@pytest.fixture(scope="module")
def bos_model():
    """With a token before each sentence, as most models have."""
    import unembed as ue

    return ue.load(tiny_model("llama"), tokenizer=tiny_tokenizer(add_bos=True), prove=False)


@pytest.mark.parametrize("split", ["sentences", "lines", "windows"])
def test_room_is_asked_for_all_that_a_corpus_takes(split, bos_model, tmp_path, asked):
    (tmp_path / "a.txt").write_text(SHORT * 40)
    options = {"folder": tmp_path, "split": split, "max_tokens": 12}
    corpus = index_corpus(bos_model, tmp_path / "a.txt", "one", [0, 1], **options)
    each = sum(site.bytes_each for site in corpus.sites) + BYTES_BESIDE
    assert asked[0] == pytest.approx(each * len(corpus), rel=0.06)


def test_no_room_is_asked_for_what_is_there(model, texts, tmp_path, asked, monkeypatch):
    """What a build that was stopped has written, and of layers those that are kept."""
    (tmp_path / "a.txt").write_text(SHORT * 40)
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 300)
    real, calls = Rows.add_vectors, []

    def stopped(self, *given):
        calls.append(1)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return real(self, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Rows, "add_vectors", stopped)
        with pytest.raises(KeyboardInterrupt):
            index_corpus(model, tmp_path / "a.txt", "one", [1], folder=tmp_path)
    first = asked[0]
    (draft,) = (tmp_path / "one").glob("v-*")
    data = sum(file.stat().st_size for file in draft.rglob("*.lance") if file.is_file())
    asked.clear()
    index_corpus(model, tmp_path / "a.txt", "one", [1], folder=tmp_path)
    assert asked[0] < first - data
    asked.clear()
    corpus = index_corpus(model, tmp_path / "a.txt", "one", [1, 2], folder=tmp_path)
    new = sum(site.bytes_each for site in corpus.sites if site.layer == 2)
    assert asked == [pytest.approx(new * len(corpus), rel=0.25)]


def test_tables_are_left_loose_where_the_disk_has_no_room_to_pack_them(
    model, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr("unembed.index.corpus.build.STRETCH_CHARS", 60)
    whole = index_corpus(model, texts, "one", [1], folder=tmp_path)
    packed, usage = Rows.pack, shutil.disk_usage(tmp_path)

    def full(self, name, **how):
        with monkeypatch.context() as patched:
            patched.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
            packed(self, name, **how)

    monkeypatch.setattr(Rows, "pack", full)
    loose = index_corpus(model, texts, "two", [1], folder=tmp_path)
    assert_same(kept(loose), kept(whole))
    fragments = [
        corpus._rows._open(TOKENS).stats()["fragment_stats"]["num_fragments"]
        for corpus in (whole, loose)
    ]
    assert fragments[0] == 1 < fragments[1]
    hits = [corpus.search("He sat on the bank", 4, layer=1, limit=5) for corpus in (whole, loose)]
    assert [hit.row for hit in hits[0].items] == [hit.row for hit in hits[1].items]
