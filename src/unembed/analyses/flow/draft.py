"""A flow graph while it is made: nodes and links that name vectors by row, and the vectors.

All vectors of all layers are read in one walk through the vocabulary when the draft is whole, and
only then do nodes get their readings, and links the numbers that colour them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from unembed.analyses.flow.result import FlowCut, FlowLink, FlowNode, FlowSum
from unembed.analyses.tools.frozen import accurate
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import Branch

if TYPE_CHECKING:
    from jaxtyping import Float


Sign = Literal[1, -1]


@dataclass(frozen=True)
class Write:
    """What a node or link adds to the residual stream: a row, so many times."""

    row: int
    coefficient: float
    layer: int | None  # None: of the embedding
    branch: Branch | None


@dataclass(frozen=True)
class DraftNode:
    """A node, the rows that it reads and under which names, and what it writes."""

    node: FlowNode
    readings: tuple[tuple[str, int], ...]
    write: Write | None


@dataclass(frozen=True)
class DraftLink:
    """A link, and what it adds to the stream; an "entropy" link is coloured by its row's."""

    link: FlowLink
    write: Write | None


@dataclass
class Draft:
    """Nodes, links, sums and vectors, in the order in which they are drawn and read.

    `signs` makes neurons and rows of W_O be read with the sign that they had elsewhere.
    """

    model: Loaded
    signs: Mapping[str, Sign] = field(default_factory=dict)
    nodes: dict[str, DraftNode] = field(default_factory=dict)
    links: list[DraftLink] = field(default_factory=list)
    sums: list[FlowSum] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _vectors: list[Tensor] = field(default_factory=list)

    def rows(self, vectors: Float[Tensor, "n d_model"]) -> list[int]:
        """Keep some vectors; returns their rows."""
        start = len(self._vectors)
        self._vectors.extend(accurate(vectors).unbind())
        return list(range(start, len(self._vectors)))

    def row(self, vector: Float[Tensor, " d_model"]) -> int:
        """Keep one vector; returns its row."""
        return self.rows(vector[None])[0]

    def vector(self, row: int) -> Float[Tensor, " d_model"]:
        """One of the vectors kept."""
        return self._vectors[row]

    def signed(
        self, name: str, activation: float, unit: Float[Tensor, " d_model"]
    ) -> tuple[Sign, list[tuple[str, int]]]:
        """The sign with which a unit write is read, and its readings."""
        sign: Sign = self.signs.get(name, -1 if activation < 0 else 1)
        row = self.row(sign * unit)
        if sign > 0:
            return sign, [("", row)]
        return sign, [("", row), ("suppressed", self.row(unit))]

    def vectors(self) -> Float[Tensor, "row d_model"]:
        """All vectors, on the device of the first."""
        device = self._vectors[0].device
        return torch.stack([vector.to(device) for vector in self._vectors])

    def add(self, node: FlowNode, *readings: tuple[str, int], write: Write | None = None) -> None:
        """Add a node, once; its first reading is its own."""
        self.nodes.setdefault(node.id, DraftNode(node, readings, write))

    def join(self, link: FlowLink, write: Write | None = None) -> None:
        """Add a link. Where it writes, its row and coefficient are those of the write."""
        if write is not None:
            link = replace(link, row=write.row, coefficient=write.coefficient)
        self.links.append(DraftLink(link, write))

    def signs_of_nodes(self) -> dict[str, Sign]:
        """The sign of every node; for another draft of the same selection."""
        return {name: draft.node.sign for name, draft in self.nodes.items()}


def zero(target: str, position: int) -> FlowCut:
    """The cut that an ordinary edit makes."""
    return FlowCut("zero", f"{target}@{position}")


def cut(name: str, position: int) -> FlowCut:
    """The cut that `unembed.cut` makes edits for."""
    return FlowCut("cut", f"{name}@{position}")
