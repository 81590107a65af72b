"""Comparing one state with those of all tokens: a product with each, and the best ones again.

Kept directions are rounded to half precision, and the first product is computed in it: what may be
among the best by that is divided by its length again and compared in double precision. Of many rows
bounds of the product come first (`leading`), and leave some for it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor

from unembed.errors import InputError
from unembed.index.corpus.about import Site
from unembed.index.corpus.bounding import Bounding, SiteBounds
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.lists import Lists, SiteLists
from unembed.index.corpus.options import CorpusSearchOptions
from unembed.index.corpus.products import BLOCK, products
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.states import CONTEXT, directions
from unembed.index.store import Array

# Twice what rounding changes a score by, where the heads' weights add up to one: half precision of
# a query and of a product, each by one part in 2,048, and of a kept vector's length.
CLOSE = 2.5e-3
STRETCH_BYTES = 16 * 1024 * 1024
AT_ONCE = 20_000  # rows that are compared again
FIRST = 500  # rows more than wanted that are compared to know how good the best are
FEW = 0.05  # part of the rows below which they are taken one by one


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


def best_rows(
    kept: KeptVectors, query: Query, mask: Mask, wanted: int, *, by_lists: bool = False
) -> tuple[Array, Array]:
    """(rows, scores) of the tokens nearest to a query, best first, the first row of equals.

    Args:
        mask: rows that may be found.
        by_lists: look at those alone that are in the lists nearest to the query.
    """
    n_left = int(np.count_nonzero(mask))
    if not n_left:
        return np.empty(0, np.int64), np.empty(0)
    rows: Array | None = None
    if by_lists:
        rows, scores = kept.near(query.flat, wanted)
    else:
        if n_left < FEW * len(mask):
            rows = np.flatnonzero(mask)
        elif n_left > wanted:
            rows = _open(kept, query, mask, wanted)
        scores = kept.times(query.flat, rows)
    left = mask if rows is None else mask[rows]
    scores.masked_fill_(torch.from_numpy(~left), -torch.inf)
    wanted = min(wanted, int(np.count_nonzero(left)))
    again = _near(scores, wanted, CLOSE * float(query.weights.sum()))
    if rows is not None:
        again = np.sort(rows[again])
    parts = [again[start : start + AT_ONCE] for start in range(0, len(again), AT_ONCE)]
    exact = np.concatenate([query.exact(kept.rows(part)) for part in parts])
    order = np.argsort(-exact, kind="stable")[:wanted]
    return again[order], exact[order]


def _open(kept: KeptVectors, query: Query, mask: Mask, wanted: int) -> Array | None:
    """Rows of a mask, in order, all that may be among the best `wanted`, of more than that.

    Some rows with high bounds are compared: the best `wanted` are as good as the worst of them, and
    what is bound to be worse is left out. None where that leaves too many, or nothing has bounds.
    """
    bounding = kept.bounding(query.flat)
    if bounding is None:
        return None
    bounds, left = bounding.bounds(), torch.from_numpy(mask)
    n_first = wanted + FIRST
    for high in (_at_least(bounds, n_first), -torch.inf):
        likely = _over(bounds, high)
        likely = likely[left[likely]]
        if len(likely) >= wanted:
            break
    first = likely[bounds[likely].topk(min(n_first, len(likely))).indices]
    seen = query.exact(kept.rows(first.numpy()))
    least = np.partition(seen, -wanted)[-wanted] - CLOSE / 2 * float(query.weights.sum())
    found = _over(bounds, least)
    found = found[left[found]]
    if len(found) > FIRST:
        found = found[_over(bounding.tighter(found, bounds[found]), least)]
    rows: Array = found.numpy()
    return rows if len(rows) < FEW * len(mask) else None


def _over(scores: Tensor, least: Tensor | float) -> Tensor:
    """Places of scores that are no less, in order."""
    return torch.nonzero(scores >= least)[:, 0]


def _near(scores: Tensor, wanted: int, margin: float) -> Array:
    """Places of scores that may be among the best `wanted`, in order; all are finite or -inf.

    What is less than the score of that rank is put aside before anything is sorted.
    """
    least = _at_least(scores, wanted)
    found = torch.nonzero((scores >= least - margin) & (scores > -torch.inf))[:, 0]
    own = scores[found]
    again: Array = found[own >= own.topk(wanted).values[-1] - margin].numpy()
    return again


def _at_least(scores: Tensor, wanted: int) -> Tensor:
    """No more than the score of rank `wanted`: that rank among some thousand maxima of blocks."""
    n_blocks = len(scores) // BLOCK
    if n_blocks < wanted:
        return torch.tensor(-torch.inf)
    maxima = scores[: n_blocks * BLOCK].view(n_blocks, BLOCK).amax(1)
    return maxima.topk(wanted).values[-1]


class KeptVectors:
    """The directions of one site as they are kept [n, width], in half precision.

    In memory where they fit the budget, list by list if there are lists, else read in stretches.
    Thread-safe.

    Args:
        bounds: of products with them; None: there are none.
        fits: whether all are held in memory.
    """

    def __init__(
        self,
        rows: Rows,
        site: Site,
        n: int,
        lists: Lists | None,
        bounds: SiteBounds | None,
        *,
        fits: bool,
    ) -> None:
        self.bytes = 2 * n * site.width
        self._rows, self._site, self._n, self._lists = rows, site, n, lists
        self._bounds, self._fits = bounds, fits
        self._held: Tensor | None = None
        self._lock = threading.Lock()

    def rows(self, numbers: Array) -> Array:
        """Some rows, in the order asked for."""
        if not self._fits:
            return self._rows.take_vectors(self._site, numbers.tolist())
        places = numbers if self._lists is None else self._lists.place[numbers]
        found: Array = self._whole().index_select(0, torch.from_numpy(places)).numpy()
        return found

    def stretches(self) -> Iterator[Tensor]:
        """All rows in order, some at a time."""
        for start in range(0, self._n if self._fits else 0, self._step):
            rows = np.arange(start, min(self._n, start + self._step))
            yield torch.from_numpy(self.rows(rows))
        if not self._fits:
            yield from map(torch.from_numpy, self._rows.vectors(self._site, self._step))

    def bounding(self, direction: Tensor) -> Bounding | None:
        """Bounds of products of all rows with a direction, if there are any."""
        return None if self._bounds is None else self._bounds.of(self, direction)

    def times(self, direction: Tensor, rows: Array | None = None) -> Tensor:
        """The product of every row, or of some, with a direction [width], but for rounding."""
        if rows is not None and len(rows) >= FEW * self._n:
            return self.times(direction)[torch.from_numpy(rows)]
        flat, length = _unit(direction)
        if rows is not None:
            found = products([torch.from_numpy(self.rows(rows))], flat)
        elif self._fits:
            found = products([self._whole()], flat)
            if self._lists is not None:
                found = found.index_select(0, torch.from_numpy(self._lists.place))
        else:
            found = torch.cat([products([part], flat) for part in self.stretches()])
        return found.mul_(length)

    def near(self, direction: Tensor, wanted: int) -> tuple[Array, Tensor]:
        """The rows that lists say are near, in any order, and their products; there are lists."""
        lists = cast("Lists", self._lists)
        stretches = lists.near(direction, wanted)
        rows = lists.rows(stretches)
        if not self._fits:
            return rows, self.times(direction, rows)
        flat, length = _unit(direction)
        held = self._whole()
        return rows, products([held[one] for one in stretches], flat).mul_(length)

    @property
    def _step(self) -> int:
        return max(1, STRETCH_BYTES // (2 * self._site.width))

    def _whole(self) -> Tensor:
        with self._lock:
            if self._held is None:
                held = torch.empty(self._n, self._site.width, dtype=torch.float16)
                start = 0
                for part in self._rows.vectors(self._site, self._step):
                    end = start + len(part)
                    own = slice(start, end) if self._lists is None else self._lists.place[start:end]
                    held[own] = torch.from_numpy(part)
                    start = end
                self._held = held
            return self._held


def _unit(direction: Tensor) -> tuple[Tensor, Tensor]:
    """A direction [width] of length one, and how long it was."""
    length = direction.norm()
    return (direction / length).float(), length.float()


class Matrices:
    """The vectors of sites, in memory as far as the budget goes. Thread-safe.

    A site for which others would have to go is read from disk, until it is asked for again and
    none of those was in between: sites that take turns do not push each other out. Bounds, of sites
    that are read from disk too, have what is left.
    """

    def __init__(self, rows: Rows, n: int, budget: int, lists: SiteLists) -> None:
        self._rows, self._n, self._budget, self._lists = rows, n, budget, lists
        self._held: dict[Site, KeptVectors] = {}  # used longest ago first
        self._bounds: dict[Site, SiteBounds] = {}
        self._asked: dict[Site, int] = {}  # when: a running number
        self._lock = threading.Lock()

    def of(self, site: Site) -> KeptVectors:
        """All vectors of a site."""
        with self._lock:
            before = self._asked.get(site, 0)
            self._asked[site] = max(self._asked.values(), default=0) + 1
            found = self._held.pop(site, None)
            if found is None:
                found = self._made(site, fits=True)
                others = self._in_the_way(found.bytes)
                in_use = any(self._asked[other] > before for other in others)
                if in_use or found.bytes > self._budget:
                    return self._made(site, fits=False)
                for other in others:
                    del self._held[other]
                if found.bytes > self._room():
                    for bounds in self._bounds.values():
                        bounds.drop()
            self._held[site] = found
            return found

    def _made(self, site: Site, *, fits: bool) -> KeptVectors:
        if site not in self._bounds:
            self._bounds[site] = SiteBounds(site, self._n, self._room)
        lists = self._lists.of(site)
        return KeptVectors(self._rows, site, self._n, lists, self._bounds[site], fits=fits)

    def _in_the_way(self, size: int) -> list[Site]:
        """Which would have to go for so many bytes more, once no bounds are left."""
        others, room = [], self._budget - sum(one.bytes for one in self._held.values())
        for site, held in self._held.items():
            if size <= room:
                break
            others.append(site)
            room += held.bytes
        return others

    def _room(self) -> int:
        return self._budget - self.bytes

    @property
    def bytes(self) -> int:
        """What they take in memory, once all are read."""
        held = sum(one.bytes for one in list(self._held.values()))
        return held + sum(one.bytes for one in list(self._bounds.values()))
