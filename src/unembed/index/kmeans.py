"""Spherical k-means: groups of vectors by direction, over vectors that need not fit in memory.

Lloyd's iterations with cosine similarity (Dhillon and Modha 2001), started by k-means++ (Arthur
and Vassilvitskii 2007) on a sample. The same seed gives the same groups on the same machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from unembed.engine.cancel import Cancel
from unembed.index.store import Array
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


MOST_ITERATIONS = 30
SETTLED = 1e-3  # share of the vectors that may still move when it ends
SAMPLE_EACH = 8  # vectors of the sample that centres are drawn from, per centre
SIMILARITY_BYTES = 32 * 1024 * 1024


class Vectors(Protocol):
    """What is grouped: float32 [n, d]."""

    shape: tuple[int, int]

    def stretches(self, cancel: Cancel | None = None) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows) in order, some megabytes each."""

    def rows(self, numbers: Sequence[int]) -> Tensor:
        """Some rows, in the order asked for."""


@torch.no_grad()
def spherical_kmeans(
    vectors: Vectors,
    n: int,
    seed: int,
    cancel: Cancel | None,
    progress: Progress | None,
    *,
    iterations: int = MOST_ITERATIONS,
) -> Array:
    """The group of each vector, 0 to n - 1; none is empty. Vectors of zeros join any group."""
    centres = _first_centres(vectors, n, seed, cancel)
    labels = np.full(vectors.shape[0], -1, np.int64)
    for iteration in range(iterations):
        if progress is not None:
            progress("clustering", iteration, iterations)
        found, near, sums = _assign(vectors, centres, cancel)
        moved = float((found != labels).mean())
        labels = _without_empty(found, near, n)
        if moved <= SETTLED:
            break
        centres = _centres(vectors, labels, found, sums)
    return labels.astype(np.int32)


def _first_centres(
    vectors: Vectors, n: int, seed: int, cancel: Cancel | None
) -> Float[Tensor, "n d"]:
    """k-means++: each centre far from those before it, drawn by squared distance."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(vectors.shape[0], generator=generator)[: SAMPLE_EACH * n]
    sample = normalize(vectors.rows(drawn.tolist()), dim=-1)
    chosen, distance = [0], torch.full((len(sample),), torch.inf)
    while len(chosen) < n:
        if cancel is not None:
            cancel.check()
        distance = torch.minimum(distance, (1 - sample @ sample[chosen[-1]]).clamp_min(0))
        distance[chosen] = 0
        weights = distance.double()
        total = weights.cumsum(0)
        if float(total[-1]) <= 0:  # fewer directions than centres: any will do
            rest = sorted(set(range(len(sample))) - set(chosen))
            chosen += rest[: n - len(chosen)]
            break
        point = torch.rand((), generator=generator, dtype=torch.float64) * total[-1]
        chosen.append(min(int(torch.searchsorted(total, point, right=True)), len(sample) - 1))
    return sample[chosen].clone()


def _assign(
    vectors: Vectors, centres: Tensor, cancel: Cancel | None
) -> tuple[Array, Array, Tensor]:
    """The nearest centre of each vector, its cosine, and the sum of each centre's vectors."""
    sums = torch.zeros_like(centres)
    labels, nearness = [], []
    step = max(1, SIMILARITY_BYTES // (4 * len(centres)))
    for _, rows in vectors.stretches(cancel):
        for part in torch.split(rows, step):
            unit = normalize(part, dim=-1)
            near, label = (unit @ centres.T).max(-1)
            sums.index_add_(0, label, unit)
            labels.append(label)
            nearness.append(near)
    return torch.cat(labels).numpy(), torch.cat(nearness).numpy(), sums


def _without_empty(labels: Array, near: Array, n: int) -> Array:
    """Every empty group gets the vector that fits its own group worst, and is not alone there."""
    sizes = np.bincount(labels, minlength=n)
    empty = np.flatnonzero(sizes == 0)
    if not len(empty):
        return labels
    labels = labels.copy()
    worst = iter(np.argsort(near, kind="stable"))
    for group in empty:
        row = next(row for row in worst if sizes[labels[row]] > 1)
        sizes[labels[row]] -= 1
        labels[row] = group
        sizes[group] = 1
    return labels


def _centres(vectors: Vectors, labels: Array, found: Array, sums: Tensor) -> Tensor:
    """Directions of the sums, after what `_without_empty` moved was moved."""
    moved = np.flatnonzero(labels != found)
    if len(moved):
        rows = normalize(vectors.rows(moved.tolist()), dim=-1)
        sums = sums.index_add(0, torch.from_numpy(found[moved]), -rows)
        sums = sums.index_add(0, torch.from_numpy(labels[moved]), rows)
    return normalize(sums, dim=-1)
