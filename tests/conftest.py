"""For all tests: models that are built once in each worker, and the shapes of every call checked.

What these fixtures give is shared. A test that changes weights, hooks or settings makes a model of
its own, or puts back what it changed.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from unittest.mock import patch

from . import shapes

# What is imported and collected stays: the search for cycles in it is a third of a worker's start.
gc.disable()
shapes.install()

import pytest  # noqa: E402
import torch  # noqa: E402

import unembed as ue  # noqa: E402
from unembed.engine.checks.proofs import Proof  # noqa: E402
from unembed.engine.model import Model  # noqa: E402
from unembed.figures.drawing import MODULE  # noqa: E402
from unembed.models.tiny import tiny_model, tiny_tokenizer  # noqa: E402

from . import small_demo as smaller  # noqa: E402
from .contract.oracle import Oracle  # noqa: E402
from .contract.wiring import NAMES  # noqa: E402

ModelOf = Callable[..., Model]
Proven = Callable[..., AbstractContextManager[object]]
OracleOf = Callable[[str, torch.dtype], Oracle]


# Long ones first, so that no worker is left with one at the end. The first file converts the demo
# model where that is new; the next ones need it not, so that nobody waits.
FIRST = (
    "tests/browser/test_app.py",
    "tests/engine/test_low_memory.py",
    "tests/index/corpus/test_cluster.py",
    "tests/contract/test_unlisted.py",
    "tests/models/test_demo.py",
    "tests/browser/",
    "tests/test_docs.py",
    "tests/server/test_properties.py",
    "tests/server/test_load.py",
    "tests/contract/test_partial_forward.py",
    "tests/contract/test_edits.py",
    "tests/figures/",
)
# `--quick`: two families in single precision, and neither a browser, nor the demo model, nor what
# takes long: processes of its own, many threads, whole tables of mistakes.
HEAVY = ("browser", "demo", "published")
QUICK = ("gpt2", "gemma3")
SLOW = (
    "tests/analyses/test_flow_families.py",
    "tests/analyses/test_lens_batches.py",
    "tests/analyses/test_lens_known_defects.py",
    "tests/browser/",
    "tests/cli/test_cli.py::test_every_command_has_help_without_torch",
    "tests/cli/test_cli.py::test_models_that_are_large_for_the_machine",
    "tests/cli/test_serving.py",
    "tests/cli/test_terminals.py::test_a_terminal_that_is_not_utf8_gets_everything",
    "tests/compat/test_transformer_utils.py",
    "tests/contract/test_asking.py",
    "tests/contract/test_edits.py",
    "tests/contract/test_encoder_decoders.py",
    "tests/contract/test_gates.py",
    "tests/contract/test_inner_norms.py",
    "tests/contract/test_mixers.py",
    "tests/contract/test_multimodal.py",
    "tests/contract/test_sinks.py",
    "tests/contract/test_sums.py",
    "tests/contract/test_unlisted.py",
    "tests/engine/test_brought_modules.py",
    "tests/engine/test_extremes.py",
    "tests/engine/test_low_memory.py",
    "tests/engine/test_partial_cleanup.py",
    "tests/engine/test_partial_model.py::test_partial_passes_never_see_the_edits_of_other_threads",
    "tests/engine/test_proofs.py",
    "tests/engine/test_token_names.py::test_tokens_of_the_demo_model_are_named_by_their_text",
    "tests/families/",
    "tests/figures/test_by_type.py::test_no_figure_is_loaded_with_the_results",
    "tests/index/corpus/test_building.py",
    "tests/index/corpus/test_kills.py",
    "tests/index/test_build.py",
    "tests/index/test_cli.py",
    "tests/index/test_clusters.py::test_complete_linkage_of_a_model_equals_the_plain_method",
    "tests/index/test_kill.py",
    "tests/index/test_search.py::test_a_search_finds_every_vector_that_lists_the_words",
    "tests/index/test_search.py::test_eight_threads_get_the_answers_that_one_gets",
    "tests/models/test_demo.py",
    "tests/models/test_fingerprint.py",
    "tests/models/test_gguf",
    "tests/models/test_store.py",
    "tests/packaging/",
    "tests/published/",
    "tests/questions/test_made_up_option.py",
    "tests/server/test_address_edits.py",
    "tests/server/test_bad_bodies.py",
    "tests/server/test_flow_edits.py",
    "tests/server/test_guard.py::test_the_matrix_notices_a_guard_without",
    "tests/server/test_index.py",
    "tests/server/test_index_building.py",
    "tests/server/test_limits.py",
    "tests/server/test_load.py",
    "tests/server/test_properties.py",
    "tests/server/test_schema.py::test_checking_what_is_generated_notices_a_difference",
    "tests/server/test_schema.py::test_the_apps_types_are_current",
    "tests/server/test_workspace.py",
    "tests/test_shapes.py",
)
ROOT = Path(__file__).parents[1]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="what a change breaks most often")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files that `--quick` leaves out are not even imported."""
    name = collection_path.relative_to(ROOT).as_posix()
    return True if config.getoption("--quick") and name.startswith(SLOW) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[item for item in items if not _is_quick(item)])
        items[:] = filter(_is_quick, items)
    items.sort(key=lambda item: _rank(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Cycles that tests make are found again, without a walk over half a million older objects."""
    gc.freeze()
    gc.enable()


def _rank(nodeid: str) -> int:
    ranks = (order for order, start in enumerate(FIRST) if nodeid.startswith(start))
    return next(ranks, len(FIRST))


def _is_quick(item: pytest.Item) -> bool:
    if item.nodeid.startswith(SLOW) or any(item.get_closest_marker(mark) for mark in HEAVY):
        return False
    if item.get_closest_marker("drawing") and not MODULE.exists():
        return False
    parameters = getattr(item, "callspec", None)
    values = () if parameters is None else parameters.params.values()
    if any(isinstance(value, torch.dtype) and value != torch.float32 for value in values):
        return False
    named = set(map(str, values))
    return not named & set(NAMES) or bool(named & set(QUICK))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.getoption("--quick"):
        left_out = [
            f"tests with {', '.join(HEAVY)}",
            f"families but {', '.join(QUICK)}",
            "other types than float32",
            "SLOW in tests/conftest.py",
        ]
        if not MODULE.exists():
            left_out.append("pages and widgets, because the app is not built (make web)")
        terminalreporter.write_line(f"Left out, but run by make test: {'; '.join(left_out)}")


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of this run of the tests; all its processes share it."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def proven(run_folder: Path) -> Proven:
    """proven(name, dtype, seed): tiny models that are loaded within are proven as the first was.

    Once in each run of the tests, not once in each process: that takes nine tenths of the time.
    """
    proofs = run_folder / "proofs"

    def known(name: str, dtype: torch.dtype, seed: int = 0) -> AbstractContextManager[object]:
        proof = Proof(proofs / f"{name}-{dtype}-{seed}.json")
        return patch("unembed.engine.load.proof_of", lambda *_: proof)

    return known


@pytest.fixture(scope="session")
def model_of(proven: Proven) -> ModelOf:
    """A tiny model of a family or variant, behind the engine; float32 unless another is named."""

    @cache
    def load(name: str, dtype: torch.dtype, seed: int) -> Model:
        with proven(name, dtype, seed):
            return ue.load(tiny_model(name, dtype=dtype, seed=seed), tokenizer=tiny_tokenizer())

    return lambda name, dtype=torch.float32, seed=0: load(name, dtype, seed)


@pytest.fixture(scope="session")
def long_model() -> Model:
    """A model with rotary positions, stretched to 4,096 of them."""
    module = tiny_model("llama", dtype=torch.float32)
    module.config.max_position_embeddings = 4096
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 1_000_000
    return ue.load(module, tokenizer=tokenizer)


@pytest.fixture(scope="session")
def oracle_of() -> OracleOf:
    """The same weights in a module of their own, read the slow way."""
    return cache(Oracle)


@pytest.fixture(scope="session")
def demo_model() -> Model:
    return ue.load("gemma3-270m")


@pytest.fixture(scope="session")
def small_demo(run_folder: Path) -> Model:
    """The demo model with an eighth of its vocabulary, and by its name."""
    return smaller.small_demo(run_folder)


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
