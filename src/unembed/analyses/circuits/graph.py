"""The nodes and edges of a model's residual stream, as names. Torch-free.

Sources write to the stream: the embedding, heads, feed-forwards. What reads it: each head's query,
key and value, feed-forwards, the logits. Every source has an edge to everything that reads later.

By position an edge is one for each position, "L8.H1@5>L11.H3.q@5": the stream of a position is read
at that position alone. What a head writes at one position it has read, by its keys and values, at
others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

SIDES = ("q", "k", "v")
ARROW = ">"
AT = "@"
Place = tuple[int | slice, ...]  # of an edge in a mask: source, reader, and by position that


@dataclass(frozen=True)
class Layer:
    """One layer: how many heads, whether it has a feed-forward, and whether that reads beside."""

    n_heads: int
    mlp: bool
    parallel: bool


@dataclass(frozen=True)
class Graph:
    """All sources, all that read, and the edges between them.

    Args:
        positions: how many positions have edges of their own; None: an edge is over all of them.
        answer: by position, the one at which the logits are read; None: not known yet.
    """

    layers: tuple[Layer, ...]
    positions: int | None = None
    answer: int | None = None

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
        """How many edges there are: to the logits, at the position of the answer alone."""
        if self.positions is None:
            return sum(self.before)
        return sum(self.before[:-1]) * self.positions + self.before[-1]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a mask of edges: [source, reader], by position [source, reader, pos]."""
        last = () if self.positions is None else (self.positions,)
        return (len(self.sources), len(self.readers), *last)

    def names(self, source: int, reader: int, position: int | None = None) -> tuple[str, str]:
        """The two ends of an edge, by its numbers."""
        at = "" if position is None else f"{AT}{position}"
        return self.sources[source] + at, self.readers[reader] + at

    def numbers(self, source: str, target: str) -> Place | None:
        """Where an edge stands in a mask, by its names; None where there is none.

        By position an edge without one is that of all positions.
        """
        (from_, at), (to, there) = self.parted(source), self.parted(target)
        row, column = self._source_numbers.get(from_), self._reader_numbers.get(to)
        if row is None or column is None or row >= self.before[column] or at != there:
            return None
        if self.positions is None:
            return None if at is not None else (row, column)
        if to == "logits" and self.answer is not None and at not in (None, self.answer):
            return None
        return row, column, slice(None) if at is None else at

    def node_numbers(self, name: str) -> Place | None:
        """A node by its number among `sources`, the logits behind them; by position that, too."""
        node, at = self.parted(name)
        number = len(self.sources) if node == "logits" else self._source_numbers.get(node)
        if number is None or (self.positions is None and at is not None):
            return None
        return (number,) if self.positions is None else (number, slice(None) if at is None else at)

    @cached_property
    def reader_nodes(self) -> tuple[int, ...]:
        """For each that reads, the number of its node among `sources`; the logits behind them."""
        numbers = self._source_numbers | {"logits": len(self.sources)}
        return tuple(numbers[node_of(reader)] for reader in self.readers)

    def parted(self, name: str) -> tuple[str, int | None]:
        """A name without its position, and that, counted from the start.

        A position that there is not stays with the name, which then is none of the graph's.
        """
        found = re.fullmatch(rf"([^{AT}]+){AT}(-?[0-9]{{1,7}})", name, re.ASCII)
        if found is None:
            return name, None
        at, most = int(found[2]), self.positions
        if most is not None and not -most <= at < most:
            return name, None
        return found[1], at % most if most is not None else at

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
    """The node that a reader is part of: "L3.H2.q" -> "L3.H2", "L3.H2.q@5" -> "L3.H2@5"."""
    name, at, position = reader.partition(AT)
    return ".".join(name.split(".")[:2]) + at + position


def place_of(name: str) -> tuple[str, int | None]:
    """A node, or what reads, and its position: "L3.H2@5" -> "L3.H2", 5."""
    stem, at, position = name.partition(AT)
    return stem, int(position) if at else None


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
