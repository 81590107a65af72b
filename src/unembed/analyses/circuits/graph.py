"""The nodes and edges of a model's residual stream, as names. Torch-free.

Sources write to the stream: the embedding, heads, feed-forwards. What reads it: each head's query,
key and value, feed-forwards, the logits. Every source has an edge to everything that reads later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

SIDES = ("q", "k", "v")
ARROW = ">"


@dataclass(frozen=True)
class Layer:
    """One layer: how many heads, whether it has a feed-forward, and whether that reads beside."""

    n_heads: int
    mlp: bool
    parallel: bool


@dataclass(frozen=True)
class Graph:
    """All sources, all that read, and the edges between them."""

    layers: tuple[Layer, ...]

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """In the order in which they write: "embed", "L0.H0", ..., "L0.mlp", ..."""
        found = ["embed"]
        for number, layer in enumerate(self.layers):
            found += [f"L{number}.H{head}" for head in range(layer.n_heads)]
            found += [f"L{number}.mlp"] if layer.mlp else []
        return tuple(found)

    @cached_property
    def readers(self) -> tuple[str, ...]:
        """In the order in which they read: "L0.H0.q", "L0.H0.k", ..., "L0.mlp", ..., "logits"."""
        found: list[str] = []
        for number, layer in enumerate(self.layers):
            found += [
                f"L{number}.H{head}.{side}" for head in range(layer.n_heads) for side in SIDES
            ]
            found += [f"L{number}.mlp"] if layer.mlp else []
        return (*found, "logits")

    @cached_property
    def nodes(self) -> frozenset[str]:
        """All that an edge starts or ends at."""
        return frozenset((*self.sources, "logits"))

    def reads_of(self, layer: int) -> range:
        """The numbers among `readers` of a layer's queries, keys and values."""
        start = sum(3 * one.n_heads + one.mlp for one in self.layers[:layer])
        return range(start, start + 3 * self.layers[layer].n_heads)

    def first_of(self, layer: int) -> int:
        """How many sources write before a layer."""
        return 1 + sum(one.n_heads + one.mlp for one in self.layers[:layer])

    @cached_property
    def before(self) -> tuple[int, ...]:
        """For each that reads: how many of the sources, the first ones, have written by then."""
        found: list[int] = []
        for number, layer in enumerate(self.layers):
            first = self.first_of(number)
            found += [first] * 3 * layer.n_heads
            found += [first if layer.parallel else first + layer.n_heads] if layer.mlp else []
        return (*found, len(self.sources))

    @property
    def n_edges(self) -> int:
        """How many edges there are."""
        return sum(self.before)

    def numbers(self, source: str, target: str) -> tuple[int, int] | None:
        """An edge by its names, as numbers among sources and readers; None where there is none."""
        if source not in self._source_numbers or target not in self._reader_numbers:
            return None
        found = self._source_numbers[source], self._reader_numbers[target]
        return found if found[0] < self.before[found[1]] else None

    @cached_property
    def _source_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.sources)}

    @cached_property
    def _reader_numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.readers)}


def edge_name(source: str, target: str) -> str:
    """An edge by its two ends: "L11.H3>L13.H3.q"."""
    return f"{source}{ARROW}{target}"


def node_of(reader: str) -> str:
    """The node that a reader is part of: "L3.H2.q" -> "L3.H2"."""
    parts = reader.split(".")
    return ".".join(parts[:2])


def areas(shares: Sequence[float], faithful: Sequence[float]) -> tuple[float, float]:
    """MIB's two scores of a faithfulness curve (Mueller et al. 2025): CPR and CMD.

    CPR is the area under it, higher is better; CMD the area between it and 1, lower is better.
    Trapezoids over the shares as they are, which must grow; outside them nothing counts.
    """
    cpr = cmd = 0.0
    for place in range(1, len(shares)):
        width = shares[place] - shares[place - 1]
        here, last = faithful[place], faithful[place - 1]
        cpr += width * (here + last) / 2
        cmd += width * (abs(1 - here) + abs(1 - last)) / 2
    return cpr, cmd
