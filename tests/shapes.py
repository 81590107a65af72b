"""Checks the shapes in the package's signatures whenever the tests call it.

`install()` makes every module of the package that is imported afterwards check what jaxtyping's
annotations say ("pos d_model"): of arguments, results and the fields of dataclasses. Other
annotations are mypy's. In the package jaxtyping is imported for type checkers only; here those
imports are carried out, so that it needs neither jaxtyping nor beartype to run.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import cache_from_source
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import jaxtyping
import torch
from beartype import beartype

PACKAGE = "unembed"
KINDS = ("Float", "Int", "Bool", "Shaped", "Num")
_CHECK = "_check_shapes"
# Compiled modules are kept apart from the plain ones, and anew when this file changes.
_CACHE_TAG = "shapes" + hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]


def install() -> None:
    """For every module of the package; none may be imported yet, for it would stay unchecked."""
    loaded = [name for name in sys.modules if name.partition(".")[0] == PACKAGE]
    if loaded:
        raise RuntimeError(f"{loaded[0]} was imported before its shapes could be checked")
    sys.meta_path.insert(0, _Finder())


@contextmanager
def unchecked() -> Iterator[None]:
    """Without the checks, in all threads."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def check(checked: Any) -> Any:
    """A function or dataclass whose shapes are checked in each call."""
    if isinstance(checked, type):
        checked.__init__ = check(checked.__init__)  # type: ignore[misc]
        return checked
    for hint in checked.__annotations__.values():
        if isinstance(hint, str) and _has_shape(hint):
            eval(hint, checked.__globals__)  # noqa: S307 (jaxtyping lets pass what it cannot resolve)
    return _remembering(checked)


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    """A call with the shapes and types of a call that was right is right.

    To check one takes jaxtyping longer than most functions take: a fifth of all tests' time.
    """
    given = threading.local()

    def call(*args: Any, **kwargs: Any) -> Any:
        result = given.__dict__.pop("result", given)  # of a call that was carried out already
        return function(*args, **kwargs) if result is given else result

    # jaxtyping looks up what hints name where the function is that it is given
    there = FunctionType(call.__code__, function.__globals__, closure=call.__closure__)
    checked = jaxtyping.jaxtyped(wraps(function)(there), typechecker=_shapes_only)
    shaped = {name for name, hint in function.__annotations__.items() if _has_shape(hint)}
    order = [at for at, name in enumerate(inspect.signature(function).parameters) if name in shaped]
    right: dict[Any, set[Any]] = {}  # forms of results, by those of what was given

    @wraps(function)
    def remembering(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        here = len(args)
        form = (
            here,
            *[_form(args[at]) for at in order if at < here],
            *[(name, _form(value)) for name, value in kwargs.items() if name in shaped],
        )
        known = right.get(form)
        if known is None:
            result = checked(*args, **kwargs)
            right.setdefault(form, set()).add(_form(result) if "return" in shaped else None)
            return result
        result = function(*args, **kwargs)
        if "return" in shaped and (back := _form(result)) not in known:
            given.result = result
            checked(*args, **kwargs)
            known.add(back)
        return result

    return remembering


def _form(value: Any) -> Any:
    """All that a hint with shapes can tell of a value."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape
    if isinstance(value, (tuple, list)):
        return type(value), *map(_form, value)
    if isinstance(value, Mapping):
        return type(value), *map(_form, value), *map(_form, value.values())
    return type(value)


def _shapes_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """beartype, for annotations that have shapes."""
    hints = function.__annotations__
    function.__annotations__ = {name: hint for name, hint in hints.items() if _has_shape(hint)}
    return beartype(function)


def _has_shape(hint: Any) -> bool:
    return any(f"{kind}[" in str(hint) for kind in KINDS)


class _Finder(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] != PACKAGE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]
        tree = _Checked().visit(ast.parse(data, path))
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        def beside(path: str, debug_override: bool | None = None) -> str:
            return cache_from_source(path, optimization=_CACHE_TAG)

        with patch("importlib._bootstrap_external.cache_from_source", beside):
            super().exec_module(module)


class _Checked(ast.NodeTransformer):
    """Decorates what has shapes in its annotations, and makes jaxtyping's imports real ones."""

    def visit_Module(self, module: ast.Module) -> ast.Module:
        self.generic_visit(module)
        if not any(_decorated(node) for node in ast.walk(module)):
            return module
        start = _after_future_imports(module)
        module.body[start:start] = ast.parse(
            f"from jaxtyping import {', '.join(KINDS)}\nfrom torch import Tensor\n"
            f"from tests.shapes import check as {_CHECK}"
        ).body
        return module

    def visit_FunctionDef(self, function: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(function)
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        if any(
            _says_shape(hint) for hint in (*(one.annotation for one in every), function.returns)
        ):
            # The innermost decorator: others may hide the annotations.
            function.decorator_list.append(ast.Name(_CHECK, ast.Load()))
        return function

    def visit_ClassDef(self, made: ast.ClassDef) -> ast.ClassDef:
        self.generic_visit(made)
        is_data = any("dataclass" in ast.unparse(one) for one in made.decorator_list)
        fields = [line.annotation for line in made.body if isinstance(line, ast.AnnAssign)]
        if is_data and any(_says_shape(hint) for hint in fields):
            made.decorator_list.insert(0, ast.Name(_CHECK, ast.Load()))
        return made


def _says_shape(hint: ast.expr | None) -> bool:
    return hint is not None and _has_shape(ast.unparse(hint))


def _decorated(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", ())
    return any(isinstance(one, ast.Name) and one.id == _CHECK for one in decorators)


def _after_future_imports(module: ast.Module) -> int:
    """Where the first statement may go that is neither docstring nor future import."""
    for index, line in enumerate(module.body):
        future = isinstance(line, ast.ImportFrom) and line.module == "__future__"
        if not future and not (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)):
            return index
    return len(module.body)
