"""Lists of like vectors, by which a search of a large corpus looks at a small part of it.

An inverted file without compression (Sivic and Zisserman 2003; Jégou et al. 2011): k-means on a
sample gives centres, the vector of each token of the texts is in the list of the nearest centre,
and a search compares what is in the lists whose centres are nearest to the query. How many lists
that takes is measured when they are made, and so is what is found by them: on rows of sentences
that the centres know nothing of, each looking for tokens of other sentences, as a prompt does.

Made after the vectors, one pass for each step, with memory for a sample and some bytes a token.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from unembed.engine.cancel import Cancel
from unembed.index.corpus.about import ListsAbout, Site
from unembed.index.corpus.columns import Mask
from unembed.index.corpus.rows import TOKENS, Rows
from unembed.index.kmeans import spherical_kmeans
from unembed.index.store import Array, to_numpy

if TYPE_CHECKING:
    from jaxtyping import Float

DEPTHS = (10, 50, 200)  # nearest tokens whose recall is measured; for more, a search is exact
DEPTH = 50  # at which it is to be RECALL
RECALL = 0.96  # of the queries measured, so that it is 0.95 of others too
QUERIES = 512  # rows that are asked for
HELD_OUT = 16  # they are of one sentence in so many, no token of which has a part in the centres
MOST_SHARE = 0.1  # of the corpus; where more has to be looked at, comparing all takes no longer
SAMPLE_EACH = 48  # vectors of the sample, per centre
SAMPLE_BYTES = 192 * 1024 * 1024
MOST_LISTS = 8192
ITERATIONS = 12
STRETCH_BYTES = 16 * 1024 * 1024
PRODUCT_BYTES = 32 * 1024 * 1024
TIMED = 4096  # rows of a product whose time is taken
BESIDE_PRODUCTS = 1.3  # of it, with reading, sorting and the first centres


class Lists:
    """The lists of one site, in memory: an order of all rows in which each list is one stretch."""

    def __init__(self, rows: Rows, site: Site, about: ListsAbout, n: int) -> None:
        members = to_numpy(rows.column(_members(site), "row"))
        self._centres = torch.from_numpy(to_numpy(rows.column(_centres(site), "vector")))
        sizes = to_numpy(rows.column(_centres(site), "n"))
        self._ends = np.concatenate([[0], np.cumsum(sizes)])
        self._probes = about.probes
        listed = np.zeros(n, bool)
        listed[members] = True
        others = np.flatnonzero(~listed).astype(np.int32)
        self._rest = len(members) + int(np.searchsorted(others, about.rows))
        self.order = np.concatenate([members, others])
        self.place = np.empty(n, np.int32)
        self.place[self.order] = np.arange(n, dtype=np.int32)

    def near(self, direction: Float[Tensor, " width"], wanted: int) -> list[slice]:
        """The stretches of `order` that a search looks at: the nearest lists, and rows in none.

        As many lists as were measured, or more where they have fewer than `wanted` rows.
        """
        nearest = (self._centres @ direction.float()).argsort(descending=True).numpy()
        sizes = self._ends[nearest + 1] - self._ends[nearest]
        enough = int(np.searchsorted(np.cumsum(sizes), wanted)) + 1
        chosen = nearest[: max(self._probes, enough)].tolist()
        found = [slice(int(self._ends[one]), int(self._ends[one + 1])) for one in chosen]
        return [*found, slice(self._rest, len(self.order))]

    def rows(self, stretches: Sequence[slice]) -> Array:
        """The numbers of the rows in stretches of `order`."""
        return np.concatenate([self.order[one] for one in stretches])


class SiteLists:
    """The lists of the sites of a corpus of `n` tokens, read when asked for. Thread-safe."""

    def __init__(self, rows: Rows, n: int, abouts: Mapping[str, ListsAbout]) -> None:
        self._rows, self._n, self.abouts = rows, n, dict(abouts)
        self._read: dict[Site, Lists] = {}
        self._lock = threading.Lock()

    def recall(self, site: Site, wanted: int) -> float | None:
        """What a search for so many is known to find by lists; None: it has to be exact."""
        about = self.abouts.get(site.name)
        return None if about is None or about.share > MOST_SHARE else about.recall(wanted)

    def of(self, site: Site) -> Lists | None:
        """The lists of a site, if it has any."""
        about = self.abouts.get(site.name)
        if about is None:
            return None
        with self._lock:
            if site not in self._read:
                self._read[site] = Lists(self._rows, site, about, self._n)
            return self._read[site]


def make_lists(rows: Rows, site: Site, words: Mask, cancel: Cancel | None) -> ListsAbout:
    """Make and keep the lists of a site; `words` are the tokens of the texts themselves.

    Raises CancelledError, and LoadError where the disk is full.
    """
    sentence = to_numpy(rows.column(TOKENS, "sentence"))
    drawn = np.random.default_rng(0).permutation(np.flatnonzero(words))
    n_lists, n_sample = _sizes(len(drawn), site)
    out = np.isin(sentence[drawn], _held_out(sentence[words]))
    queries = np.sort(drawn[out][:QUERIES])
    others = drawn[~out] if np.count_nonzero(~out) >= n_lists else drawn
    taken = np.sort(others[:n_sample])
    centres = _centres_of(_some(rows, site, taken, cancel), n_lists, cancel)
    asked = _some(rows, site, queries, cancel)
    labels, nearest = _pass_over(rows, site, words, sentence, centres, queries, asked, cancel)
    order = np.argsort(labels, kind="stable").astype(np.int32)[np.count_nonzero(~words) :]
    sizes = np.bincount(labels[words], minlength=n_lists)
    rows.write(_members(site), {"row": order})
    rows.write(_centres(site), {"vector": centres.numpy(), "n": sizes.astype(np.int32)})
    return _measured(len(words), sizes, labels[nearest], asked @ centres.T)


def _held_out(sentence: Array) -> Array:
    """Some of the sentences that tokens are of, one at the least."""
    every = np.random.default_rng(1).permutation(np.unique(sentence))
    return every[: max(1, len(every) // HELD_OUT)]


def seconds_of_lists(site: Site, n: int) -> float:
    """About how long `make_lists` takes for n tokens: most of it are products with the centres."""
    n_lists, n_sample = _sizes(n, site)
    rows, centres = torch.randn(TIMED, site.width), torch.randn(n_lists, site.width)
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        (rows @ centres.T).max(-1)
        taken.append(time.perf_counter() - start)
    products = ITERATIONS * n_sample + n * (1 + QUERIES / n_lists)
    return BESIDE_PRODUCTS * sorted(taken)[1] * products / TIMED


def _sizes(n: int, site: Site) -> tuple[int, int]:
    """How many lists, and vectors of the sample."""
    n_lists = min(MOST_LISTS, max(1, round(math.sqrt(n))))
    return n_lists, min(SAMPLE_EACH * n_lists, SAMPLE_BYTES // (4 * site.width), n)


def _members(site: Site) -> str:
    """The table of rows, list by list."""
    return f"{site.name}.lists"


def _centres(site: Site) -> str:
    """The table of centres, and how many rows the list of each has."""
    return f"{site.name}.centres"


def _stretches(
    rows: Rows, site: Site, cancel: Cancel | None
) -> Iterator[tuple[int, Float[Tensor, "row width"]]]:
    """(first row, vectors) of all rows in order, in single precision, some megabytes each."""
    start = 0
    for part in rows.vectors(site, max(1, STRETCH_BYTES // (4 * site.width))):
        if cancel is not None:
            cancel.check()
        yield start, torch.from_numpy(part).float()
        start += len(part)


def _some(
    rows: Rows, site: Site, numbers: Array, cancel: Cancel | None
) -> Float[Tensor, "row width"]:
    """The vectors of some rows, ascending: read in one pass, which is faster than one by one."""
    found = torch.empty(len(numbers), site.width)
    for start, part in _stretches(rows, site, cancel):
        first, end = np.searchsorted(numbers, [start, start + len(part)])
        found[first:end] = part[torch.from_numpy(numbers[first:end] - start)]
    return found


class _Sample:
    """A sample in memory, as k-means takes vectors."""

    def __init__(self, held: Tensor) -> None:
        self._held = held
        self.shape = (len(held), held.shape[1])

    def stretches(self, cancel: Cancel | None = None) -> Iterator[tuple[int, Tensor]]:
        if cancel is not None:
            cancel.check()
        yield 0, self._held

    def rows(self, numbers: Sequence[int]) -> Tensor:
        return self._held[list(numbers)]


def _centres_of(sample: Tensor, n: int, cancel: Cancel | None) -> Float[Tensor, "list width"]:
    """The directions of the sums of n groups of like vectors."""
    labels = spherical_kmeans(_Sample(sample), n, 0, cancel, None, iterations=ITERATIONS)
    sums = torch.zeros(n, sample.shape[1])
    sums.index_add_(0, torch.from_numpy(labels).long(), sample)
    return normalize(sums, dim=-1)


def _pass_over(
    rows: Rows,
    site: Site,
    words: Mask,
    sentence: Array,
    centres: Tensor,
    queries: Array,
    asked: Tensor,
    cancel: Cancel | None,
) -> tuple[Array, Array]:
    """In one pass the list of each row, -1 for special tokens, and the rows nearest to queries.

    Returns [row] and [query, depth], nearest first, of other sentences than the query's own.
    """
    labels = np.full(len(words), -1, np.int32)
    depth = max(1, min(DEPTHS[-1], int(words.sum()) - int(np.bincount(sentence[words]).max())))
    best, which = torch.full((len(asked), depth), -torch.inf), torch.zeros(len(asked), depth).long()
    own, of = torch.from_numpy(sentence[queries])[:, None], torch.from_numpy(sentence)
    for start, part in _stretches(rows, site, cancel):
        here = torch.from_numpy(np.flatnonzero(words[start : start + len(part)]))
        for places in torch.split(here, max(1, PRODUCT_BYTES // (4 * (len(centres) + len(asked))))):
            unit = part[places]
            labels[start + places.numpy()] = (unit @ centres.T).argmax(-1).int().numpy()
            numbers = start + places
            scores = asked @ unit.T
            scores[of[numbers] == own] = -torch.inf
            near = scores.topk(min(depth, len(numbers)))
            both = torch.cat([best, near.values], 1).topk(depth)
            which = torch.cat([which, numbers[near.indices]], 1).gather(1, both.indices)
            best = both.values
    return labels, which.numpy()


def _measured(n: int, sizes: Array, found: Array, likeness: Tensor) -> ListsAbout:
    """How many lists a search has to look at, and what it finds.

    Args:
        sizes: of each list.
        found: the lists [query, depth] that have the nearest tokens of each query.
        likeness: of each query to each centre [query, list].
    """
    ranks = likeness.argsort(dim=1, descending=True).argsort(dim=1).numpy()
    needed = np.take_along_axis(ranks, found, 1)  # lists that are looked at before that one
    enough = np.sort(needed[:, :DEPTH].reshape(-1))
    probes = int(enough[math.ceil(RECALL * len(enough)) - 1]) + 1
    looked_at = (ranks < probes) @ sizes
    recalls = tuple((k, float((needed[:, :k] < probes).mean())) for k in DEPTHS)
    return ListsAbout(n, len(sizes), probes, float(looked_at.mean()) / max(1, n), recalls)
