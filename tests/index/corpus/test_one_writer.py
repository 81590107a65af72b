"""One command builds a corpus at a time, and others wait; what is of another model is neither read
nor replaced. Over HTTP: tests/server/test_corpus_building.py.
"""

from __future__ import annotations

import shutil

import pytest
from filelock import FileLock

from unembed.engine.load import load
from unembed.index.corpus.folder import corpora_of
from unembed.models.tiny import tiny_tokenizer
from unembed.settings import Settings

from .waiting import watched


@pytest.fixture
def build(cli, source, tmp_path, monkeypatch):
    """build(layers): the status and what is said; the cache is `tmp_path / "cache"`."""
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "good.txt").write_text("The cat sat on the mat.\n\nA dog ran.\n")

    def run(layers):
        asked = ("--name", "ab", "--layers", layers, "--kept", "hidden")
        status, said, err = cli("index", "corpus", source, str(tmp_path / "good.txt"), *asked)
        return status, said + err

    return run


def test_a_second_command_waits_for_the_first_and_loses_nothing(build, tmp_path, monkeypatch):
    assert build("0")[0] == 0
    (folder,) = (tmp_path / "cache" / "corpora").glob("*/ab")
    first = FileLock(folder / ".lock")
    first.acquire()  # as another process holds it
    watched(monkeypatch, first.release)
    status, said = build("1")
    assert (status, "L0.resid_post, L1.resid_post" in said) == (0, True), said
    assert not first.is_locked
    assert len(list(folder.glob("v-*"))) == 1


def test_a_corpus_of_another_model_is_refused_and_stays(build, cli, model_of, tmp_path):
    assert build("0")[0] == 0
    (folder,) = (tmp_path / "cache" / "corpora").glob("*/ab")
    name = str(tmp_path / "bert")
    model_of("bert").module.save_pretrained(name)
    tiny_tokenizer().save_pretrained(name)
    search = ("corpus", "search", name, "--name", "ab", "--word", "cat")
    status, _, err = cli(*search)
    assert (status, "has no corpus 'ab'; there are: none yet" in err) == (2, True), err
    other = load(name, settings=Settings.from_environment())
    place = corpora_of(other, None) / "ab"
    shutil.copytree(folder, place)  # who copies a corpus there

    def there():
        return {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}

    before = there()
    for asked in (search, ("index", "corpus", name, str(tmp_path / "good.txt"), "--name", "ab")):
        status, _, err = cli(*asked)
        assert (status, "is of another model, or of other weights" in err) == (2, True), err
        assert other.fingerprint in err
    assert there() == before
