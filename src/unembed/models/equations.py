"""Equations between tensors that were seen, up to the rounding of their type."""

from __future__ import annotations

import torch
from torch import Tensor

from unembed.models.trace import Call


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


def post_norm(added: Call, written: Tensor | None) -> str | None:
    """The module between an output map and the stream, if what is added is not the map's output."""
    if same(added.output, written):
        return None
    return added.name if same(added.input, written) else None
