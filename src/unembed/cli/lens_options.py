"""Flags of `unembed lens`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

ROWS, SHOWN = "Rows, columns and decoder", "Output"

Kind = Annotated[
    Literal["top", "logit", "probability", "rank", "kl", "entropy"],
    typer.Option(help="What a cell shows beside its top token.", rich_help_panel=SHOWN),
]
Positions = Annotated[
    str | None,
    typer.Option(
        help='Positions to read: "75-100" (both included) or "0,3,-1"; all if left out. '
        "The model sees the whole prompt.",
        rich_help_panel=ROWS,
    ),
]
LayerStep = Annotated[
    int,
    typer.Option(
        min=1, help="Read blocks 0, N, 2N ... and the last.", metavar="N", rich_help_panel=ROWS
    ),
]
NoEmbedding = Annotated[
    bool, typer.Option("--no-embedding", help="Leave the embedding out.", rich_help_panel=ROWS)
]
Subblocks = Annotated[
    bool,
    typer.Option("--subblocks", help="Also a row after each attention.", rich_help_panel=ROWS),
]
Decoder = Annotated[
    str,
    typer.Option(
        help="What a row is run through before it is read: final_norm, L17 (block 17 and "
        "everything after), L17.mlp, last_block, last_mlp.",
        rich_help_panel=ROWS,
    ),
]
Target = Annotated[
    str | None,
    typer.Option(help='Token that logit, probability and rank are of: " Tokyo", or #1234.'),
]
Follow = Annotated[
    Literal["final", "next", "input"],
    typer.Option(
        help="Without a target, the token scored at a position: the final top token, the prompt's "
        "next token, or the token itself."
    ),
]
KlFloor = Annotated[
    float | None,
    typer.Option(help="Clip both distributions of the KL from below; exact if left out."),
]
TopDown = Annotated[
    bool, typer.Option("--top-down", help="The embedding on top.", rich_help_panel=SHOWN)
]
Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write every kind as one HTML page that needs no network; of the edited run "
        "where there are edits.",
        metavar="FILE",
        rich_help_panel=SHOWN,
    ),
]
