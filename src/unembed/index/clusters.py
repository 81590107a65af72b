"""Clusters of value vectors: computed once, kept with the index."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch

from unembed.analyses.tools.projections import scores_of
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.errors import InputError
from unembed.index.about import IndexAbout
from unembed.index.hits import Cluster, Scores
from unembed.index.kmeans import spherical_kmeans
from unembed.index.linkage import check_memory, complete_linkage
from unembed.index.matrix import ValueMatrix
from unembed.index.options import ClustersOptions
from unembed.index.store import Array
from unembed.index.tables import Tables
from unembed.models.progress import Progress

VECTORS_EACH = 30  # LM-Debugger's 3,000 clusters of GPT-2 medium's 98,304 vectors
POOLED = 30


class Vectors(Protocol):
    """What clusters are made of: an index, seen from below."""

    about: IndexAbout
    vectors: ValueMatrix

    @property
    def model(self) -> Loaded:
        """Whose vectors they are."""

    @property
    def tables(self) -> Tables:
        """Where clusters are kept."""

    def __len__(self) -> int: ...

    def row(self, node: str) -> int:
        """Where a vector stands in `vectors`."""

    def node(self, row: int) -> str:
        """The name of the vector in this row."""

    def lists(self, side: str) -> tuple[Array, Array]:
        """Ids and scores [vectors, top_k] of one side."""

    def memory(self, name: str) -> Any:
        """What was remembered under a name, or None."""

    def remember(self, name: str, value: object) -> None:
        """Keep something as long as the index is open."""


class Clusters:
    """Every vector in one cluster. Cluster 0 is the largest."""

    def __init__(self, index: Vectors, name: str, labels: Array, cosines: Array) -> None:
        self.name = name
        self.method, n, seed = name.split("-")
        self.n, self.seed = int(n), int(seed)
        self.labels = labels
        self._cosines = cosines
        self._index = index
        self._order = np.lexsort((-cosines, labels))  # by cluster, the most central first
        self._starts = np.searchsorted(labels[self._order], np.arange(self.n + 1))

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"Clusters({self.name!r}, of {len(self.labels):,} vectors)"

    @property
    def sizes(self) -> tuple[int, ...]:
        """Members of each cluster."""
        return tuple(int(size) for size in np.diff(self._starts))

    def of(self, node: str) -> int:
        """The cluster of a vector."""
        return int(self.labels[self._index.row(node)])

    def cluster(self, number: int) -> Cluster:
        """One cluster; raises InputError for a number that there is not."""
        rows = self._rows(number)
        return Cluster(
            id=number,
            size=len(rows),
            members=tuple(self._index.node(row) for row in rows),
            cosines=tuple(float(self._cosines[row]) for row in rows),
            tokens=self.tokens(number),
        )

    def central(self, number: int, n: int = 5) -> tuple[str, ...]:
        """The members nearest to the cluster's mean direction."""
        return tuple(self._index.node(row) for row in self._rows(number)[:n])

    def tokens(self, number: int, n: int = POOLED) -> Scores:
        """What the members promote together.

        The score of a token is the mean over members of its score as a share of the member's best
        one; 0 for members that do not list it.
        """
        rows = self._rows(number)
        ids, scores = (column[rows] for column in self._index.lists("promoted"))
        top = scores[:, :1]
        share = np.divide(scores, top, out=np.zeros_like(scores), where=top > 0).clip(0)
        tokens, place = np.unique(ids, return_inverse=True)
        pooled = np.bincount(place.reshape(-1), weights=share.reshape(-1)) / len(rows)
        best = np.argsort(-pooled, kind="stable")[:n]
        return scores_of(self._index.model, tokens[best].tolist(), pooled[best].tolist())

    def _rows(self, number: int) -> list[int]:
        if not 0 <= number < self.n:
            raise InputError(
                f"cluster {number} is not in {self.name}: it has clusters 0-{self.n - 1}",
                field="cluster",
                value=number,
                legal=f"0-{self.n - 1}",
            )
        found = self._order[self._starts[number] : self._starts[number + 1]]
        return [int(row) for row in found]


def default_n(n_vectors: int) -> int:
    """How many clusters there are unless said otherwise."""
    return max(1, min(n_vectors, round(n_vectors / VECTORS_EACH)))


def obtain(
    index: Vectors,
    options: ClustersOptions,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Clusters:
    """See `VectorIndex.clusters`."""
    method, seed = options.method, options.seed
    n = default_n(len(index)) if options.n is None else options.n
    if n > len(index):
        raise InputError(
            f"n is {n}; there are {len(index)} vectors to put into clusters",
            field="n",
            value=n,
            legal=f"1 to {len(index)}",
        )
    name = f"{method}-{n}-{seed if method == 'kmeans' else 0}"
    found = _kept(index, name)
    if found is None:
        found = _computed(index, n, method, seed, cancel, progress)
        index.tables.write(f"clusters-{name}", found)
    return Clusters(index, name, found["cluster"], found["cosine"])


def known(index: Vectors, row: int) -> dict[str, int]:
    """The cluster of a vector in every clustering that was computed before."""
    found = {}
    for folder in sorted(index.tables.version.glob("clusters-*.lance")):
        name = folder.name.removeprefix("clusters-").removesuffix(".lance")
        kept = _kept(index, name)
        if kept is not None:
            found[name] = int(kept["cluster"][row])
    return found


def _kept(index: Vectors, name: str) -> dict[str, Array] | None:
    """A clustering from memory or from disk; None unless it is whole."""
    held: dict[str, Array] | None = index.memory(f"clusters {name}")
    if held is None:
        held = index.tables.read(f"clusters-{name}", ("cluster", "cosine"))
        if held is None or len(held["cluster"]) != len(index):
            return None
        index.remember(f"clusters {name}", held)
    return held


def _computed(
    index: Vectors,
    n: int,
    method: str,
    seed: int,
    cancel: Cancel | None,
    progress: Progress | None,
) -> dict[str, Array]:
    """Labels, largest cluster first, and each vector's cosine with its cluster's mean."""
    if method == "kmeans":
        labels = spherical_kmeans(index.vectors, n, seed, cancel, progress)
    else:
        check_memory(len(index), index.model.settings.max_linkage_bytes)
        unit = torch.nn.functional.normalize(index.vectors.whole(), dim=-1)
        labels = complete_linkage(unit, n, cancel, progress)
    sizes = np.bincount(labels, minlength=n)
    place = np.empty(n, np.int32)
    place[np.argsort(-sizes, kind="stable")] = np.arange(n, dtype=np.int32)
    labels = place[labels]
    return {"cluster": labels, "cosine": _cosines(index, labels, n)}


def _cosines(index: Vectors, labels: Array, n: int) -> Array:
    """Cosine of each vector with the mean direction of its cluster."""
    of = torch.from_numpy(labels).long()
    means = torch.zeros(n, index.about.d)
    for start, rows in index.vectors.stretches():
        unit = torch.nn.functional.normalize(rows, dim=-1)
        means.index_add_(0, of[start : start + len(rows)], unit)
    means = torch.nn.functional.normalize(means, dim=-1)
    parts = [
        (torch.nn.functional.normalize(rows, dim=-1) * means[of[start : start + len(rows)]]).sum(-1)
        for start, rows in index.vectors.stretches()
    ]
    cosines: Array = torch.cat(parts).numpy()
    return cosines
