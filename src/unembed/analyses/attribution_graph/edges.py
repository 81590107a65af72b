"""Direct edges: how much each thing that writes to the stream adds to each that reads it.

A row of targets goes back through the layers once: past attention with patterns held, past norms
with scales held, and past no feed-forward, whose latents are nodes of their own. What a source
writes along the direction that arrives at its place is its edge (Ameisen et al. 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.held import Held
from unembed.analyses.attribution_graph.sources import Sources, numbers
from unembed.engine.cancel import Cancel

if TYPE_CHECKING:
    from jaxtyping import Float, Int

NUMBERS_AT_ONCE = 2**25  # of directions [row, pos, d_model]


@dataclass(frozen=True, eq=False)
class Start:
    """A target: the direction along which it reads the stream, at a position before a layer's
    feed-forward; behind the last layer with `layer` n_layers.
    """

    layer: int
    position: int
    direction: Float[Tensor, " d_model"]


class Edges:
    """The edges of one run, row by row."""

    def __init__(self, held: Held, sources: Sources, cancel: Cancel | None = None) -> None:
        self.held, self.sources, self.cancel = held, sources, cancel
        self.blocks = held.model.anatomy.blocks

    @property
    def at_once(self) -> int:
        """How many targets go back together."""
        each = self.sources.embed.numel()
        return max(1, min(512, NUMBERS_AT_ONCE // each))

    def latent_starts(self, columns: Sequence[int]) -> list[Start]:
        """How latents read, by their columns among the sources."""
        by_layer: dict[int, list[tuple[int, int]]] = {}
        for order, column in enumerate(columns):
            layer, number = self.sources.where(column)
            by_layer.setdefault(layer, []).append((order, number))
        found: dict[int, Start] = {}
        for layer, some in by_layer.items():
            one = self.sources.transcoded[layer]
            chosen = numbers([number for _, number in some], one.at)
            rows = one.starts(self.held, chosen)
            for (order, number), row in zip(some, rows, strict=True):
                found[order] = Start(layer, int(one.at[number]), row)
        return [found[order] for order in range(len(columns))]

    @torch.no_grad()
    def pairs(self, start: Start, column: int) -> dict[int, Float[Tensor, "head query key"]]:
        """By layer, how much of one edge each pair of query and key moves on its way.

        A path through several heads counts at each of them.
        """
        ways: dict[int, Tensor] = {}
        self._together([start], ways)
        written, found = self.sources.written(column), dict[int, Tensor]()
        first = min(written)
        stream = written[first]
        for here in range(first + 1, min(len(self.blocks), start.layer + 1)):
            if here in ways:  # not of a parallel layer that the target itself is in
                attention = self.held.layers[here]
                found[here] = attention.pairs(ways[here][0], stream)
                moved = attention.carry(stream)
                skipped = self._along_skip(
                    here, stream if self.blocks[here].parallel else stream + moved
                )
                stream = stream + moved + skipped
            stream = stream + written.get(here, 0)
        return found

    @torch.no_grad()
    def rows(self, starts: Sequence[Start]) -> Float[Tensor, "target source"]:
        """The edges of targets from every source; 0 from what writes later."""
        found = self.sources.embed.new_zeros(len(starts), self.sources.n_columns)
        order = sorted(range(len(starts)), key=lambda number: -starts[number].layer)
        for first in range(0, len(order), self.at_once):
            if self.cancel is not None:
                self.cancel.check()
            some = order[first : first + self.at_once]
            found[some] = self._together([starts[number] for number in some])
        return found

    # ------------------------------------------------------------ inside

    def _together(
        self, starts: Sequence[Start], seen: dict[int, Tensor] | None = None
    ) -> Float[Tensor, "target source"]:
        """Of targets whose layers descend: each joins the others at its layer.

        `seen` is given the directions behind each layer's attention.
        """
        embed = self.sources.embed
        found = embed.new_zeros(len(starts), self.sources.n_columns)
        ways = embed.new_zeros(len(starts), *embed.shape)
        for row, start in enumerate(starts):
            ways[row, start.position] = start.direction.to(ways)
        for block in reversed(self.blocks):
            behind = sum(start.layer > block.layer for start in starts)
            joined = sum(start.layer >= block.layer for start in starts)
            readers = behind if block.parallel else joined
            if readers:
                before = self._at_mlp(block.layer, ways[:behind], found[:behind])
                if before is not None and not block.parallel:
                    ways[:behind] += before
                if seen is not None:
                    seen[block.layer] = ways[:readers].clone()
                ways[:readers] += self.held.layers[block.layer].back(ways[:readers])
                if before is not None and block.parallel:
                    ways[:behind] += before
        token = self.sources.first_token
        found[:, token:] = torch.einsum("rpm,pm->rp", ways, embed)
        return found

    def _at_mlp(
        self, layer: int, ways: Float[Tensor, "row pos d_model"], found: Tensor
    ) -> Tensor | None:
        """Edges from what a layer's feed-forward writes; what goes past it along a skip."""
        if not len(ways) or layer not in self.sources.errors:
            return None
        first = self.sources.first_error(layer)
        places = slice(first, first + self.sources.n_positions)
        found[:, places] = torch.einsum("rpm,pm->rp", ways, self.sources.errors[layer])
        for number, each in self.sources.transcoded.items():
            if (written := each.written.get(layer)) is not None:
                first = self.sources.first_latent(number)
                found[:, first : first + len(each.at)] += _of_latents(each.at, written, ways)
        one = self.sources.transcoded.get(layer)
        return None if one is None else one.skipped(self.held, ways)

    def _along_skip(
        self, layer: int, stream: Float[Tensor, "pos d_model"]
    ) -> Float[Tensor, "pos d_model"]:
        """What the map beside a layer's latents writes for a part of the stream."""
        one = self.sources.transcoded.get(layer)
        skip = None if one is None else one.sae.weights.skip
        if one is None or skip is None:
            return torch.zeros_like(stream)
        read = stream
        if one.reads.site == "mlp_in":
            read = self.held.mlp_norms[layer].carry(stream)
        return read @ skip.to(read)


def _of_latents(
    at: Int[Tensor, " active"],
    written: Float[Tensor, "active d_model"],
    ways: Float[Tensor, "row pos d_model"],
) -> Float[Tensor, "row active"]:
    """Of the active latents, position by position, as they are in order."""
    counts = torch.bincount(at, minlength=ways.shape[1]).tolist()
    parts = torch.split(written, counts)
    return torch.cat([ways[:, at] @ part.T for at, part in enumerate(parts)], 1)
