"""A circuit as a Plotly figure. Knows the result, no model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from unembed.analyses.circuits.graph import node_of, place_of
from unembed.analyses.circuits.result import Circuit, CircuitEdge
from unembed.errors import InputError
from unembed.figures.colours import Colours, choose
from unembed.figures.diagram.figure import diagram_figure
from unembed.figures.diagram.parts import Band, Box, Diagram, Key
from unembed.figures.flow_palettes import see_through
from unembed.node_labels import Label, best_first

if TYPE_CHECKING:
    import plotly.graph_objects as go

THICKEST, THINNEST = 12.0, 1.0  # px of the largest effect, and of one that can still be seen
ROOM = 44.0  # px of a column
BAND_ALPHA = 0.55  # of edges, which cross


def plot(
    circuit: Circuit,
    *,
    title: str | None = None,
    colours: Colours | str | None = None,
    labels: Iterable[Label] = (),
) -> go.Figure:
    """The circuit as a Plotly figure: layers from left to right, a band for every edge.

    Bands are as wide as the root of the effect is large, blue where the edge raises what is
    explained and orange where it lowers it. Everything known of an edge is in its hover.

    Args:
        title: instead of what is explained and how much of it is kept.
        colours: "light", "dark", a `Colours`, or None: Plotly's default template decides.
        labels: what is said of nodes, as `ue.Labels(model).all()` has it; of a node the first.

    Raises:
        InputError: a circuit without edges; no such colours.
    """
    if not circuit.edges:
        raise InputError("there is nothing to draw: the circuit has no edges", field="circuit")
    chosen = choose(colours)
    words = words_of(circuit, labels)
    return diagram_figure(_diagram(circuit, title or heading(circuit), chosen, words), chosen)


def heading(circuit: Circuit) -> str:
    """ "103 of 10,342 edges carry 0.50 of the logit of ␣Mary less that of ␣John"."""
    kept = circuit.faithfulness
    said = "of" if kept is None else f"carry {kept:.2f} of"
    return f"{len(circuit.edges):,} of {circuit.n_edges:,} edges {said} the {circuit.objective}"


def node_words(circuit: Circuit, name: str) -> str:
    """A node, with the token at its position where it has one: "L9.H4@3, ␣Mary"."""
    position = place_of(name)[1]
    return name if position is None else f"{name}, {circuit.tokens[position].label}"


def edge_words(circuit: Circuit, edge: CircuitEdge) -> str:
    """All that is known of an edge, in lines; the first names it."""
    lines = [f"{edge.source} > {edge.target}", f"estimated {edge.effect:+.4f}"]
    if edge.measured is not None:
        lines.append(f"measured {edge.measured:+.4f}")
    if edge.within is not None:
        span = circuit.whole - circuit.none
        share = f", {edge.within / span:+.1%} of faithfulness" if span else ""
        lines.append(f"in the circuit {edge.within:+.4f}{share}")
    return "\n".join(lines)


def words_of(circuit: Circuit, labels: Iterable[Label]) -> dict[str, str]:
    """What is said of the nodes of a circuit, by their names without positions."""
    wanted = {place_of(node)[0] for node in circuit.nodes}
    words: dict[str, str] = {}
    for one in best_first(labels):
        if one.node in wanted:
            words.setdefault(one.node, one.said)
    return words


def _diagram(circuit: Circuit, title: str, colours: Colours, words: Mapping[str, str]) -> Diagram:
    nodes = sorted(circuit.nodes, key=lambda name: _place(circuit, name))
    at = {name: number for number, name in enumerate(nodes)}
    largest = max(abs(edge.effect) for edge in circuit.edges) or 1.0
    columns = 2 * len(circuit.n_heads) + 2
    return Diagram(
        title=title,
        boxes=[
            Box(
                label=name.rpartition(".")[2],
                hover="\n".join(
                    filter(None, (node_words(circuit, name), words.get(place_of(name)[0])))
                ),
                colour=colours["line-mid"],
                column=_place(circuit, name)[0],
                room=6,
            )
            for name in nodes
        ],
        bands=[
            Band(
                source=at[edge.source],
                target=at[node_of(edge.target)],
                size=_size(edge, largest),
                colour=see_through(colours[_sign(edge)], BAND_ALPHA),
                hover=edge_words(circuit, edge),
            )
            for edge in circuit.edges
        ],
        room=[ROOM] * columns,
        captions=[],
        headings=[(2 * layer + 1, f"L{layer}") for layer in range(len(circuit.n_heads))],
        legend=[
            Key("raises what is explained", (colours["positive"],)),
            Key("lowers it", (colours["negative"],)),
        ],
    )


def _place(circuit: Circuit, name: str) -> tuple[int, int, int]:
    """Column, row and position of a node: heads of a layer, then its feed-forward."""
    name, position = place_of(name)
    at = position or 0
    if name in ("embed", "logits"):
        return (0 if name == "embed" else 2 * len(circuit.n_heads) + 1), 0, at
    layer, part = name.removeprefix("L").split(".")
    head = int(part[1:]) if part.startswith("H") else 0
    return 2 * int(layer) + (1 if part.startswith("H") else 2), head, at


def _size(edge: CircuitEdge, largest: float) -> float:
    return max(THINNEST, THICKEST * math.sqrt(abs(edge.effect) / largest))


def _sign(edge: CircuitEdge) -> str:
    return "negative" if edge.effect < 0 else "positive"
