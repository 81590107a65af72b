"""Files added to a corpus: it equals one that was built of all of them, what was there is not read
again, and who has it open reads on.
"""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from unembed.errors import IndexMissingError, InputError, LoadError
from unembed.index.corpus import build, stages
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.rows import Rows
from unembed.index.store import Store

from .test_building import assert_same, kept


@pytest.fixture
def files(texts, tmp_path):
    (tmp_path / "c.txt").write_text("A cat ran to her city.\n\nThe dog sat near the river.\n")
    return [*texts, tmp_path / "c.txt"]


@pytest.fixture
def one(model, files, tmp_path):
    """A corpus of the first file."""
    return index_corpus(model, files[0], "one", [1, 3], folder=tmp_path)


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch):
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)


def digests(folder):
    """Of every file that is published."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_it_equals_a_corpus_of_all_the_files(model, files, one, tmp_path, monkeypatch):
    before, hits = digests(one.version), one.search("The girl", 1)
    read, real = [], stages.pieces

    def pieces(path, **options):
        read.append(path.name)
        return real(path, **options)

    monkeypatch.setattr(stages, "pieces", pieces)
    monkeypatch.setattr(
        "unembed.index.versions.VersionedFolder.drop_drafts", lambda _: None
    )  # what readers had is still there to be looked at
    more = index_corpus(model, files, "one", folder=tmp_path, add=True)
    assert read == ["b.txt", "c.txt"]
    assert digests(one.version) == before
    assert one.search("The girl", 1) == hits
    whole = index_corpus(model, files, "two", [1, 3], folder=tmp_path)
    assert_same(kept(more), kept(whole))
    assert more.about.files == ("a.txt", "b.txt", "c.txt")
    assert more.about.sites == one.about.sites
    assert (more.about.n_tokens, more.about.n_sentences) == (
        whole.about.n_tokens, whole.about.n_sentences,
    )  # fmt: skip


def test_one_after_the_other_and_layers_after_that(model, files, one, tmp_path):
    for path in files[1:]:
        more = index_corpus(model, path, "one", folder=tmp_path, add=True)
    assert len(list((tmp_path / "one").glob("v-*"))) == 1
    assert_same(kept(more), kept(index_corpus(model, files, "two", [1, 3], folder=tmp_path)))
    again = index_corpus(model, files[1], "one", folder=tmp_path, add=True)
    assert again.about == more.about
    wide = index_corpus(model, files, "one", [0, 1, 3], folder=tmp_path)  # what it is of now
    assert_same(kept(wide), kept(index_corpus(model, files, "3", [1, 3, 0], folder=tmp_path)))


@pytest.mark.parametrize(
    ("stage", "count"),
    [("add_sentences", 1), ("add_sentences", 2), ("add_vectors", 3), ("pack", 2)],
)
def test_what_was_stopped_goes_on(stage, count, model, files, one, tmp_path, monkeypatch):
    real, calls = getattr(Rows, stage), []

    def stopped(self, *given, **named):
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return real(self, *given, **named)

    monkeypatch.setattr(Rows, stage, stopped)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(model, files[1:], "one", folder=tmp_path, add=True)
    assert open_corpus(model, "one", folder=tmp_path).about == one.about
    monkeypatch.setattr(Rows, stage, real)
    more = index_corpus(model, files[1:], "one", folder=tmp_path, add=True)
    assert_same(kept(more), kept(index_corpus(model, files, "two", [1, 3], folder=tmp_path)))


def test_a_draft_of_another_beginning_is_not_gone_on_with(model, files, one, tmp_path, monkeypatch):
    """The same files, built anew and stopped in the first, would be counted otherwise."""
    real, calls = Rows.add_sentences, []

    def stopped(self, *given):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        real(self, *given)

    monkeypatch.setattr(Rows, "add_sentences", stopped)
    with pytest.raises(KeyboardInterrupt):
        index_corpus(model, files, "one", [1, 3], folder=tmp_path, restart=True)
    monkeypatch.setattr(Rows, "add_sentences", real)
    more = index_corpus(model, files[1:], "one", folder=tmp_path, add=True)
    assert_same(kept(more), kept(index_corpus(model, files, "two", [1, 3], folder=tmp_path)))


def test_a_full_disk_leaves_what_was_there(model, files, one, tmp_path, monkeypatch):
    def full(self, columns):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Store, "_table_to_append", full)
    with pytest.raises(LoadError, match="No space left on device; what was finished is kept"):
        index_corpus(model, files[1], "one", folder=tmp_path, add=True)
    monkeypatch.undo()
    old = open_corpus(model, "one", folder=tmp_path)
    assert_same(kept(old), kept(one))


def test_files_are_copied_where_there_are_no_links(model, files, one, tmp_path, monkeypatch):
    def link(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", link)
    more = index_corpus(model, files[1:], "one", folder=tmp_path, add=True)
    assert_same(kept(more), kept(index_corpus(model, files, "two", [1, 3], folder=tmp_path)))


def test_what_is_added_is_read_as_the_rest_was(model, model_of, files, one, tmp_path):
    for changes, field, message in [
        ({"max_tokens": 60}, "max_tokens", "max_tokens is 60, and the corpus 'one' was read with"),
        ({"split": "lines"}, "split", "split is 'lines'"),
        ({"spacy": "blank:en"}, "spacy", "was read with ''"),
        ({"layers": [1]}, "layers", "keeps L1.resid_post, L1.z, L3.resid_post, L3.z"),
        ({"kept": "hidden"}, "layers", "keeps L1.resid_post"),
        ({"restart": True}, "add", "one of the two"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            index_corpus(model, files[1], "one", folder=tmp_path, add=True, **changes)
        assert caught.value.field == field
    with pytest.raises(IndexMissingError, match="has no corpus 'none'; there are: one"):
        index_corpus(model, files[1], "none", folder=tmp_path, add=True)
    with pytest.raises(InputError, match="another model"):
        index_corpus(model_of("gpt2"), files[1], "one", folder=tmp_path, add=True)
    assert open_corpus(model, "one", folder=tmp_path).about == one.about


@pytest.mark.parametrize("gone", [(), ("plan.json",), ("plan.json", "about.json")])
def test_a_version_that_was_replaced_goes_with_the_next_build_and_a_draft_stays(
    gone, model, texts, tmp_path
):
    """A kill right behind the pointer leaves the old version, or some of it."""
    old = index_corpus(model, texts[0], "one", [1], folder=tmp_path).version
    shutil.copytree(old, tmp_path / "kept")
    about = json.loads((tmp_path / "kept" / "about.json").read_text())
    about["made"] = "2000-01-01T00:00:00Z"
    (tmp_path / "kept" / "about.json").write_text(json.dumps(about))
    index_corpus(model, texts, "one", [1], folder=tmp_path, add=True)
    (tmp_path / "kept").rename(old)
    for name in gone:
        (old / name).unlink()
    draft = old.with_name("v-0000000000000000")
    draft.mkdir()
    (draft / "plan.json").write_text((tmp_path / "one" / "current.json").read_text())
    index_corpus(model, texts, "one", [1], folder=tmp_path, add=True)
    assert not old.exists()
    assert draft.exists()
    assert len(list((tmp_path / "one").glob("v-*"))) == 2


def test_who_has_it_open_goes_on_or_is_told_to_open_it_again(model, files, one, tmp_path):
    hits = one.search("The girl", 1, 1)
    untouched = open_corpus(model, "one", folder=tmp_path)
    index_corpus(model, files, "one", folder=tmp_path, add=True)
    assert one.search("The girl", 1, 1) == hits
    for ask in (lambda: one.search("The girl", 1, 3), untouched.search):
        with pytest.raises(LoadError, match="was built anew since it was opened") as caught:
            ask()
        assert caught.value.fix == "open it again"
    (file,) = (
        open_corpus(model, "one", folder=tmp_path).version / "tokens.lance" / "data"
    ).iterdir()
    opened = open_corpus(model, "one", folder=tmp_path)
    file.unlink()
    with pytest.raises(LoadError, match="is damaged"):  # what is published is not replaced
        opened.search()


def test_a_corpus_that_is_replaced_as_it_is_opened_is_opened_as_it_is_then(
    model, files, one, tmp_path, monkeypatch
):
    read, begun = CorpusFolder.read, []

    def replaced(self, version):
        if not begun:
            begun.append(version)
            index_corpus(model, files, "one", folder=tmp_path, add=True)
        return read(self, version)

    monkeypatch.setattr(CorpusFolder, "read", replaced)
    found = open_corpus(model, "one", folder=tmp_path)
    assert begun == [one.version] != [found.version]
    assert found.about.files == ("a.txt", "b.txt", "c.txt")
