"""A circuit as the app draws it: as a page of its own and in a notebook. Knows no model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from unembed.analyses.circuits.result import Circuit
from unembed.figures.circuit.figure import heading, words_of
from unembed.figures.colours import Colours, choose
from unembed.figures.drawing import Drawing, colour_options
from unembed.figures.files import file_name
from unembed.figures.page import standalone
from unembed.figures.widget import show
from unembed.node_labels import Label

if TYPE_CHECKING:
    from anywidget import AnyWidget

_DRAWN = ("n_heads", "whole", "none", "objective", "by_position", "tokens")
_BY_LAYER = "Layers from left to right: heads one below the other, and the feed-forward below."
_BY_POSITION = (
    "Tokens from left to right, layers from bottom to top: heads, and the feed-forward above. "
    "Dashed: what a head read at one position it writes at another."
)
_LEFT_OUT = {
    "patch": "what their source writes in the other prompt",
    "zero": "nothing",
    "mean": "the mean of what their source writes over the prompt",
    "resample": "what their source writes at drawn positions",
}


def html(
    circuit: Circuit,
    *,
    path: str | Path | None = None,
    title: str | None = None,
    colours: Colours | str | None = None,
    labels: Iterable[Label] = (),
) -> str:
    """One HTML page that needs no network: the circuit, and its edges as a table.

    Args:
        labels: what is said of nodes, as `ue.Labels(model).all()` has it; of a node the first.
        path: a file to write the page to as well, in one step.
        colours: None: light or dark as the reader's system is.

    Raises:
        InputError: no such colours; `path` cannot be written.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return standalone(
        drawing(circuit, title=title, colours=colours, labels=labels),
        title=title or heading(circuit),
        description=_description(circuit),
        provenance={
            **{name: value for name, value in circuit.provenance.items() if value},
            "position": str(circuit.position),
            "ablation": circuit.ablation,
            "estimator": circuit.estimator,
            "token ids": ", ".join(str(token.id) for token in circuit.tokens),
        },
        legend=[
            _BY_POSITION if circuit.by_position else _BY_LAYER,
            "An edge leads from what writes to what reads: of a head its query, key or value.",
            "Blue edges raise what is explained, orange ones lower it; the width grows with the "
            "root of the estimated effect.",
        ],
        colours=None if colours is None else choose(colours),
        path=path,
    )


def widget(
    circuit: Circuit,
    *,
    title: str | None = None,
    colours: Colours | str | None = None,
    labels: Iterable[Label] = (),
) -> AnyWidget:
    """The circuit in a notebook, with the app's pointer and keyboard; see `html`.

    Raises:
        InputError: no such colours; anywidget is not installed.
        CapabilityError: a source checkout in which the drawing module was not built.
    """
    return show(drawing(circuit, title=title, colours=colours, labels=labels))


def drawing(
    circuit: Circuit,
    *,
    title: str | None = None,
    colours: Colours | str | None = None,
    labels: Iterable[Label] = (),
) -> Drawing:
    """What the drawing module is given of a circuit; options and errors as `html`."""
    heads = title or heading(circuit)
    options = {
        **colour_options(None if colours is None else choose(colours)),
        "title": heads,
        "note": _description(circuit)[0],
        "file": file_name(heads),
    }
    written = circuit.to_dict()
    drawn = {name: written[name] for name in (*_DRAWN, "edges")}
    return Drawing("circuit", options, drawn | {"labels": words_of(circuit, labels)})


def _description(circuit: Circuit) -> list[str]:
    prompt = "".join(token.label for token in circuit.tokens)
    kept = circuit.faithfulness
    said = "" if kept is None else f", {kept:.3f} of the way"
    return [
        f"The {circuit.objective} is {circuit.whole:.3f} in the whole model, {circuit.none:.3f} "
        f"without any edge, and {circuit.value:.3f} with these {len(circuit.edges):,} alone{said}. "
        f"The others carry {_LEFT_OUT[circuit.ablation]}.",
        f"Prompt: {prompt}. Read at position {circuit.position}.",
    ]
