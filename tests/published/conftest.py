"""Models given by path: `make published GPT2=… GPT2_MEDIUM=… GPT2_XL=…`."""

from __future__ import annotations

import os
from functools import cache

import pytest

import unembed as ue


def load_published(variable):
    """The model whose folder the variable names; skips the test where it names none."""
    path = os.environ.get(variable)
    if not path:
        pytest.skip(f"needs its weights: make published {variable}=/path/to/a/checkpoint")
    return ue.load(path)


@pytest.fixture(scope="session")
def published_model():
    return cache(load_published)
