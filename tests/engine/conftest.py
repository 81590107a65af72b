"""One tiny GPT-2 and one tiny BERT, shared by the tests of the engine's manners."""

from __future__ import annotations

import pytest

PROMPT = "the cat sat on the mat"


@pytest.fixture(scope="session")
def gpt2(model_of):
    return model_of("gpt2")


@pytest.fixture(scope="session")
def gemma(model_of):
    return model_of("gemma")


@pytest.fixture(scope="session")
def bert(model_of):
    return model_of("bert")
