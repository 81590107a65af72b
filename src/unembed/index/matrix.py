"""All value vectors as one matrix: in memory where they fit the budget, else read in stretches.

Thread-safe. Results are the same either way, but for the last bits of a sum.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.index.about import Plan
from unembed.index.store import Array

if TYPE_CHECKING:
    from jaxtyping import Float


STRETCH_BYTES = 16 * 1024 * 1024


class Stored(Protocol):
    """Where the vectors are read from, float32."""

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        """All of them, in order, some [rows, d] at a time."""

    def take_vectors(self, rows: Sequence[int]) -> Array:
        """Some rows, in the order asked for."""


class IndexTables(Stored, Protocol):
    """What else an index reads: on disk `Tables`."""

    def columns(self, plan: Plan) -> dict[str, Array]:
        """Everything but the vectors themselves, in order."""

    def texts(self) -> list[str]:
        """The text of every token, by id."""


class ValueMatrix:
    """Value vectors [n, d] of one index, float32."""

    def __init__(self, tables: Stored, n: int, d: int, budget: int) -> None:
        self.shape = (n, d)
        self.fits = 4 * n * d <= budget
        self._tables = tables
        self._held: Tensor | None = None
        self._lock = threading.Lock()

    def stretches(self, cancel: Cancel | None = None) -> Iterator[tuple[int, Tensor]]:
        """(first row, rows) in order, some megabytes each."""
        step = max(1, STRETCH_BYTES // (4 * self.shape[1]))
        if self.fits:
            parts: Iterator[Tensor] = iter(torch.split(self.whole(), step))
        else:
            parts = map(torch.from_numpy, self._tables.vectors(step))
        start = 0
        for part in parts:
            if cancel is not None:
                cancel.check()
            yield start, part
            start += len(part)

    def whole(self) -> Float[Tensor, "n d"]:
        """All of them. Not to be written to."""
        with self._lock:
            if self._held is None:
                held = torch.empty(self.shape)
                start = 0
                for part in self._tables.vectors(max(1, STRETCH_BYTES // (4 * self.shape[1]))):
                    held[start : start + len(part)] = torch.from_numpy(part)
                    start += len(part)
                self._held = held
            return self._held

    def rows(self, numbers: Sequence[int]) -> Float[Tensor, "m d"]:
        """Some rows, in the order asked for."""
        if self.fits:
            return self.whole()[list(numbers)]
        return torch.from_numpy(self._tables.take_vectors(numbers))

    def times(self, direction: Float[Tensor, " d"]) -> Float[Tensor, " n"]:
        """The product of every row with a direction."""
        direction = direction.detach().to(device="cpu", dtype=torch.float32)
        if self.fits:
            return self.whole() @ direction
        return torch.cat([part @ direction for _, part in self.stretches()])
