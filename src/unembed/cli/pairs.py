"""Pairs of prompts on the command line: a file of them, and those that were left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from unembed.analyses.patching.pairs import read_pairs

if TYPE_CHECKING:
    from unembed.analyses.patching.result import LeftOut

Pairs = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="CSV or JSONL file of pairs: clean, corrupted, answer, wrong.",
        metavar="FILE",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]


def pairs_of(file: Path | None) -> dict[str, Any]:
    """The field that a file of pairs gives, if there is one."""
    return {} if file is None else {"pairs": [pair.values() for pair in read_pairs(file)]}


def print_left_out(left_out: Sequence[LeftOut]) -> None:
    for one in left_out:
        Console(stderr=True).print(Text(f"pair {one.pair} is left out: {one.reason}", style="dim"))
