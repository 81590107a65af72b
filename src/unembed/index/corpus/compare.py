"""Comparing one state with those of all tokens: a product with each, and the best ones again.

Kept directions are rounded to half precision, so that their lengths are one but for some 1e-5: what
may be among the best is divided by its length again and compared in double precision.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unembed.errors import InputError
from unembed.index.corpus.about import Site
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.options import CorpusSearchOptions
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.states import CONTEXT, directions
from unembed.index.matrix import ValueMatrix
from unembed.index.store import Array

CLOSE = 1e-3  # more than rounding changes a score by, where no head counts more than one
MOST_AGAIN = 20_000
FEW = 0.05  # part of the rows below which they are read one by one


@dataclass(frozen=True, eq=False)
class Query:
    """What tokens are compared with: directions [head, width], and how much each head counts."""

    rows: Tensor
    weights: Tensor  # [head]
    heads: tuple[int, ...]  # those that count

    @property
    def flat(self) -> Tensor:
        """The vector whose product with a kept one is the score."""
        return (self.rows * self.weights[:, None]).reshape(-1)

    def exact(self, kept: Array) -> Array:
        """Scores of kept vectors [rows, width], in double precision."""
        own = torch.from_numpy(kept).double().reshape(len(kept), *self.rows.shape)
        own = own / own.norm(dim=-1, keepdim=True).clamp_min(1e-300)
        products = (own * self.rows.double()).sum(-1)
        found: Array = (products * self.weights.double()).sum(-1).numpy()
        return found


def query_of(state: Tensor, site: Site, asked: CorpusSearchOptions) -> Query:
    """The query of one token's state [d_model] or context [head, d_head]; raises InputError."""
    if asked.heads is not None and site.site != CONTEXT:
        raise InputError(
            'heads have no meaning for hidden states; search by="context"',
            field="heads",
            value=list(asked.heads),
            legal='left out, or with by="context"',
        )
    heads = tuple(range(site.heads)) if asked.heads is None else asked.heads
    wrong = [head for head in heads if head >= site.heads]
    if wrong:
        legal = f"0-{site.heads - 1}"
        raise InputError(
            f"head {wrong[0]} is not in layer {site.layer}: it has heads {legal}",
            field="heads",
            value=wrong[0],
            legal=legal,
        )
    rows, lengths = directions(state[None], site.heads)
    if not bool(rows.isfinite().all()) or not bool(lengths[0, list(heads)].any()):
        raise InputError(
            "the state at this position is zero, or not finite: nothing is like it",
            field="position",
            legal="a token whose state is not zero",
        )
    chosen = torch.zeros(site.heads)
    chosen[list(heads)] = 1.0
    by_length = site.site == CONTEXT and asked.weighting == "query"
    weights = chosen * lengths[0].cpu().float() if by_length else chosen / len(set(heads))
    return Query(rows[0].cpu().double(), weights.double(), tuple(sorted(set(heads))))


def best_rows(matrix: ValueMatrix, query: Query, mask: Mask, wanted: int) -> tuple[Array, Array]:
    """(rows, scores) of the tokens nearest to a query, best first, the first row of equals."""
    rows = np.flatnonzero(mask)
    if not len(rows) or not wanted:
        return rows[:0], np.empty(0)
    direction = query.flat.float()
    if len(rows) < FEW * len(mask):
        scores = (matrix.rows(rows.tolist()) @ direction).numpy()
    else:
        scores = matrix.times(direction).numpy()[rows]
    wanted = min(wanted, len(rows))
    least = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
    margin = CLOSE * float(query.weights.sum())
    again = np.flatnonzero(scores >= least - margin)
    if len(again) > max(MOST_AGAIN, wanted):
        again = np.argpartition(-scores, max(MOST_AGAIN, wanted))[: max(MOST_AGAIN, wanted)]
    again = np.sort(again)
    exact = query.exact(matrix.rows(rows[again].tolist()).numpy())
    order = np.argsort(-exact, kind="stable")[:wanted]
    return rows[again][order], exact[order]


class _Vectors:
    """The vectors of one site as `ValueMatrix` reads them: float32."""

    def __init__(self, rows: Rows, site: Site) -> None:
        self._rows, self._site = rows, site

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        for part in self._rows.vectors(self._site, rows_at_once):
            yield part.astype(np.float32)

    def take_vectors(self, rows: Sequence[int]) -> Array:
        return self._rows.take_vectors(self._site, rows).astype(np.float32)


class Matrices:
    """The vectors of sites, in memory as far as the budget goes; the last used stays."""

    def __init__(self, rows: Rows, n: int, budget: int) -> None:
        self._rows, self._n, self._budget = rows, n, budget
        self._held: dict[Site, ValueMatrix] = {}
        self._lock = threading.Lock()

    def of(self, site: Site) -> ValueMatrix:
        """All vectors of a site."""
        with self._lock:
            found = self._held.pop(site, None)
            if found is None:
                stored = _Vectors(self._rows, site)
                found = ValueMatrix(stored, self._n, site.width, self._budget)
                while self._held and self._size(site) > self._budget:
                    del self._held[next(iter(self._held))]
            self._held[site] = found
            return found

    def _size(self, site: Site) -> int:
        return sum(4 * self._n * one.width for one in (*self._held, site))
