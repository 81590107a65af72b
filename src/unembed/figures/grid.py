"""A grid of rows by tokens, as plain data. Knows no figure.

Everything in it is plain text and plain numbers: what draws it escapes and formats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unembed.errors import InputError


@dataclass(frozen=True)
class Scale:
    """What colour a value has."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]  # value and text, for the colour bar
    bright: Literal["low", "high"] = "high"  # which end of a sequential map is bright
    kind: Literal["sequential", "diverging"] = "sequential"
    log: bool = False
    root: bool = False  # of its size; the sign stays

    def place(self, value: float) -> float:
        """Where a value stands on the scale: itself, its decimal logarithm or its square root."""
        if self.root:
            return math.copysign(math.sqrt(abs(value)), value)
        if not self.log:
            return value
        return math.log10(value) if value > 0 else math.nan

    def share(self, value: float) -> float:
        """Where the value's colour is in its map, in [0, 1]: what is outside takes the end.

        NaN for what has no colour.
        """
        low, high, placed = (self.place(one) for one in (self.low, self.high, value))
        if math.isnan(placed):
            return math.nan
        share = min(1.0, max(0.0, (placed - low) / (high - low)))
        return 1 - share if self.bright == "low" else share


@dataclass(frozen=True)
class Labels:
    """One label for each column, and what stands beside it: its number, or a mark on some."""

    title: str
    names: tuple[str, ...]
    badges: tuple[str, ...] = ()  # none, or one for each name; "": not marked
    quiet: bool = False  # badges are fainter than names; else what is marked is bold


@dataclass(frozen=True)
class TokenGrid:
    """Rows by tokens. Rows go from bottom to top, as in the model."""

    title: str
    rows: tuple[str, ...]
    inputs: Labels  # what goes in, at the bottom
    targets: Labels  # what comes out, at the top
    values: Sequence[Sequence[float]]  # [row][column]; NaN: none
    texts: Sequence[Sequence[str]]  # [row][column]; no rows: cells without text
    hovers: Sequence[Sequence[str]]  # [row][column], lines apart by "\n"; no rows: none
    scale: Scale
    unit: str  # of the colour bar: "probability", "nats"
    top_down: bool = False  # the first row and the inputs at the top
    widen: bool = False  # rather a wide figure than cells without text
    low: bool = False  # rather rows without labels than a tall figure

    def __post_init__(self) -> None:
        n_rows, n_columns = len(self.rows), len(self.inputs.names)
        _check("columns", n_columns, len(self.targets.names))
        for name in ("values", "texts", "hovers"):
            cells = getattr(self, name)
            if len(cells) or name == "values":
                _check(f"rows of {name}", n_rows, len(cells))
            for row in cells:
                _check(f"columns of {name}", n_columns, len(row))
        if not n_rows or not n_columns:
            raise InputError("the grid has no cells", field="values", legal="at least one cell")


def _check(name: str, wanted: int, found: int) -> None:
    if wanted != found:
        raise InputError(
            f"the grid has {found} {name}, but {wanted} are labelled",
            field=name,
            value=found,
            legal=str(wanted),
        )
