"""Equations between tensors that were seen, up to the rounding of their type."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from unembed.models.trace import Call

LARGE = 64.0


def same(left: Tensor | None, right: Tensor | None) -> bool:
    """Equal up to the rounding of their type."""
    if left is None or right is None or left.shape != right.shape:
        return False
    tolerance = {torch.float64: 1e-10, torch.float32: 2e-5}.get(left.dtype, 2e-2)
    size = float(right.abs().max())
    return bool((left - right).abs().max() <= tolerance * max(size, 1e-30))


def result(call: Call) -> Tensor:
    """The activation that a call returned; only for calls chosen because they return one."""
    if call.output is None:
        raise LookupError(f"{call.name} returns no activation")
    return call.output


def is_norm(call: Call) -> bool:
    """Whether a call of one module only scales what it is given, each row to the same size.

    Twice as much of a large input must come out the same; of an activation function it does not.
    """
    given, output = call.input, call.output
    if given is None or output is None or given.shape != output.shape or call.children:
        return False
    if len(call.inputs) != 1 or any(weight.dim() > 1 for weight in call.module.parameters()):
        return False
    large = given * (LARGE / given.abs().max().clamp_min(1e-30))  # its epsilon is nothing beside it
    with torch.no_grad():
        once, twice = call.module(large), call.module(2 * large)
    return bool((once - twice).abs().max() <= 1e-2 * once.abs().max())


def inner_norm(calls: Iterable[Call], output_map: Call) -> Call | None:
    """The norm whose result an output map reads, if it reads one."""
    return next(
        (
            call
            for call in calls
            if call.end < output_map.start
            and same(call.output, output_map.input)
            and not same(call.input, call.output)
            and is_norm(call)
        ),
        None,
    )


def post_norm(added: Call, written: Tensor | None) -> str | None:
    """The module between an output map and the stream, if what is added is not the map's output."""
    if same(added.output, written):
        return None
    return added.name if same(added.input, written) else None
