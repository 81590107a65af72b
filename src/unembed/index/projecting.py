"""The best and the worst tokens of many vectors: one product with W_U, a tile at a time.

Of the scores [vectors, vocabulary] only a tile is ever held. Knows tensors, no model and no disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.running import BLOCK, RunningTop, block_maxima

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from unembed.engine.cancel import Cancel

# A tile of scores. Taller ones read W_U less often, wider ones sort less often: both cost little
# beside the product from here on.
Share = Callable[[int, int], None]
TILE_ROWS = 512
TILE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class TokenLists:
    """Tokens of n vectors: the k with the highest scores and the k with the lowest."""

    top_ids: Int[Tensor, "n k"]  # highest first, ties by lower id
    top_scores: Float[Tensor, "n k"]
    bottom_ids: Int[Tensor, "n k"]  # lowest first, ties by lower id
    bottom_scores: Float[Tensor, "n k"]


@torch.no_grad()
def token_lists(
    rows: Float[Tensor, "n d"],
    weight: Float[Tensor, "vocab d"],
    k: int,
    cancel: Cancel | None = None,
    share: Share | None = None,
) -> TokenLists:
    """The k highest and lowest of `rows @ weight.T`, row by row, in the accuracy of `rows`.

    `share` is called with (parts done, parts) several times; `cancel` is checked as often.
    """
    tiles = torch.split(rows, TILE_ROWS)
    parts = []
    for number, tile in enumerate(tiles):
        heard = None if share is None else _part_of(share, number, len(tiles))
        parts.append(_tile(tile, weight, k, cancel, heard))
    return TokenLists(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _part_of(share: Share, number: int, count: int) -> Share:
    return lambda part, parts: share(number * parts + part, count * parts)


def _tile(
    rows: Tensor, weight: Tensor, k: int, cancel: Cancel | None, share: Share | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    like = rows.new_empty(0)
    top, bottom = RunningTop(len(rows), k, like), RunningTop(len(rows), k, like)
    for start, scores in _chunks(rows, weight):
        if share is not None:
            share(start, len(weight))
        if cancel is not None:
            cancel.check()
        top.add(start, scores, block_maxima(scores))
        scores = scores.neg_()  # the buffer itself: the next product overwrites it
        bottom.add(start, scores, block_maxima(scores))
    return top.ids, top.values, bottom.ids, -bottom.values


def _chunks(rows: Tensor, weight: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Scores of a stretch of the vocabulary, with the token that it starts at.

    Every product has the same shape, so that equal tokens get equal bits wherever they stand; the
    last one therefore reaches back and is cut.
    """
    vocab_size = len(weight)
    columns = TILE_BYTES // (rows.element_size() * max(len(rows), 1)) // BLOCK * BLOCK
    width = min(max(columns, BLOCK), vocab_size)
    buffer = rows.new_empty(len(rows), width)
    for start in range(0, vocab_size, width):
        begin = min(start, vocab_size - width)
        tokens = weight[begin : begin + width].to(rows.dtype)
        torch.mm(rows, tokens.T, out=buffer)
        yield start, buffer[:, start - begin :]
