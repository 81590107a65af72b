"""An attribution graph as a Plotly figure. Knows the result, no model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import plotly.graph_objects as go

from unembed.analyses.attribution_graph.result import (
    AttributionGraph,
    GraphEdge,
    GraphKind,
    GraphNode,
)
from unembed.errors import InputError
from unembed.figures.colours import Colours, Rgb, choose, look, template
from unembed.figures.text import cut, escape, isolate

SIZES = 5  # widths of edges: a trace for each width and sign
WIDTH = (0.5, 4.5)  # px of the smallest edge, and of the largest
ALPHA = (0.15, 0.8)
ALIKE = 0.005  # of edges, the largest: a first token's would leave no width to the others
MARKER = (7.0, 20.0)  # px of a node without influence, and of that with most
SPREAD = 0.42  # of a column, to either side: where nodes of one cell stand
ROOM = 60.0  # px of a node in a cell
CELL = (70.0, 34.0)  # least px of a column, px of a row
MARGINS = {"l": 60, "r": 24, "t": 60, "b": 60}
LONGEST = 24  # columns of a token, and of a label
STRONGEST = 5  # edges that a hover lists, either way
_SYMBOLS: dict[GraphKind, str] = {
    "embed": "square",
    "latent": "circle",
    "error": "diamond-open",
    "mlp": "diamond-open",
    "logit": "square",
}
_NAMES: dict[GraphKind, str] = {
    "embed": "tokens",
    "latent": "latents",
    "error": "what transcoders leave over",
    "mlp": "feed-forwards without one",
    "logit": "what is explained",
}


def plot(
    graph: AttributionGraph, *, title: str | None = None, colours: Colours | str | None = None
) -> go.Figure:
    """The graph as a Plotly figure: positions from left to right, layers from the tokens up.

    Nodes are as large and bright as the root of their influence, edges as wide as that of their
    weight, blue where the source adds to its target and orange where it takes away. Everything
    known of a node, with its largest edges, is in its hover. Groups are drawn as their nodes.

    Args:
        title: instead of what is explained and how good the graph is.
        colours: "light", "dark", a `Colours`, or None: Plotly's default template decides.

    Raises:
        InputError: a graph without edges; no such colours.
    """
    if not graph.edges:
        raise InputError("there is nothing to draw: the graph has no edges", field="graph")
    return _Figure(graph, choose(colours)).figure(title or heading(graph))


def heading(graph: AttributionGraph) -> str:
    """ "61 nodes, 380 edges to the logits of 3 tokens"."""
    return (
        f"{len(graph.nodes):,} nodes, {len(graph.edges):,} edges to the {isolate(graph.objective)}"
    )


def node_words(graph: AttributionGraph, node: GraphNode) -> list[str]:
    """What is known of a node, in lines; the first names it."""
    said = [f"{node.name} {node.text}".strip(), f"at {graph.tokens[node.position].label}"]
    for name, value in (
        ("value", node.value),
        ("probability", node.probability),
        ("influence", None if node.kind == "logit" else node.influence),
        ("bias", node.bias),
    ):
        if value is not None:
            said.append(f"{name} {value:.4g}")
    return said


@dataclass(frozen=True)
class _Figure:
    graph: AttributionGraph
    colours: Colours

    def figure(self, title: str) -> go.Figure:
        graph, wide = self.graph, max(map(len, self.cells.values()))
        across = len(graph.tokens) * max(CELL[0], min(wide, 8) * ROOM * SPREAD)
        layout = {
            "template": template(self.colours),
            "title": {"text": escape(title), "x": 0, "xref": "paper", "font": {"size": 14}},
            "width": MARGINS["l"] + across + MARGINS["r"],
            "height": MARGINS["t"] + CELL[1] * (graph.n_layers + 2) + MARGINS["b"],
            "margin": MARGINS,
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.08},
            "xaxis": {
                "range": [-0.5, len(graph.tokens) - 0.5],
                "tickvals": list(range(len(graph.tokens))),
                "ticktext": [escape(isolate(cut(one.label, LONGEST))) for one in graph.tokens],
            },
            "yaxis": {
                "range": [-1.6, graph.n_layers + 0.6],
                "tickvals": list(range(-1, graph.n_layers + 1)),
                "ticktext": ["token", *(f"L{n}" for n in range(graph.n_layers)), "logits"],
                "showgrid": True,
            },
        }
        return go.Figure([*self.edge_traces(), *self.node_traces()], layout)

    # ------------------------------------------------------------ places

    def row(self, node: GraphNode) -> int:
        """Its layer; below of a token, above of what is explained."""
        if node.layer is not None:
            return node.layer
        return -1 if node.kind == "embed" else self.graph.n_layers

    @cached_property
    def cells(self) -> dict[tuple[int, int], list[GraphNode]]:
        """Nodes by row and position, most influence first."""
        found: dict[tuple[int, int], list[GraphNode]] = defaultdict(list)
        for node in self.graph.nodes:
            found[self.row(node), node.position].append(node)
        for cell in found.values():
            cell.sort(key=lambda node: (-(node.probability or 0.0), -node.influence))
        return found

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        found = {}
        for (row, position), cell in self.cells.items():
            pitch = 2 * SPREAD / len(cell)
            start = position - SPREAD + pitch / 2
            for number, node in enumerate(cell):
                found[node.name] = (start + number * pitch, float(row))
        return found

    # ------------------------------------------------------------ traces

    def edge_traces(self) -> list[go.Scatter]:
        """Lines of one sign and about one size in a trace; small ones below."""
        sizes = sorted((abs(edge.weight) for edge in self.graph.edges), reverse=True)
        largest = sizes[int(ALIKE * len(sizes))] or 1.0
        lots: dict[tuple[int, bool], list[GraphEdge]] = defaultdict(list)
        for edge in self.graph.edges:
            share = min(1.0, math.sqrt(abs(edge.weight) / largest))
            lots[min(SIZES - 1, int(share * SIZES)), edge.weight < 0].append(edge)
        return [self._lines(lots[lot], *lot) for lot in sorted(lots)]

    def _lines(self, edges: Sequence[GraphEdge], size: int, takes_away: bool) -> go.Scatter:
        ends = [(self.places[edge.source], self.places[edge.target]) for edge in edges]
        share = (size + 0.5) / SIZES
        return go.Scatter(
            x=[x for source, target in ends for x in (source[0], target[0], None)],
            y=[y for source, target in ends for y in (source[1], target[1], None)],
            mode="lines",
            line={
                "color": self.colours["negative" if takes_away else "positive"],
                "width": WIDTH[0] + share * (WIDTH[1] - WIDTH[0]),
            },
            opacity=ALPHA[0] + share * (ALPHA[1] - ALPHA[0]),
            hoverinfo="skip",
            showlegend=False,
            name="takes away" if takes_away else "adds",
        )

    def node_traces(self) -> list[go.Scatter]:
        return [
            self._markers(kind, [node for node in self.graph.nodes if node.kind == kind])
            for kind in _SYMBOLS
            if any(node.kind == kind for node in self.graph.nodes)
        ]

    def _markers(self, kind: GraphKind, nodes: Sequence[GraphNode]) -> go.Scatter:
        most = self._most or 1.0
        shares = [min(1.0, math.sqrt(node.influence / most)) for node in nodes]
        return go.Scatter(
            x=[self.places[node.name][0] for node in nodes],
            y=[self.places[node.name][1] for node in nodes],
            mode="markers+text" if kind == "logit" else "markers",
            text=[escape(isolate(cut(node.label, LONGEST))) for node in nodes],
            textposition="top center",
            marker={
                "symbol": _SYMBOLS[kind],
                "size": [MARKER[0] + share * (MARKER[1] - MARKER[0]) for share in shares],
                "color": [css(look(self.colours.sequential, share)) for share in shares]
                if kind in ("latent", "embed")
                else self.colours["text-2"],
                "line": {"color": self.colours["line-strong"], "width": 1},
            },
            hovertext=["<br>".join(map(escape, self._hover(node))) for node in nodes],
            hoverinfo="text",
            name=_NAMES[kind],
        )

    @cached_property
    def _most(self) -> float:
        """Of a latent; of all where there is none."""
        latents = [node for node in self.graph.nodes if node.kind == "latent"]
        return max((node.influence for node in latents or self.graph.nodes), default=0.0)

    def _hover(self, node: GraphNode) -> list[str]:
        into, out = self._edges_at.get(node.name, ([], []))
        return [
            *node_words(self.graph, node),
            *_strongest("from", ((edge.source, edge.weight) for edge in into)),
            *_strongest("to", ((edge.target, edge.weight) for edge in out)),
        ]

    @cached_property
    def _edges_at(self) -> dict[str, tuple[list[GraphEdge], list[GraphEdge]]]:
        """Of each node the edges into it and out of it, largest first."""
        found: dict[str, tuple[list[GraphEdge], list[GraphEdge]]] = defaultdict(lambda: ([], []))
        for edge in self.graph.edges:
            found[edge.target][0].append(edge)
            found[edge.source][1].append(edge)
        return found


def _strongest(word: str, edges: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"{word} {name} {weight:+.4g}" for name, weight in list(edges)[:STRONGEST]]


def css(colour: Rgb) -> str:
    """As Plotly takes it."""
    return f"rgb({colour[0]}, {colour[1]}, {colour[2]})"
