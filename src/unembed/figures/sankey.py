"""A flow diagram as a Plotly figure: boxes that can be moved, bands, a legend. Knows no torch and
nothing of what flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from unembed.errors import InputError
from unembed.figures.colours import MONO, SANS, Colours, template
from unembed.figures.flow_palettes import HIDDEN
from unembed.figures.sankey_layout import Flow, Piece, Placed, place
from unembed.figures.text import cut, escape, isolate

THICKNESS = 12  # px of a box, from left to right
AWAY = 2.0  # widths of the diagram from its left to the ballast
LEAST_HEIGHT = 760.0  # px of the diagram without its margins
LEFT, RIGHT, TOP, BOTTOM = 24, 72, 116, 44
SWATCH, BAR = 12, 120  # px of a plain colour and of a colour map in the legend
STEPS = 32  # of a colour map in the legend
GLYPH = 6.2  # px of a character of the legend, as an upper bound
ROWS = (-72, -48)  # px from the top of the diagram: colour maps, plain colours


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


def sankey(diagram: Diagram, colours: Colours) -> go.Figure:
    """The diagram from left to right, as wide as its columns ask for.

    Raises InputError where nothing joins two boxes.
    """
    bands = [band for band in diagram.bands if band.size > 0]
    if not bands:
        raise InputError("there is nothing to draw: no link has a width", field="graph")
    boxes, bands = _joined(diagram.boxes, bands)
    placed = place(
        [Piece(box.column, box.lane) for box in boxes],
        [Flow(band.source, band.target, band.size) for band in bands],
        LEAST_HEIGHT,
    )
    across = list(accumulate(diagram.room, initial=0.0))
    wide = across[-1]
    layout = {
        "template": template(colours),
        "title": _title(diagram.title),
        "width": LEFT + wide + RIGHT,
        "height": TOP + placed.height + BOTTOM,
        "margin": {"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM, "pad": 0},
        "annotations": [*_captions(diagram, across), *_legend_words(diagram.legend)],
        "shapes": _swatches(diagram.legend, wide, placed.height, colours["line-mid"]),
    }
    return go.Figure(_trace(boxes, bands, placed, across, colours), layout)


def _title(text: str) -> dict[str, Any]:
    """At the left end, where it is in sight however wide the figure is."""
    return {
        "text": escape(text),
        "x": 0,
        "xref": "paper",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "pad": {"t": 10},
        "font": {"size": 14},
    }


def _joined(boxes: Sequence[Box], bands: Sequence[Band]) -> tuple[list[Box], list[Band]]:
    """Without boxes that nothing joins: Plotly leaves them out, and the places of the others
    would be off by as many."""
    kept = sorted({end for band in bands for end in (band.source, band.target)})
    new = {old: at for at, old in enumerate(kept)}
    moved = [
        Band(new[band.source], new[band.target], band.size, band.colour, band.hover)
        for band in bands
    ]
    return [boxes[old] for old in kept], moved


def _trace(
    boxes: Sequence[Box],
    bands: Sequence[Band],
    placed: Placed,
    across: Sequence[float],
    colours: Colours,
) -> go.Sankey:
    """The boxes and bands, and at the end of the lists the ballast, out of sight."""
    hover = "%{customdata}<extra></extra>"
    return go.Sankey(
        arrangement="freeform",  # the others move boxes that are given their places
        orientation="h",
        domain={"x": [0, 1], "y": [0, 1]},
        textfont={"size": 11, "family": MONO, "shadow": "auto"},
        node={
            "label": [escape(isolate(cut(box.label, box.room))) for box in boxes] + ["", ""],
            "color": [css(box.colour) for box in boxes] + [HIDDEN] * 2,
            "customdata": [hover_text(box.hover) for box in boxes] + ["", ""],
            "hovertemplate": hover,
            "x": _x(boxes, across) + [AWAY] * 2,
            "y": [middle / placed.height for middle in placed.middles] + [0.5] * 2,
            "pad": 0,
            "thickness": THICKNESS,
            "line": {"color": colours["line-strong"], "width": 0.5},
        },
        link={
            "source": [band.source for band in bands] + [len(boxes)],
            "target": [band.target for band in bands] + [len(boxes) + 1],
            "value": [band.size for band in bands] + [placed.ballast],
            "color": [css(band.colour) for band in bands] + [HIDDEN],
            "customdata": [hover_text(band.hover) for band in bands] + [""],
            "hovertemplate": hover,
        },
    )


def _x(boxes: Sequence[Box], across: Sequence[float]) -> list[float]:
    """Middles; 0 would count as no place at all."""
    return [(across[box.column] + THICKNESS / 2 + 1) / across[-1] for box in boxes]


def hover_text(text: str) -> str:
    """Lines as Plotly's markup, the first in bold."""
    if not text:
        return ""
    first, *others = (escape(line) for line in text.split("\n"))
    return "<br>".join([f"<b>{first}</b>", *others])


