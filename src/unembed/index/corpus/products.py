"""Products of many vectors in half precision with one direction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

ROUNDED = 5e-4  # of a product of two directions in half precision, of the result alone
BLOCK = 1024  # rows


def products(stretches: Sequence[Tensor], direction: Tensor) -> Tensor:
    """Products of half-precision rows, stretch by stretch, with a direction, as single precision.

    Where the processor adds halves up in single precision, it does so at the speed of memory;
    where it does not, rows are made single precision first, some at a time.
    """
    if not adds_in_single(len(direction)):
        parts = [part for rows in stretches for part in torch.split(rows, BLOCK)]
        return torch.cat([part.float() @ direction for part in parts])
    half, start = direction.half(), 0
    found = torch.empty(sum(map(len, stretches)), dtype=torch.half)
    for rows in stretches:
        torch.mv(rows, half, out=found[start : start + len(rows)])
        start += len(rows)
    return found.float()


@cache
def adds_in_single(width: int) -> bool:
    """Whether a product of halves is within its rounding of the exact one, on this machine."""
    drawn = torch.randn(512, width, generator=torch.Generator().manual_seed(0))
    rows = torch.nn.functional.normalize(drawn, dim=1).half()
    found = torch.mv(rows, rows[0]).double()
    off = (found - rows.double() @ rows[0].double()).abs()
    return bool(off.max() <= ROUNDED)
