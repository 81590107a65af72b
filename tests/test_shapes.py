"""The shapes in signatures are checked in these tests, and cost a user nothing."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import jaxtyping
import pytest
import torch

from unembed.engine.reading.unembedding import Unembedding

from . import shapes
from .figures.conftest import lens_of

SOURCE = Path(__file__).parents[1] / "src"


def stated(path: Path) -> list[str]:
    """Names of the functions at the top of a module that state shapes."""
    lines = ast.parse(path.read_text(encoding="utf-8")).body
    functions = [line for line in lines if isinstance(line, ast.FunctionDef)]
    signatures = {
        one.name: f"{ast.unparse(one.args)} -> {one.returns and ast.unparse(one.returns)}"
        for one in functions
    }
    return [name for name, signature in signatures.items() if shapes._has_shape(signature)]


def test_every_function_that_states_a_shape_is_checked():
    seen = 0
    for path in sorted(SOURCE.glob("unembed/**/*.py")):
        if names := stated(path):
            module = import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts))
            functions = [getattr(module, name) for name in names]
            bare = [one.__name__ for one in functions if not hasattr(one, "__wrapped__")]
            assert bare == [], module.__name__
            assert inspect.isfunction(functions[0])
            seen += len(names)
    assert seen > 20


def test_an_argument_of_another_shape_is_noticed():
    with pytest.raises(jaxtyping.TypeCheckError, match="'states'"):
        Unembedding(torch.ones(20, 4)).logits(torch.ones(2, 3, 4))


def test_axes_of_one_name_have_one_length():
    result = lens_of(3, 4)
    with pytest.raises(jaxtyping.TypeCheckError, match="entropy"):
        replace(result, entropy=result.entropy[:, :-1])


def test_what_a_function_gives_is_noticed():
    @shapes.check
    def doubled(
        states: jaxtyping.Float[torch.Tensor, "n d"],
    ) -> jaxtyping.Float[torch.Tensor, "n d"]:
        return states[:1]

    assert doubled(torch.ones(1, 2)).shape == (1, 2)
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        doubled(torch.ones(3, 2))


def test_a_call_that_was_right_says_nothing_of_calls_with_other_shapes():
    rows = []

    @shapes.check
    def first(
        states: jaxtyping.Float[torch.Tensor, "n d"],
        *,
        scale: jaxtyping.Float[torch.Tensor, " d"] | None = None,
        many: list[jaxtyping.Float[torch.Tensor, " d"]] | None = None,
    ) -> tuple[jaxtyping.Float[torch.Tensor, " d"], int]:
        rows.append(len(states))
        return (states[0] if len(rows) < 3 else states[0, 1:]), 1

    first(torch.ones(3, 2), scale=torch.ones(2))
    for wrong in (
        {"scale": torch.ones(3)},
        {"scale": torch.ones(2, dtype=torch.int64)},
        {"scale": torch.ones(2), "many": [torch.ones(3)]},
    ):
        with pytest.raises(jaxtyping.TypeCheckError, match="parameters"):
            first(torch.ones(3, 2), **wrong)
    assert rows == [3]  # what is refused is not called
    first(torch.ones(3, 2), scale=torch.ones(2))
    with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
        first(torch.ones(3, 2), scale=torch.ones(2))
    assert rows == [3, 3, 3]  # and what is called, once


def test_a_test_can_let_any_shape_pass(any_shapes):
    @shapes.check
    def same(states: jaxtyping.Float[torch.Tensor, "n d"]) -> int:
        return states.ndim

    assert same(torch.ones(3)) == 1


def test_the_package_itself_imports_neither_checker():
    code = (
        "import sys, unembed.server.app, unembed.engine.load, unembed.analyses.flow.graph; "
        "print({'jaxtyping', 'beartype'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
