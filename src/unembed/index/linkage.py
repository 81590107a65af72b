"""Exact complete-linkage clustering by cosine distance: the n x n distances are held.

The nearest-neighbour chain (Murtagh 1983) finds the same merges as the plain method, which looks
for the smallest distance of all each time, in n² steps instead of n³; where distances tie, either
may merge first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.errors import TooLargeError
from unembed.index.store import Array
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


ROWS_AT_ONCE = 1024
BYTES_EACH = 4  # float32


def check_memory(n: int, limit: int) -> None:
    """Raise TooLargeError where n x n distances are more than the limit, with the numbers."""
    needed = BYTES_EACH * n * n
    if needed > limit:
        raise TooLargeError(
            f"complete linkage of {n:,} vectors holds {needed / 1e9:,.1f} GB of distances; the "
            f"limit is {limit / 1e9:,.1f} GB (max_linkage_bytes)",
            field="method",
            value="complete",
            legal=f"up to {int((limit / BYTES_EACH) ** 0.5):,} vectors",
            fix='use method="kmeans", or raise UNEMBED_MAX_LINKAGE_BYTES',
        )


@torch.no_grad()
def complete_linkage(
    unit: Float[Tensor, "n d"], n_clusters: int, cancel: Cancel | None, progress: Progress | None
) -> Array:
    """The cluster of each unit vector, 0 to n_clusters - 1."""
    distances = _distances(unit, cancel)
    merges = _chain(distances, cancel, progress)
    merges.sort(key=lambda merge: merge[2])
    return _cut(len(unit), merges[: len(unit) - n_clusters])


def _distances(unit: Tensor, cancel: Cancel | None) -> Array:
    """1 - cosine, symmetric to the last bit; infinite on the diagonal."""
    n = len(unit)
    found = np.empty((n, n), np.float32)
    for start in range(0, n, ROWS_AT_ONCE):
        if cancel is not None:
            cancel.check()
        stop = min(start + ROWS_AT_ONCE, n)
        block = (1 - unit[start:stop] @ unit[start:].T).float().numpy()
        own = block[:, : stop - start]
        block[:, : stop - start] = np.minimum(own, own.T)
        found[start:stop, start:] = block
        found[start:, start:stop] = block.T
    np.fill_diagonal(found, np.inf)
    return found


def _chain(
    distances: Array, cancel: Cancel | None, progress: Progress | None
) -> list[tuple[int, int, float]]:
    """All merges, as (a row of the one, a row of the other, distance); overwrites distances."""
    n = len(distances)
    alive = np.ones(n, bool)
    merges: list[tuple[int, int, float]] = []
    chain: list[int] = []
    while len(merges) < n - 1:
        if not chain:
            chain = [int(alive.argmax())]
        last = chain[-1]
        row = distances[last]
        nearest = int(row.argmin())
        if len(chain) > 1 and row[chain[-2]] <= row[nearest]:
            nearest = chain[-2]  # of equals the one before it, or the chain would never end
        if len(chain) == 1 or nearest != chain[-2]:
            chain.append(nearest)
            continue
        merges.append((last, nearest, float(row[nearest])))
        _merge(distances, last, nearest)
        alive[nearest] = False
        del chain[-2:]
        _tell(len(merges), n, cancel, progress)
    return merges


def _merge(distances: Array, kept: int, gone: int) -> None:
    """Complete linkage: from the union, everything is as far as from the farther one."""
    farther = np.maximum(distances[kept], distances[gone])
    farther[[kept, gone]] = np.inf
    distances[kept], distances[:, kept] = farther, farther
    distances[gone], distances[:, gone] = np.inf, np.inf


def _tell(done: int, n: int, cancel: Cancel | None, progress: Progress | None) -> None:
    if done % 256:
        return
    if progress is not None:
        progress("clustering", done, n)
    if cancel is not None:
        cancel.check()


def _cut(n: int, merges: list[tuple[int, int, float]]) -> Array:
    """Labels after some merges, numbered in the order of their first rows."""
    parent = list(range(n))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other, _ in merges:
        parent[root(one)] = root(other)
    _, labels = np.unique([root(row) for row in range(n)], return_inverse=True)
    return labels.reshape(-1).astype(np.int32)
