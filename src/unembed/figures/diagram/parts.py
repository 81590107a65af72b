"""What a flow diagram is made of: boxes, bands, captions and a legend, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """One box. Lane 0 is the row of the wide bands on top, which nothing else stands in."""

    label: str
    hover: str  # its first line is the title; "" has none
    colour: str
    column: int
    lane: int = 1
    room: int = 9  # columns of text that its label may take


@dataclass(frozen=True)
class Band:
    """What joins two boxes, given by their places in the list; `size` in px."""

    source: int
    target: int
    size: float
    colour: str
    hover: str


@dataclass(frozen=True)
class Key:
    """A line of the legend: a colour, or a map of colours between two ends."""

    words: str
    colours: tuple[str, ...]
    ends: tuple[str, str] | None = None


@dataclass(frozen=True)
class Diagram:
    """All that is drawn. Columns count from the left; `room` says how wide each of them is."""

    title: str
    boxes: Sequence[Box]
    bands: Sequence[Band]
    room: Sequence[float]  # px, by column
    captions: Sequence[tuple[int, str]]  # under columns
    headings: Sequence[tuple[int, str]]  # above, from a column on
    legend: Sequence[Key]


def css(colour: str) -> str:
    """ "#rrggbbaa" as a colour that Plotly takes; others as they are."""
    if colour.startswith("#") and len(colour) == 9:
        red, green, blue, alpha = bytes.fromhex(colour[1:])
        return f"rgba({red},{green},{blue},{alpha / 255:.3f})"
    return colour
