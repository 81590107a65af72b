"""An attribution graph as the app draws it: as a page and in a notebook. Knows no model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from unembed.analyses.attribution_graph.result import AttributionGraph
from unembed.figures.attribution_graph.figure import heading
from unembed.figures.colours import Colours, choose
from unembed.figures.drawing import Drawing, colour_options
from unembed.figures.files import file_name
from unembed.figures.page import standalone
from unembed.figures.widget import show

if TYPE_CHECKING:
    from anywidget import AnyWidget

_DRAWN = (
    "objective",
    "position",
    "tokens",
    "n_layers",
    "node_threshold",
    "edge_threshold",
    "supernodes",
)
MOST_EDGES = 4000  # of a page: more would make it larger than what draws it
_DIGITS = 5  # of an edge's numbers on a page


def html(
    graph: AttributionGraph,
    *,
    path: str | Path | None = None,
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML page that needs no network: the graph, how much of it is shown, and its edges.

    Args:
        path: a file to write the page to as well, in one step.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return standalone(
        drawing(graph, title=title, colours=colours),
        title=title or heading(graph),
        description=_description(graph),
        provenance={
            **{name: value for name, value in graph.provenance.items() if value},
            "position": str(graph.position),
            "nodes": f"those with {graph.node_threshold:g} of all influence",
            "edges": f"those with {graph.edge_threshold:g} of it",
            "token ids": ", ".join(str(token.id) for token in graph.tokens),
        },
        legend=[
            "Positions from left to right, layers from tokens below to what is explained above.",
            "Circles are latents of transcoders, large and bright where they have much influence; "
            "hollow diamonds what no latent explains, squares tokens.",
            "An edge is what its source adds to its target's value, attention patterns and scales "
            "of norms held: blue edges add, orange ones take away, and the width grows with the "
            "root of the size, up to the largest in two hundred.",
        ],
        colours=None if colours is None else choose(colours),
        path=path,
    )


def widget(
    graph: AttributionGraph, *, title: str | None = None, colours: Colours | str | None = None
) -> AnyWidget:
    """The graph in a notebook, with the app's pointer and keyboard; see `html`.

    Raises:
        InputError: no such colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(graph, title=title, colours=colours))


def drawing(
    graph: AttributionGraph, *, title: str | None = None, colours: Colours | str | None = None
) -> Drawing:
    """What the drawing module is given of a graph; options and errors as `html`."""
    heads = title or heading(graph)
    options = {
        **colour_options(None if colours is None else choose(colours)),
        "title": heads,
        "note": _description(graph)[0],
        "file": file_name(heads),
    }
    shown = _with_most_influence(graph)
    written = shown.to_dict()
    at = {node.name: number for number, node in enumerate(shown.nodes)}
    return Drawing(
        "graph",
        options,
        {
            **{name: written[name] for name in _DRAWN},
            "nodes": [
                {name: value for name, value in node.items() if name != "index"}
                for node in written["nodes"]
            ],
            "edges": [
                (at[edge.source], at[edge.target], _short(edge.weight), _short(edge.reached))
                for edge in shown.edges
            ],
        },
    )


def _with_most_influence(graph: AttributionGraph) -> AttributionGraph:
    """The graph with no more edges than a page holds."""
    if len(graph.edges) <= MOST_EDGES:
        return graph
    kept = sorted(graph.edges, key=lambda edge: edge.reached)[:MOST_EDGES]
    names = {(edge.source, edge.target) for edge in kept}
    edges = tuple(edge for edge in graph.edges if (edge.source, edge.target) in names)
    return replace(graph, edges=edges, edge_threshold=max(edge.reached for edge in kept))


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _description(graph: AttributionGraph) -> list[str]:
    prompt = "".join(token.label for token in graph.tokens)
    left = len(graph.edges) - MOST_EDGES
    few = [] if left <= 0 else [f"The page has the {MOST_EDGES:,} edges of most influence."]
    scores = [
        f"Replacement {graph.replacement:.3f}: the part of the influence that comes from tokens "
        "through latents, not from errors. "
        f"Completeness {graph.completeness:.3f}: the part of what goes into a node that is no "
        "error. Both before the graph is pruned."
    ]
    known = graph.replacement > 0 or graph.completeness > 0  # a file may say neither
    return [
        *(scores if known else []),
        f"Prompt: {prompt}. Read at position {graph.position}.",
        *few,
        *graph.notes,
    ]
