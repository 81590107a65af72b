"""A slow second way to read the tiny models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from .slow import Slow

SlowOf = Callable[[str, torch.dtype], Slow]


@pytest.fixture(scope="session")
def slow_of(oracle_of) -> SlowOf:
    """The same weights in a module of their own, run by the contract tests' oracle."""
    return cache(lambda name, dtype: Slow(oracle_of(name, dtype)))
