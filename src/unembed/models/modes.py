"""A module in evaluation mode for a while: every part of it, and each gets its mode back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_evaluation(module: nn.Module) -> Iterator[None]:
    """No dropout anywhere in it, also where one part alone was put in training mode.

    Sets the flag that `train()` sets, and nothing else: a `train()` of a part's own may do more.
    """
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True
