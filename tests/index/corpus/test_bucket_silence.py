"""Where object storage answers no more, readers and builds are told, and go on once it does."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import pytest

from unembed.errors import LoadError
from unembed.index import bucket, fragments, store
from unembed.index.corpus import build
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.rows import Rows

from .buckets import served_beside
from .test_building import assert_same, kept

LAYERS = [1]
# Lance's own would be asked for a minute and a half, and a build for many.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def served():
    with served_beside() as found:
        yield found


@pytest.fixture
def tables(served):
    return f"s3://{served[0].make()}/some/where"


@pytest.fixture
def silence(served):
    """A server that takes what is sent, and answers nothing."""

    @contextmanager
    def silent():
        os.kill(served[1].pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(served[1].pid, signal.SIGCONT)

    return silent


@pytest.fixture(autouse=True)
def impatient(monkeypatch, model):
    """Short waits: what they are is a setting, and for builds a constant."""
    monkeypatch.setattr(model, "settings", replace(model.settings, storage_seconds=0.3))
    for module in (bucket, fragments, store):
        monkeypatch.setattr(module, "WRITER", bucket.reader(0.3))
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)


def test_a_reader_is_told_and_reads_once_there_is_an_answer(
    silence, tables, model, texts, tmp_path
):
    index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    found = open_corpus(model, "one", folder=tmp_path)
    with silence():
        with pytest.raises(LoadError, match=r"the tables in s3://.* cannot be reached") as caught:
            found.search("The girl", 1)
        assert caught.value.field == "tables"
        with pytest.raises(LoadError, match="does not answer in time"):
            open_corpus(model, "one", folder=tmp_path)
    near = index_corpus(model, texts, "near", LAYERS, folder=tmp_path)
    assert found.search("The girl", 1).items == near.search("The girl", 1).items


def test_a_build_is_told_and_goes_on_once_there_is_an_answer(
    silence, tables, model, texts, tmp_path
):
    """It stops answering while the vectors are written."""

    real, calls = Rows.add_vectors, []

    def add(self, *given):
        calls.append(1)
        if len(calls) < 3:
            return real(self, *given)
        with silence():
            return real(self, *given)

    with (
        patch.object(Rows, "add_vectors", add),
        pytest.raises(LoadError, match="cannot be reached"),
    ):
        index_corpus(model, texts, "one", LAYERS, folder=tmp_path, tables=tables)
    again = index_corpus(model, texts, "one", LAYERS, folder=tmp_path)
    assert_same(kept(again), kept(index_corpus(model, texts, "near", LAYERS, folder=tmp_path)))
