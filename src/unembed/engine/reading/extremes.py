"""The tokens that vectors raise most and lower most, without holding [vectors, vocabulary].

One product with W_U, a tile at a time, serves both ends. Knows tensors only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.reading.running import BLOCK, RunningTop, block_maxima

if TYPE_CHECKING:
    from jaxtyping import Float, Int


Share = Callable[[int, int], None]
# A tile of scores. Taller ones read W_U less often, wider ones sort less often: both cost little
# beside the product from here on.
TILE_ROWS = 512
TILE_BYTES = 32 * 1024 * 1024


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
    rows: Float[Tensor, "n d"],
    weight: Float[Tensor, "vocab d"],
    k: int,
    cancel: Cancel | None = None,
    share: Share | None = None,
) -> Extremes:
    """Both ends of `rows @ weight.T`, row by row, in the accuracy of `rows`.

    `share` is called with (parts done, parts) several times; `cancel` is checked as often.
    """
    tiles = torch.split(rows, TILE_ROWS)
    parts = []
    for number, tile in enumerate(tiles):
        heard = None if share is None else _part_of(share, number, len(tiles))
        parts.append(_tile(tile, weight, k, cancel, heard))
    return Extremes.joined(parts)


def _part_of(share: Share, number: int, count: int) -> Share:
    return lambda part, parts: share(number * parts + part, count * parts)


def _tile(
    rows: Tensor, weight: Tensor, k: int, cancel: Cancel | None, share: Share | None
) -> Extremes:
    running = RunningExtremes(len(rows), k, rows.new_empty(0))
    for start, scores in _chunks(rows, weight):
        if share is not None:
            share(start, len(weight))
        if cancel is not None:
            cancel.check()
        running.add(start, scores)
    return running.found()


def _chunks(rows: Tensor, weight: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Scores of a stretch of the vocabulary, with the token that it starts at.

    Every product has the same shape, so that equal tokens get equal bits wherever they stand; the
    last one therefore reaches back and is cut.
    """
    vocab_size = len(weight)
    columns = TILE_BYTES // (rows.element_size() * max(len(rows), 1)) // BLOCK * BLOCK
    width = min(max(columns, BLOCK), vocab_size)
    buffer = rows.new_empty(len(rows), width)
    for start in range(0, vocab_size if len(rows) else 0, width):
        begin = min(start, vocab_size - width)
        tokens = weight[begin : begin + width].to(rows.dtype)
        torch.mm(rows, tokens.T, out=buffer)
        yield start, buffer[:, start - begin :]
