"""Putting another function in the place of a module's forward pass, for a while, and finding the
activation among what a module is called with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def forward_replaced(module: nn.Module, replacement: Callable[..., Any]) -> Iterator[None]:
    """`module(...)` calls `replacement` until the context ends, whatever happens in it."""
    own = vars(module).get("forward")  # not None where someone else has put one there already
    module.forward = replacement
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def first_tensor(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """The activation that a module is called with."""
    for value in _values(args, kwargs):
        if isinstance(value, Tensor) and value.is_floating_point() and value.dim() >= 2:
            return value
    raise LookupError("a hooked module was called without an activation")


def with_tensor(
    args: tuple[Any, ...], kwargs: dict[str, Any], tensor: Tensor
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a module's call with another activation."""
    old = first_tensor(args, kwargs)
    new_args = tuple(tensor if value is old else value for value in args)
    return new_args, {key: tensor if value is old else value for key, value in kwargs.items()}


def _values(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterable[Any]:
    yield from args
    yield from kwargs.values()
