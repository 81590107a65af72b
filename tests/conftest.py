"""For all tests: models that are built once in each worker, and the shapes of every call checked.

What these fixtures give is shared. A test that changes weights, hooks or settings makes a model of
its own, or puts back what it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from . import shapes

shapes.install()

import pytest  # noqa: E402
import torch  # noqa: E402

import unembed as ue  # noqa: E402
from unembed.engine.model import Model  # noqa: E402
from unembed.models.tiny import tiny_model, tiny_tokenizer  # noqa: E402

from .contract.oracle import Oracle  # noqa: E402

ModelOf = Callable[..., Model]
OracleOf = Callable[[str, torch.dtype], Oracle]


@pytest.fixture(scope="session")
def model_of() -> ModelOf:
    """A tiny model of a family or variant, behind the engine; float32 unless another is named."""

    @cache
    def load(name: str, dtype: torch.dtype, seed: int) -> Model:
        return ue.load(tiny_model(name, dtype=dtype, seed=seed), tokenizer=tiny_tokenizer())

    return lambda name, dtype=torch.float32, seed=0: load(name, dtype, seed)


@pytest.fixture(scope="session")
def oracle_of() -> OracleOf:
    """The same weights in a module of their own, read the slow way."""
    return cache(Oracle)


@pytest.fixture(scope="session")
def demo_model() -> Model:
    return ue.load("gemma3-270m")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny matrices: threads cost more than they bring, and sums keep one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def any_shapes() -> Iterator[None]:
    """Calls with other shapes than stated reach the package, to see that it refuses them itself."""
    with shapes.unchecked():
        yield
