"""One tiny GPT-2 and one tiny BERT, shared by the tests of the engine's manners."""

from __future__ import annotations

import pytest

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat sat on the mat"


@pytest.fixture(scope="session")
def gpt2():
    return ue.load(tiny_model("gpt2"), tiny_tokenizer())


@pytest.fixture(scope="session")
def gemma():
    return ue.load(tiny_model("gemma"), tiny_tokenizer())


@pytest.fixture(scope="session")
def bert():
    return ue.load(tiny_model("bert"), tiny_tokenizer())
