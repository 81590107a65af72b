"""What widths and colours of a flow graph as a Plotly figure stand for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Literal

from unembed.analyses.flow.result import FlowGraph, FlowLink
from unembed.figures import text as shown
from unembed.figures.diagram.legend import STEPS
from unembed.figures.diagram.parts import Key
from unembed.figures.flow.words import target_name
from unembed.figures.flow_palettes import Palette

MOST_STREAM = 150.0  # px of a residual band
MOST_WRITES = 300.0  # px of all that is written side by side
MOST_WRITE = 90.0  # px of one write
MOST_INSIDE = 120.0
MOST_SCALE = 2.0  # px per unit
READABLE = 0.43  # px per unit, with which VISIT's default width of 7 is still 3 px

Group = Literal["stream", "writes", "inside"]
_STREAM = ("norm", "residual_attn", "residual_mlp", "skipped")
_INSIDE = ("qkv", "query", "attention", "z_row_key", "neuron_key", "activation")


class Widths:
    """Sizes of links, in px where the figure has room for them.

    All widths have one scale where that can be read, as in GPT-2, for which VISIT's factors were
    chosen. Where residual streams are so much larger than what is added to them that everything
    else would be a hair, streams, writes, and what is inside a branch have a scale each.
    """

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph

    def pixels(self, link: FlowLink) -> float:
        """How high a link is drawn."""
        return link.width * self.scales[group_of(link)]

    @cached_property
    def scales(self) -> dict[Group, float]:
        """Pixels per unit of width, by kind of link."""
        stream = MOST_STREAM / self._most("stream")
        writes = min(MOST_WRITE / self._most("writes"), MOST_WRITES / self._side_by_side())
        inside = min(MOST_SCALE, MOST_INSIDE / self._most("inside"))
        together = min(MOST_SCALE, stream, writes, inside)
        if together >= READABLE:
            return {"stream": together, "writes": together, "inside": together}
        return {
            "stream": min(MOST_SCALE, stream),
            "writes": min(MOST_SCALE, writes),
            "inside": min(1.0, inside),
        }

    def _links(self, group: Group) -> Iterable[FlowLink]:
        return (link for link in self._graph.links if group_of(link) == group)

    def _most(self, group: Group) -> float:
        return max((link.width for link in self._links(group)), default=0.0) or 1.0

    def _side_by_side(self) -> float:
        """The most that links of one kind in one layer sum to."""
        sums: defaultdict[tuple[str, int], float] = defaultdict(float)
        for link in self._links("writes"):
            sums[link.kind, self._graph.node(link.source).layer] += link.width
        return max(sums.values(), default=0.0) or 1.0


def group_of(link: FlowLink) -> Group:
    """Which scale a link is drawn with."""
    if link.kind in _STREAM:
        return "stream"
    # the link into a bias has the width of an entry, and the one out of it that of a write
    inside = link.kind in _INSIDE or (link.kind == "bias" and link.norm is None)
    return "inside" if inside else "writes"


# ------------------------------------------------------------------ the legend


def legend(graph: FlowGraph, palette: Palette) -> list[Key]:
    """Colour maps, then plain colours, as they stand above the figure."""
    read = [
        Key(_rank_words(graph), _ranks(graph, palette), ("1", f"{graph.vocab_size:,}")),
        Key(
            "entropy of what passes",
            _entropies(palette, graph),
            ("0", f"{shown.number(_most_entropy(graph), 1)} nats"),
        ),
    ]
    maps = read if graph.has_readings else []
    attention = Key("attention", _attentions(palette), ("0", "1"))
    return [*maps, attention, *(Key(words, (colour,)) for words, colour in _plain(palette))]


def _plain(palette: Palette) -> list[tuple[str, str]]:
    return [
        ("positive activation", palette.positive),
        ("negative activation", palette.negative),
        ("through a norm", palette.norm),
        ("bias", palette.bias),
        ("past attention", palette.residual_attn),
        ("past feed-forward", palette.residual_mlp),
    ]


def _rank_words(graph: FlowGraph) -> str:
    return f"rank of {shown.cut(target_name(graph), 14)}"


def _shares() -> list[float]:
    return [step / (STEPS - 1) for step in range(STEPS)]


def _ranks(graph: FlowGraph, palette: Palette) -> tuple[str, ...]:
    vocab = graph.vocab_size
    if palette.rank_scale == "log":
        ranks = [round(vocab**share) for share in _shares()]
    else:
        ranks = [1 + round((vocab - 1) * share) for share in _shares()]
    return tuple(palette.rank(rank, vocab) for rank in ranks)


def _most_entropy(graph: FlowGraph) -> float:
    """Nats: no prediction has more."""
    return math.log(graph.vocab_size)


def _entropies(palette: Palette, graph: FlowGraph) -> tuple[str, ...]:
    most = _most_entropy(graph)
    return tuple(palette.entropy(share * most, graph.vocab_size) for share in _shares())


def _attentions(palette: Palette) -> tuple[str, ...]:
    return tuple(map(palette.attention, _shares()))
