"""Flags of `unembed flow`; those of `FlowOptions` are made from its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from unembed.analyses.flow.options import FlowOptions
from unembed.cli.options import signed

DRAWN, WIDTHS, OUTPUT = "What is shown", "Widths", "Output"

Layers = Annotated[
    str,
    typer.Option(help='Layers to draw, one after the other: "14", "10,14" or "9-11".'),
]
Position = Annotated[
    int, typer.Option(help="Position whose forward pass is drawn; -1 is the last.")
]
Target = Annotated[
    str | None,
    typer.Option(
        help='What vectors are rated by: " Tokyo", or #1234; the model\'s own most likely token '
        "if left out."
    ),
]
ColourBy = Annotated[
    Literal["rank", "entropy", "attention"],
    typer.Option(help="What colours the boxes of the page.", rich_help_panel=OUTPUT),
]
Palette = Annotated[
    str | None,
    typer.Option(
        help="Colours of the page: unembed, visit, or visit-2; those of --config, or unembed, if "
        "left out.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="A graph configuration of VISIT (JSON): its sizes, factors and colours. Flags win.",
        metavar="FILE",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write the graph as one HTML page that needs no network; of the edited run, "
        "with the nodes of the unedited one, where there are edits.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]

# field of FlowOptions -> type of its flag, and what it says
_FLAGS: dict[str, tuple[Any, str]] = {
    "top_neurons": (int, "Neurons, and rows of W_O, with the largest scores."),
    "bottom_neurons": (int, "The same with the most negative scores."),
    "n_heads": (int, "Heads that write most; 0 shows all."),
    "values_per_head": (int, "Positions with the highest attention, for each head."),
    "threshold": (float, "Instead of the counts: the least share ‖write‖ / ‖added‖ shown."),
    "include": (str, "Shown beside the others, with commas: L14.H3,L14.N512."),
    "rest": (bool, "Boxes for what is not shown."),
    "attn_bias": (bool, "The bias of W_O."),
    "mlp_bias": (bool, "The biases of the feed-forward."),
    "merge_neurons": (bool, "One box for the input and the output of a neuron."),
    "merge_values": (bool, "One box for the key and the value of a position."),
    "target_mode": (
        Literal["first", "whole"],
        "Of a target of several tokens: its first token, or all of it.",
    ),
    "k": (int, "Tokens listed for each vector."),
    "default_width": (float, "Links that have no number of their own."),
    "query_factor": (float, "Times the norm of a query."),
    "attention_factor": (float, "Times the attention score."),
    "memory_factor": (float, "Times attention and the norm of the value."),
    "head_factor": (float, "Times the norm of what a head writes."),
    "neuron_factor": (float, "Times the size of a neuron's activation."),
}


def with_flow_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command one flag per field of `FlowOptions`.

    It gets those that were typed, by their names, as one `changes` argument: what was not typed
    may still come from a configuration file.
    """
    own = inspect.signature(command, eval_str=True).parameters.values()

    def wrapped(**given: Any) -> None:
        typed = {name: given.pop(name) for name in FlowOptions.model_fields}
        changes = {name: value for name, value in typed.items() if value is not None}
        if "include" in changes:
            parts = (part.strip() for part in changes["include"].split(","))
            changes["include"] = tuple(part for part in parts if part)
        command(**given, changes=changes)

    flags = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(name, row)
        )
        for name, row in FlowOptions.model_fields.items()
    ]
    return signed(wrapped, command, [*(one for one in own if one.name != "changes"), *flags])


def _annotation(name: str, row: Any) -> Any:
    kind, sentence = _FLAGS[name]
    flag = "--" + name.replace("_", "-")
    if kind is bool:
        flag += "/--no-" + name.replace("_", "-")
    default = {None: "off", (): "none", True: "yes", False: "no"}.get(row.default, row.default)
    widths = name.endswith(("_width", "_factor"))
    option = typer.Option(
        flag,
        help=f"{sentence} (default {default})",
        show_default=False,
        rich_help_panel=WIDTHS if widths else DRAWN,
    )
    return Annotated[kind | None, option]
