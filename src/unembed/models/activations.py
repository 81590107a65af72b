"""Activation functions that a model calls as functions, where no module can be watched.

Which one it is is recognised by its values: see `recognised`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from unembed.models.equations import same

Activation = Callable[[Tensor], Tensor]


def _quick_gelu(value: Tensor) -> Tensor:
    return value * torch.sigmoid(1.702 * value)


def _squared_relu(value: Tensor) -> Tensor:
    return functional.relu(value).square()


FUNCTIONS: Mapping[str, Activation] = {
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "quick_gelu": _quick_gelu,
    "relu": functional.relu,
    "squared_relu": _squared_relu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "mish": functional.mish,
}


def recognised(argument: Tensor, factor: Tensor | None, result: Tensor) -> str | None:
    """The function f with f(argument) * factor = result; None where it is none of them."""
    for name, function in FUNCTIONS.items():
        value = function(argument)
        if same(value if factor is None else value * factor, result):
            return name
    return None
