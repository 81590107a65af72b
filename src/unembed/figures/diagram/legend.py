"""What stands around a diagram: captions under its columns, headings and the legend above them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unembed.figures.colours import SANS
from unembed.figures.diagram.parts import Diagram, Key, css
from unembed.figures.flow_palettes import HIDDEN
from unembed.figures.text import escape

SWATCH, BAR = 12, 120  # px of a plain colour and of a colour map in the legend
STEPS = 32  # of a colour map in the legend
GLYPH = 6.2  # px of a character of the legend, as an upper bound
ROWS = (-72, -48)  # px from the top of the diagram: colour maps, plain colours


def captions(diagram: Diagram, across: Sequence[float]) -> list[dict[str, Any]]:
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


def legend_words(legend: Sequence[Key]) -> list[dict[str, Any]]:
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


def swatches(legend: Sequence[Key], wide: float, high: float, edge: str) -> list[dict[str, Any]]:
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
