"""The tokens that vectors raise most and lower most, without holding [vectors, vocabulary].

One product with the vocabulary, in chunks, serves both ends. Knows tensors only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.running import BLOCK, RunningTop, block_maxima

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from unembed.engine.cancel import Cancel
    from unembed.engine.unembedding import Unembedding

CHUNK_BYTES = 16 * 1024 * 1024
MIN_CHUNK = 2 * BLOCK


@dataclass(frozen=True, eq=False)
class Extremes:
    """Both ends of n rows. Ties go to the lower token id."""

    raised_ids: Int[Tensor, "n k"]  # largest first
    raised: Float[Tensor, "n k"]
    lowered_ids: Int[Tensor, "n k"]  # smallest first
    lowered: Float[Tensor, "n k"]

    @staticmethod
    def joined(parts: Sequence[Extremes]) -> Extremes:
        """The rows of several, in order."""
        names = [field.name for field in fields(Extremes)]
        return Extremes(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


class RunningExtremes:
    """The k largest and the k smallest numbers of each row, while chunks of columns go by."""

    def __init__(self, n: int, k: int, like: Tensor) -> None:
        self._largest = RunningTop(n, k, like)
        self._smallest = RunningTop(n, k, like)

    def add(self, start: int, values: Float[Tensor, "n width"]) -> None:
        """Takes in the chunk whose first column is token `start`, and overwrites it."""
        self._largest.add(start, values, block_maxima(values))
        values.neg_()
        self._smallest.add(start, values, block_maxima(values))

    def found(self) -> Extremes:
        top, bottom = self._largest, self._smallest
        return Extremes(top.ids, top.values, bottom.ids, -bottom.values)


@torch.no_grad()
def extremes(
    unembedding: Unembedding,
    vectors: Float[Tensor, "n d"],
    k: int,
    cancel: Cancel | None = None,
) -> Extremes:
    """Both ends of `vectors` · W_Uᵀ, with the model's factors, but no bias and no soft cap."""
    weight = unembedding.weight
    vectors = vectors * (unembedding.scale / unembedding.divisor)
    vectors = vectors.to(device=weight.device, dtype=weight.dtype)
    accurate = torch.promote_types(weight.dtype, torch.float32)
    running = RunningExtremes(len(vectors), k, weight.new_empty(0, dtype=accurate))
    columns = CHUNK_BYTES // (accurate.itemsize * max(len(vectors), 1))
    width = max(columns // BLOCK * BLOCK, MIN_CHUNK)
    for start in range(0, len(weight) if len(vectors) else 0, width):
        if cancel is not None:
            cancel.check()
        running.add(start, (vectors @ weight[start : start + width].t()).to(accurate))
    return running.found()
