"""Bounds of the products of a site's rows with a query: of all heads together, or head by head."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from unembed.index.corpus.about import Site
from unembed.index.corpus.leading import Leading, is_faster, leading_bytes
from unembed.index.store import Array

LEAST_ROWS = 100_000  # fewer are compared whole in a few milliseconds
SAMPLE = 16_384  # rows by which directions are chosen


class Vectors(Protocol):
    """What is bounded: rows [n, width] in half precision."""

    def rows(self, numbers: Array) -> Array:
        """Some rows, in the order asked for."""

    def stretches(self) -> Iterator[Tensor]:
        """All rows in order, some at a time."""


@dataclass(frozen=True, eq=False)
class Bounding:
    """What no product of a row with one direction is above: the sum over groups of columns."""

    parts: Sequence[tuple[Leading, Tensor]]  # with the direction's own columns

    def bounds(self) -> Tensor:
        """Of all rows."""
        return torch.stack([leading.bounds(own) for leading, own in self.parts]).sum(0)

    def tighter(self, rows: Tensor, bounds: Tensor) -> Tensor:
        """Of some rows, whose bounds are known."""
        for leading, own in self.parts:
            bounds = leading.tighter(own, rows, bounds)
        return bounds


class SiteBounds:
    """What bounds are made of, for the columns that are asked for again, where there is room.

    Not for those that are asked for once: making them takes as long as some fifty searches without.
    Thread-safe.

    Args:
        n: rows of the site.
        room: how many bytes are left in memory.
    """

    def __init__(self, site: Site, n: int, room: Callable[[], int]) -> None:
        self._site, self._n, self._room = site, n, room
        self._made: dict[tuple[int, int], Leading] = {}  # by first column and last
        self._asked: set[tuple[int, int]] = set()
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What they take in memory."""
        return sum(leading_bytes(self._n, end - start) for start, end in list(self._made))

    def drop(self) -> None:
        """Give their memory back; they are made again where there is room."""
        self._made = {}

    def of(self, vectors: Vectors, direction: Tensor) -> Bounding | None:
        """For a direction [width]; of all heads together, or of each of a half of them or fewer.

        None where there are none: few rows, no room, a machine that is no faster by them, or the
        first time.
        """
        each = self._site.width // self._site.heads
        used = direction.reshape(-1, each).any(1).nonzero()[:, 0].tolist()
        columns = [(head * each, (head + 1) * each) for head in used]
        if 2 * len(used) > self._site.heads:
            columns = [(0, self._site.width)]
        if self._n < LEAST_ROWS or not all(is_faster(end - start) for start, end in columns):
            return None
        found = [(self._leading(vectors, *one), direction[slice(*one)].float()) for one in columns]
        known = [(leading, own) for leading, own in found if leading is not None]
        return Bounding(known) if len(known) == len(columns) else None

    def _leading(self, vectors: Vectors, start: int, end: int) -> Leading | None:
        columns = (start, end)
        with self._lock:
            made, before = self._made, columns in self._asked
            self._asked.add(columns)
            if columns not in made:
                if not before or leading_bytes(self._n, end - start) > self._room():
                    return None
                made[columns] = self._made_of(vectors, slice(start, end))
            return made[columns]

    def _made_of(self, vectors: Vectors, columns: slice) -> Leading:
        numbers = np.arange(0, self._n, max(1, self._n // SAMPLE))
        leading = Leading(torch.from_numpy(vectors.rows(numbers))[:, columns].float(), self._n)
        start = 0
        for rows in vectors.stretches():
            leading.fill(start, rows[:, columns].float())
            start += len(rows)
        return leading
