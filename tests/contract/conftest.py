"""Models are built once per session: they are tiny, but there are many."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .oracle import Oracle

OracleOf = Callable[[str, torch.dtype], Oracle]
ModelOf = Callable[[str, torch.dtype], Model]


@pytest.fixture(scope="session")
def oracle_of() -> OracleOf:
    return cache(Oracle)


@pytest.fixture(scope="session")
def model_of() -> ModelOf:
    """The same weights as the oracle's, in a module of their own, behind the engine."""

    @cache
    def load(name: str, dtype: torch.dtype) -> Model:
        return ue.load(tiny_model(name, dtype=dtype), tokenizer=tiny_tokenizer())

    return load


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices: threads cost more than they bring, and sums keep one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