def css(colour: str) -> str:
    """ "#rrggbbaa" as a colour that Plotly takes; others as they are."""
    if colour.startswith("#") and len(colour) == 9:
        red, green, blue, alpha = bytes.fromhex(colour[1:])
        return f"rgba({red},{green},{blue},{alpha / 255:.3f})"
    return colour


# ------------------------------------------------------------------ captions and legend


def _captions(diagram: Diagram, across: Sequence[float]) -> list[dict[str, Any]]:
    wide = across[-1]
    below = [
        _note(escape(text).replace("\n", "<br>"), raw=True)
        | {"x": across[column] / wide, "y": 0, "yanchor": "top", "yshift": -6}
        for column, text in diagram.captions
    ]
    above = [
        _note(f"<b>{escape(text)}</b>", raw=True)
        | {"x": across[column] / wide, "y": 1, "yanchor": "bottom", "yshift": 8}
        for column, text in diagram.headings
    ]
    return below + above


def _legend_words(legend: Sequence[Key]) -> list[dict[str, Any]]:
    notes = []
    for key, left, row in _arranged(legend):
        start = left + _mark(key) + 6
        if key.ends is not None:
            low, high = key.ends
            notes.append(_legend_note(low, left + len(low) * GLYPH - 2, row) | {"xanchor": "right"})
            start = left + len(low) * GLYPH + BAR + 8
            notes.append(_legend_note(high, start - 2, row))
            start += len(high) * GLYPH + 4
            notes.append(_legend_note(key.words, start, row))
        else:
            notes.append(_legend_note(key.words, start, row))
    return notes


def _legend_note(text: str, left: float, row: int) -> dict[str, Any]:
    return _note(text) | {"y": 1, "yanchor": "middle", "xshift": left, "yshift": -ROWS[row]}


def _swatches(legend: Sequence[Key], wide: float, high: float, edge: str) -> list[dict[str, Any]]:
    shapes = []
    for key, left, row in _arranged(legend):
        if key.ends is not None:
            left += len(key.ends[0]) * GLYPH + 2
        step = _mark(key) / len(key.colours)
        for at, colour in enumerate(key.colours):
            box = (left + at * step, left + (at + 1) * step + (key.ends is not None))
            line = edge if key.ends is None else None
            shapes.append(_rectangle(box, -ROWS[row], colour, wide, high, line))
    return shapes


def _rectangle(
    ends: tuple[float, float], up: float, colour: str, wide: float, high: float, line: str | None
) -> dict[str, Any]:
    half = SWATCH / 2
    return {
        "type": "rect",
        "xref": "paper",
        "yref": "paper",
        "x0": ends[0] / wide,
        "x1": ends[1] / wide,
        "y0": 1 + (up - half) / high,
        "y1": 1 + (up + half) / high,
        "fillcolor": css(colour),
        "line": {"width": 0 if line is None else 1, "color": line or HIDDEN},
    }


def _arranged(legend: Sequence[Key]) -> list[tuple[Key, float, int]]:
    """Every line of the legend with its left end in px and its row."""
    found, ends = [], [0.0, 0.0]
    for key in legend:
        row = 0 if key.ends is not None else 1
        found.append((key, ends[row], row))
        words = len(key.words) + (0 if key.ends is None else sum(map(len, key.ends)) + 1)
        ends[row] += _mark(key) + words * GLYPH + 30
    return found


def _mark(key: Key) -> int:
    return SWATCH if key.ends is None else BAR


def _note(text: str, raw: bool = False) -> dict[str, Any]:
    return {
        "text": text if raw else escape(text),
        "showarrow": False,
        "borderpad": 0,
        "font": {"size": 11, "family": SANS},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "yref": "paper",
        "align": "left",
    }


def is_hidden(colour: str) -> bool:
    """Drawn, so that what it joins keeps its place, but not seen."""
    return colour == HIDDEN
