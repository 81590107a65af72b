"""The flow graph as the app draws it: as a page of its own and in a notebook. Knows no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowGraph
from unembed.figures import text as shown
from unembed.figures.colours import Colours, Theme, choose
from unembed.figures.drawing import Drawing
from unembed.figures.files import file_name
from unembed.figures.flow.figure import ColourBy, check_colouring, heading
from unembed.figures.flow.words import sum_words, target_name
from unembed.figures.flow_palettes import Palette, PaletteChoice, palette_on
from unembed.figures.page import standalone
from unembed.figures.widget import show

if TYPE_CHECKING:
    from anywidget import AnyWidget

_NOT_DRAWN = ("row", "coefficient", "cut")
_NAMES: dict[ColourBy, str] = {
    "rank": "Rank of the target",
    "entropy": "Entropy",
    "attention": "Attention",
}


def html(
    graph: FlowGraph,
    *,
    path: str | Path | None = None,
    colour_by: str = "rank",
    palette: PaletteChoice = "unembed",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> str:
    """One HTML page that needs no network: the graph in all three colourings, and its legend.

    Args:
        path: a file to write the page to as well, in one step.
        colour_by: what colours the boxes at first; see `plot`.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such colour_by, palette or colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return standalone(
        drawing(graph, colour_by=colour_by, palette=palette, title=title, colours=colours),
        title=title or heading(graph),
        description=_description(graph),
        provenance=_provenance(graph),
        legend=_legend(graph, palette_on(palette, "light")),
        colours=None if colours is None else choose(colours),
        path=path,
    )


def widget(
    graph: FlowGraph,
    *,
    colour_by: str = "rank",
    palette: PaletteChoice = "unembed",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> AnyWidget:
    """The graph in a notebook, with the app's pointer and keyboard; see `html`.

    Raises:
        InputError: no such colour_by, palette or colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(graph, colour_by=colour_by, palette=palette, title=title, colours=colours))


def drawing(
    graph: FlowGraph,
    *,
    colour_by: str = "rank",
    palette: PaletteChoice = "unembed",
    title: str | None = None,
    colours: Colours | str | None = None,
) -> Drawing:
    """What the drawing module is given of a graph; options and errors as `html`."""
    heads = title or heading(graph)
    colourings = [
        {"by": one, "name": _NAMES[one], "meaning": _meaning(graph, one)}
        for one in get_args(ColourBy)
    ]
    options = {
        "colourings": colourings,
        "colourBy": check_colouring(colour_by),
        "palette": _palettes(palette),
        "theme": None if colours is None else choose(colours).theme,
        "title": heads,
        "model": graph.provenance.get("model") or "",
        "file": file_name(heads),
    }
    data = graph.to_dict()
    for part in ("nodes", "links"):
        data[part] = [_drawn(one) for one in data[part]]
    return Drawing("flow", options, data)


def _drawn(part: Mapping[str, Any]) -> dict[str, Any]:
    """Without what only another computation can use."""
    return {name: value for name, value in part.items() if name not in _NOT_DRAWN}


def _palettes(choice: PaletteChoice) -> str | dict[str, Any]:
    """One by its name, or one for each ground as the module's table has them."""
    if isinstance(choice, str):
        palette_on(choice, "light")  # refuses names that there are not
        return choice
    return {theme: _palette(palette_on(choice, theme)) for theme in get_args(Theme)}


def _palette(palette: Palette) -> dict[str, Any]:
    return {name.removesuffix("_stops"): value for name, value in asdict(palette).items()}


# ------------------------------------------------------------------ words


def _meaning(graph: FlowGraph, colour_by: ColourBy) -> str:
    if not graph.has_readings and colour_by != "attention":
        return "Boxes have no colour: their vectors are read as no prediction."
    if colour_by == "entropy":
        return (
            "The colour of a box is the entropy of what its vector predicts, in nats: how "
            "undecided it is between the tokens of the vocabulary."
        )
    if colour_by == "attention":
        return (
            "The colour of a key or a value is the attention that its head pays to that position. "
            "The other boxes have no attention score, and no colour."
        )
    return (
        f"The colour of a box is the rank of {target_name(graph)} in what its vector predicts: "
        "1 where it is the most likely token of all."
    )


def _description(graph: FlowGraph) -> list[str]:
    prompt = "".join(token.label for token in graph.tokens)
    position = graph.tokens[graph.position].label if graph.position < len(graph.tokens) else ""
    read = (
        ", read as a prediction: it goes through the model's final norm and the unembedding, and "
        "the box is labelled with the token that comes out first"
    )
    said = [
        "One forward pass, from left to right. Every box is a vector of it, or of the weights"
        f"{read if graph.has_readings else ''}. Every link is what passes.",
        f"Prompt: {prompt}. Read at position {graph.position}, {position}.",
    ]
    return [*said, *graph.notes, *(sum_words(row) for row in graph.sums)]


def _provenance(graph: FlowGraph) -> dict[str, str]:
    return {
        **{name: value for name, value in graph.provenance.items() if value},
        "layers": ", ".join(map(str, graph.layers)),
        "position": str(graph.position),
        "target": _target(graph),
        "options": _options(graph.options),
        "token ids": ", ".join(str(token.id) for token in graph.tokens),
    }


def _target(graph: FlowGraph) -> str:
    if not graph.target.tokens:
        return target_name(graph)
    ids = ", ".join(f"#{token.id}" for token in graph.target.tokens)
    chosen = "" if graph.target.chosen else ", the model's own most likely token"
    return f"{target_name(graph)} ({ids}{chosen})"


def _options(options: FlowOptions) -> str:
    """The options of the graph that differ from their defaults."""
    usual: Mapping[str, object] = FlowOptions().values()
    changed = [
        f"{name}={value}" for name, value in options.values().items() if value != usual[name]
    ]
    return ", ".join(changed) or "the defaults"


# ------------------------------------------------------------------ how to read it


def _legend(graph: FlowGraph, palette: Palette) -> list[str]:
    """Everything that a colour or a width means, in sentences."""
    scale = "logarithmic" if palette.rank_scale == "log" else "linear"
    most = shown.number(math.log(graph.vocab_size), 1)
    read = [
        f"Boxes: the rank of {target_name(graph)} in what the box predicts, from 1, the most "
        f"likely, to {graph.vocab_size:,}, {scale}. Boxes that have no such number are plain.",
        f"Bands that carry a vector: the entropy of what it predicts, from 0, certain, to {most} "
        "nats.",
    ]
    return [
        *(read if graph.has_readings else []),
        "Bands from a query to a key and from there to a value: the attention score, 0 to 1.",
        "Bands of a neuron, a row of W_O or a latent: the sign of its activation. With a negative "
        "activation what is written is minus the vector, and the box is labelled with a minus "
        "sign and the token that it takes probability from.",
        "Bands through a norm, biases, and the residual stream past attention and feed-forward "
        "have a colour each.",
        _widths(graph.options),
    ]


def _widths(o: FlowOptions) -> str:
    return (
        "Widths. Residual streams, and what goes through a norm: the norm of the vector. What "
        "attention, feed-forward, rows of W_O, neurons and biases add: the norm of what is added. "
        f"A query: {o.query_factor:g} times its norm; attention: {o.attention_factor:g} times the "
        f"score; a value: {o.memory_factor:g} times its norm times the score; what a head writes: "
        f"{o.head_factor:g} times its norm; an activation: {o.neuron_factor:g} times its size; "
        f"entries of z and inputs of neurons: always {o.default_width:g}. Norms in the stream "
        "share one scale; attention scores, activations, and what is inside the attention have "
        "one each."
    )
