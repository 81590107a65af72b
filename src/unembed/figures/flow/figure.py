"""The flow graph as a Plotly figure. Knows the result, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

from unembed.analyses.flow.result import FlowGraph, FlowLink, FlowNode
from unembed.errors import InputError
from unembed.figures.colours import Colours, Theme, choose
from unembed.figures.diagram.figure import diagram_figure
from unembed.figures.diagram.parts import Band, Box, Diagram
from unembed.figures.flow.legend import Widths, legend
from unembed.figures.flow.words import link_words, node_words, target_name
from unembed.figures.flow_palettes import Palette, PaletteChoice, palette_on, see_through

if TYPE_CHECKING:
    import plotly.graph_objects as go

ColourBy = Literal["rank", "entropy", "attention"]
STREAM = ("resid_pre", "resid_mid", "resid_post")
SPARE, ROOMY = 62.0, 86.0  # px of a column with one box, and of one with many
FEED_FORWARD = ("mlp", "N", "neurons")  # how the ids of its nodes start, behind the layer
MANY = ("query", "key", "value", "head", "z_row", "neuron_key", "neuron", "latent")
TEXT_ROOM = {True: 10, False: 6}  # columns of a label there
LINK_ALPHA = 0.62  # of links, which cross
LEAST_DRAWN = 1.0  # px of a link that can be seen

_CAPTIONS = {
    "resid_pre": "stream",
    "norm": "norm",
    "attn_in": "attn in",
    "mixer_in": "mixer in",
    "qkv": "q, k, v",
    "query": "queries",
    "key": "keys",
    "value": "values",
    "head": "heads",
    "z": "z",
    "z_row": "rows of W_O",
    "attn_out": "attn out",
    "mixer_out": "mixer out",
    "resid_mid": "stream",
    "cross_in": "cross in",
    "cross_out": "cross out",
    "resid_mid_cross": "stream",
    "mlp_in": "MLP in",
    "neuron_key": "inputs",
    "neuron": "neurons",
    "latent": "latents",
    "mlp_out": "MLP out",
    "ple_in": "PLE in",
    "ple_out": "PLE out",
    "resid_post": "stream",
}


def plot(
    graph: FlowGraph,
    *,
    colour_by: str = "rank",
    palette: PaletteChoice = "unembed",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> go.Figure:
    """The graph as a Plotly figure, left to right: about 1,150 px for each layer.

    Boxes are vectors, labelled with the token that they predict; links are what passes between
    them. Everything known of a box or a link is in its hover, and boxes can be moved.

    Args:
        colour_by: what colours the boxes: "rank" of the target, "entropy" of the prediction, or
            "attention" (keys and values).
        palette: "unembed", "visit", "visit-2", a `Palette`, or one for each of "light" and "dark".
        title: instead of which layers of which model.
        colours: "light", "dark", a `Colours`, or None: Plotly's default template decides.

    Raises:
        InputError: no such colour_by, palette or colours.
    """
    chosen = choose(colours)
    drawing = _Drawing(graph, palette_on(palette, chosen.theme), chosen.theme)
    return diagram_figure(
        drawing.diagram(check_colouring(colour_by), title or heading(graph)), chosen
    )


def heading(graph: FlowGraph) -> str:
    """ "Flow through layers 10 and 14 of gemma3-270m"."""
    *others, last = map(str, graph.layers)
    layers = f"layers {', '.join(others)} and {last}" if others else f"layer {last}"
    model = graph.provenance.get("model") or "a model without a name"
    rated = "rated by" if graph.has_readings else "toward"
    return f"Flow through {layers} of {model}, {rated} {target_name(graph)}"


def check_colouring(colour_by: str) -> ColourBy:
    """Raises InputError for what no box can be coloured by."""
    legal = get_args(ColourBy)
    for one in legal:
        if one == colour_by:
            found: ColourBy = one
            return found
    raise InputError(
        f"colour_by is {colour_by!r}; write one of {', '.join(legal)}",
        field="colour_by",
        value=colour_by,
        legal=", ".join(legal),
    )


# ------------------------------------------------------------------ the diagram


@dataclass(frozen=True, eq=False)
class _Drawing:
    """One graph in one palette."""

    graph: FlowGraph
    palette: Palette
    theme: Theme

    def diagram(self, colour_by: ColourBy, title: str) -> Diagram:
        graph, widths = self.graph, Widths(self.graph)
        at = {node.id: place for place, node in enumerate(graph.nodes)}
        return Diagram(
            title=title,
            boxes=[self._box(node, colour_by) for node in graph.nodes],
            bands=[
                self._band(link, at[link.source], at[link.target], widths) for link in graph.links
            ],
            room=_room(graph.nodes),
            captions=_captions(graph.nodes),
            headings=_headings(graph),
            legend=legend(graph, self.palette),
        )

    def _box(self, node: FlowNode, colour_by: ColourBy) -> Box:
        return Box(
            label=node.label,
            hover=node_words(self.graph, node),
            colour=self._colour(node, colour_by),
            column=node.column,
            lane=self._lane(node),
            room=TEXT_ROOM[node.kind in MANY or node.kind in STREAM],
        )

    def _lane(self, node: FlowNode) -> int:
        """Branches that stand one above the other, in parallel blocks, do not share a lane."""
        if node.kind in STREAM:
            return 0
        within = (node.site or node.id).partition(".")[2]
        return 2 if self._parallel and within.startswith(FEED_FORWARD) else 1

    @cached_property
    def _parallel(self) -> bool:
        return not any(node.kind == "resid_mid" for node in self.graph.nodes)

    def _colour(self, node: FlowNode, colour_by: ColourBy) -> str:
        if colour_by == "attention":
            score = node.attention
            return self.palette.plain if score is None else self.palette.attention(score)
        own = node.readings[0] if node.readings else None
        if own is None:
            return self.palette.plain
        if colour_by == "entropy" and own.entropy is not None:
            return self.palette.entropy(own.entropy, self.graph.vocab_size)
        if own.target is None:
            return self.palette.plain
        return self.palette.rank(own.target.rank, self.graph.vocab_size)

    def _band(self, link: FlowLink, source: int, target: int, widths: Widths) -> Band:
        colour = self.palette.link(link.colour, link.colour_value, self.graph.vocab_size)
        return Band(
            source=source,
            target=target,
            size=max(LEAST_DRAWN, widths.pixels(link)),
            colour=see_through(colour, LINK_ALPHA),
            hover=link_words(self.graph, link),
        )


def _room(nodes: Sequence[FlowNode]) -> list[float]:
    last = max(node.column for node in nodes)
    rooms = [0.0] * (last + 1)  # without neurons, or with merged keys, columns are left free
    for node in nodes:
        rooms[node.column] = max(rooms[node.column], ROOMY if node.kind in MANY else SPARE)
    return rooms


def _captions(nodes: Sequence[FlowNode]) -> list[tuple[int, str]]:
    said: dict[int, dict[str, None]] = {}
    for node in nodes:
        if node.kind in _CAPTIONS:
            said.setdefault(node.column, {})[_CAPTIONS[node.kind]] = None
    return [(column, "\n".join(words)) for column, words in sorted(said.items())]


def _headings(graph: FlowGraph) -> list[tuple[int, str]]:
    first = {
        layer: [node.column for node in graph.nodes if node.layer == layer]
        for layer in graph.layers
    }
    return [(min(columns), f"Layer {layer}") for layer, columns in first.items() if columns]
