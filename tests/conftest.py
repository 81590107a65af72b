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
from .contract.wiring import NAMES  # noqa: E402

ModelOf = Callable[..., Model]
OracleOf = Callable[[str, torch.dtype], Oracle]


# Long ones first, so that no worker is left with one at the end.
FIRST = (
    "tests/browser/",
    "tests/models/test_demo.py",
    "tests/test_docs.py",
    "tests/server/test_properties.py",
    "tests/server/test_load.py",
    "tests/contract/test_partial_forward.py",
    "tests/contract/test_edits.py",
    "tests/figures/",
    "tests/engine/test_low_memory.py",
)
# `--quick`: families one of each make, and neither a browser, nor the demo model, nor what is slow.
HEAVY = ("browser", "demo", "published")
QUICK = ("gpt2", "gptj", "gemma3", "mixtral", "bert")
SLOW = (
    "tests/browser/",
    "tests/packaging/",
    "tests/published/",
    "tests/models/test_demo.py",
    "tests/models/test_store.py",
    "tests/server/test_bad_bodies.py",
    "tests/server/test_load.py",
    "tests/server/test_properties.py",
    "tests/contract/test_unlisted.py",
    "tests/engine/test_low_memory.py",
    "tests/engine/test_partial_cleanup.py",
    "tests/index/test_kill.py",
    "tests/cli/test_serving.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="what a change breaks most often")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_quick(item)])
        items[:] = filter(_is_quick, items)
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    ranks = (order for order, start in enumerate(FIRST) if nodeid.startswith(start))
    return next(ranks, len(FIRST))


def _is_quick(item: pytest.Item) -> bool:
    if item.nodeid.startswith(SLOW) or any(item.get_closest_marker(mark) for mark in HEAVY):
        return False
    parameters = getattr(item, "callspec", None)
    named = set() if parameters is None else set(map(str, parameters.params.values()))
    return not named & set(NAMES) or bool(named & set(QUICK))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--quick"):
        left_out = (f"tests with {', '.join(HEAVY)}", f"families but {', '.join(QUICK)}", *SLOW)
        terminalreporter.write_line(f"Left out, but run by make test: {'; '.join(left_out)}")


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
