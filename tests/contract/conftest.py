"""Models are built once per session: they are tiny, but there are many."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

from .oracle import Oracle

OracleOf = Callable[[str, torch.dtype], Oracle]


@pytest.fixture(scope="session")
def oracle_of() -> OracleOf:
    return cache(Oracle)


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices: threads cost more than they bring, and sums keep one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
