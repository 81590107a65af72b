"""Tiny models of every family, each built once, and a slow second way to read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..contract.oracle import Oracle
from .slow import Slow

ModelOf = Callable[[str, torch.dtype], Model]
SlowOf = Callable[[str, torch.dtype], Slow]


@pytest.fixture(scope="session")
def model_of() -> ModelOf:
    @cache
    def load(name: str, dtype: torch.dtype = torch.float32) -> Model:
        return ue.load(tiny_model(name, dtype=dtype), tokenizer=tiny_tokenizer())

    return load


@pytest.fixture(scope="session")
def slow_of() -> SlowOf:
    """The same weights in a module of their own, run by the contract tests' oracle."""

    @cache
    def make(name: str, dtype: torch.dtype) -> Slow:
        return Slow(Oracle(name, dtype))

    return make


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
