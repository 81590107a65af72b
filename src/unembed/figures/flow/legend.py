"""What the widths and colours of a drawn flow graph stand for: pixels, and words for a legend."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import Literal, get_args

from unembed.analyses.flow.result import FlowGraph, FlowLink
from unembed.figures import text as shown
from unembed.figures.flow.words import target_name
from unembed.figures.flow_palettes import Palette
from unembed.figures.page import Swatch
from unembed.figures.sankey import STEPS, Key

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
    """Pixels of links.

    All widths have one scale where that can be read, as in GPT-2, for which VISIT's factors were
    chosen. Where residual streams are so much larger than what is added to them that everything
    else would be a hair, streams, writes, and what is inside a branch have a scale each; the
    legend says so.
    """

    def __init__(self, graph: FlowGraph) -> None:
        self._graph = graph

    def pixels(self, link: FlowLink) -> float:
        """How high a link is drawn."""
        return link.width * self.scales[group_of(link)]

    @property
    def one_scale(self) -> bool:
        """Whether all links have the same scale."""
        return len(set(self.scales.values())) == 1

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
    maps = [
        Key(words, colours, ends)
        for words, colours, ends in (
            (_rank_words(graph), _ranks(graph, palette), ("1", f"{graph.vocab_size:,}")),
            (
                "entropy of what passes",
                _entropies(palette, graph),
                ("0", f"{shown.number(_most_entropy(graph), 1)} nats"),
            ),
            ("attention", _attentions(palette), ("0", "1")),
        )
    ]
    return [*maps, *(Key(words, (colour,)) for words, colour, _ in _plain(palette))]


def page_legend(graph: FlowGraph, light: Palette, dark: Palette, widths: Widths) -> list[Swatch]:
    """Everything that a colour or a width means, in sentences."""
    rows = [
        Swatch(
            _ranks(graph, light),
            _ranks(graph, dark),
            f"Boxes: the rank of {target_name(graph)} in what the box predicts, from 1, the most "
            f"likely, to {graph.vocab_size:,}, {_scale_words(light)}.",
        ),
        Swatch(
            _entropies(light, graph),
            _entropies(dark, graph),
            "Links that carry a vector: the entropy of what it predicts, from 0, certain, to "
            f"{shown.number(_most_entropy(graph), 1)} nats.",
        ),
        Swatch(
            _attentions(light),
            _attentions(dark),
            "Links from a query to a key and from there to a value: the attention score, 0 to 1.",
        ),
    ]
    for (_, one, words), (_, other, _) in zip(_plain(light), _plain(dark), strict=True):
        rows.append(Swatch((one,), (other,), words))
    rows.append(Swatch((light.plain,), (dark.plain,), "Boxes that have no such number."))
    return [*rows, Swatch((), (), width_words(graph, widths))]


def width_words(graph: FlowGraph, widths: Widths) -> str:
    """What the width of each kind of link is, and its scale."""
    o = graph.options
    said = (
        "Widths. Residual streams, and what goes through a norm: the norm of the vector. What "
        "attention, feed-forward, rows of W_O, neurons and biases add: the norm of what is added. "
        f"A query: {o.query_factor:g} times its norm; attention: {o.attention_factor:g} times the "
        f"score; a value: {o.memory_factor:g} times its norm times the score; what a head writes: "
        f"{o.head_factor:g} times its norm; an activation: {o.neuron_factor:g} times its size; "
        f"entries of z and inputs of neurons: always {o.default_width:g}. "
    )
    stream, writes, inside = (_unit(widths.scales[one]) for one in get_args(Group))
    if widths.one_scale:
        return f"{said}One pixel is a width of {stream}."
    return (
        f"{said}One pixel is a width of {stream} in residual streams and of {writes} in what is "
        f"written by heads, rows, neurons and branches, so that both can be seen, and of {inside} "
        "in everything else."
    )


def _unit(scale: float) -> str:
    return f"{1 / scale:.2g}" if scale > 0.1 else shown.short(1 / scale)


def _plain(palette: Palette) -> list[tuple[str, str, str]]:
    """Short words, colour, sentence."""
    return [
        ("positive activation", palette.positive, "Links with a positive activation."),
        (
            "negative activation",
            palette.negative,
            "Links with a negative activation: what is written is minus the vector, and the box "
            "is labelled with a minus sign and the token that it takes probability from.",
        ),
        ("through a norm", palette.norm, "Links through a norm."),
        ("bias", palette.bias, "Biases."),
        ("past attention", palette.residual_attn, "The residual stream past the attention."),
        ("past feed-forward", palette.residual_mlp, "The residual stream past the feed-forward."),
    ]


def _rank_words(graph: FlowGraph) -> str:
    return f"rank of {shown.cut(target_name(graph), 14)}"


def _scale_words(palette: Palette) -> str:
    return "logarithmic" if palette.rank_scale == "log" else "linear"


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
