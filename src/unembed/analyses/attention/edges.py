"""Which pairs of query and key are drawn: of each query the fewest that hold a part of its row.

Knows tensors by their own methods alone, so that results can use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from torch import Tensor


def edges(values: Float[Tensor, "query key"], mass: float) -> Bool[Tensor, "query key"]:
    """Of each row the fewest entries that hold this part of the sum of its absolute values.

    The one that reaches it is among them; of equal ones the earlier key. At 1 every entry but 0.
    """
    strength = values.abs().double()
    if mass >= 1:
        return strength > 0
    ordered, order = strength.sort(dim=-1, descending=True, stable=True)
    before = ordered.cumsum(-1) - ordered
    wanted = (before < mass * ordered.sum(-1, keepdim=True)) & (ordered > 0)
    return wanted.new_zeros(wanted.shape).scatter(-1, order, wanted)


@dataclass(frozen=True, eq=False)
class Kept:
    """Pairs that are drawn, strongest first; equal ones in the order of reading."""

    queries: Int[Tensor, " edge"]  # positions, not rows
    keys: Int[Tensor, " edge"]
    values: Float[Tensor, " edge"]


def strongest(combined: Float[Tensor, "query key"], mass: float, queries: Sequence[int]) -> Kept:
    """The pairs that `edges` keeps, where the rows are of these positions."""
    row, key = (axis.cpu() for axis in edges(combined, mass).nonzero(as_tuple=True))
    strength = combined[row, key]
    order = strength.abs().argsort(descending=True, stable=True).cpu()
    return Kept(row.new_tensor(queries)[row][order], key[order], strength[order])
