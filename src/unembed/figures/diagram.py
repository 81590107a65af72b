"""A flow diagram as a Plotly figure: boxes, bands, a legend. Knows no torch and nothing of what
flows.

Everything is drawn where `places` puts it, in px: a Sankey of Plotly's own scales its boxes by an
order of columns that it does not tell, and covers what it is given places for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, groupby
from typing import Any

import plotly.graph_objects as go

from unembed.errors import InputError
from unembed.figures.colours import MONO, SANS, Colours, template
from unembed.figures.flow_palettes import HIDDEN
from unembed.figures.text import cut, escape, isolate

THICKNESS = 12  # px of a box, from left to right
GAP = 14.0  # px between two boxes of a column
LINE = 15.0  # px that a label takes
LANE_GAP = 26.0  # px between the bands on top and what is below them
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


def diagram_figure(diagram: Diagram, colours: Colours) -> go.Figure:
    """The diagram from left to right, as wide as its columns ask for.

    Raises InputError where nothing joins two boxes.
    """
    bands = [band for band in diagram.bands if band.size > 0]
    if not bands:
        raise InputError("there is nothing to draw: no link has a width", field="graph")
    sizes = box_sizes(len(diagram.boxes), bands)
    middles, height = places(diagram.boxes, bands, sizes)
    across = list(accumulate(diagram.room, initial=0.0))
    wide = across[-1]
    layout = {
        "template": template(colours),
        "title": _title(diagram.title),
        "width": LEFT + wide + RIGHT,
        "height": TOP + height + BOTTOM,
        "margin": {"l": LEFT, "r": RIGHT, "t": TOP, "b": BOTTOM, "pad": 0},
        "xaxis": _axis([0, wide]),
        "yaxis": _axis([height, 0]),
        "hovermode": "closest",
        "annotations": [*_captions(diagram, across), *_legend_words(diagram.legend)],
    }
    drawn = _Drawn(diagram.boxes, bands, sizes, middles, across)
    layout["shapes"] = [
        *drawn.bands(),
        *drawn.boxes(colours["line-strong"]),
        *_swatches(diagram.legend, wide, height, colours["line-mid"]),
    ]
    return go.Figure([drawn.labels(), drawn.middles_of_bands()], layout)


def _axis(ends: list[float]) -> dict[str, Any]:
    return {"range": ends, "visible": False, "fixedrange": False}


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


@dataclass(frozen=True)
class _Drawn:
    """Boxes and bands in their places; px from the left top of the diagram."""

    all_boxes: Sequence[Box]
    all_bands: Sequence[Band]
    sizes: Sequence[float]
    middles: Sequence[float]
    across: Sequence[float]

    def left(self, box: int) -> float:
        return self.across[self.all_boxes[box].column]

    def boxes(self, edge: str) -> list[dict[str, Any]]:
        return [
            {
                "type": "rect",
                "layer": "below",
                "x0": self.left(at),
                "x1": self.left(at) + THICKNESS,
                "y0": self.middles[at] - self.sizes[at] / 2,
                "y1": self.middles[at] + self.sizes[at] / 2,
                "fillcolor": css(box.colour),
                "line": {"color": edge, "width": 0.5},
            }
            for at, box in enumerate(self.all_boxes)
        ]

    def bands(self) -> list[dict[str, Any]]:
        return [
            {
                "type": "path",
                "layer": "below",
                "path": ribbon(*self.ends[at], band.size),
                "fillcolor": css(band.colour),
                "line": {"width": 0},
            }
            for at, band in enumerate(self.all_bands)
        ]

    def labels(self) -> go.Scatter:
        """The first trace: what boxes say."""
        return go.Scatter(
            x=[self.left(at) + THICKNESS / 2 for at in range(len(self.all_boxes))],
            y=list(self.middles),
            mode="markers+text",
            text=[escape(isolate(cut(box.label, box.room))) for box in self.all_boxes],
            textposition="middle right",
            textfont={"size": 11, "family": MONO},
            marker={
                "size": THICKNESS,
                "symbol": "square",
                "opacity": 0,
                "color": [css(box.colour) for box in self.all_boxes],
            },
            hovertext=[hover_text(box.hover) for box in self.all_boxes],
            hoverinfo="text",
            cliponaxis=False,
            showlegend=False,
            name="boxes",
        )

    def middles_of_bands(self) -> go.Scatter:
        """The second trace: what bands say, in their middle."""
        said = [(at, band) for at, band in enumerate(self.all_bands) if band.hover]
        ends = [self.ends[at] for at, _ in said]
        return go.Scatter(
            x=[(x0 + x1) / 2 for x0, _, x1, _ in ends],
            y=[(y0 + y1) / 2 for _, y0, _, y1 in ends],
            mode="markers",
            marker={"size": 8, "opacity": 0, "color": [css(band.colour) for _, band in said]},
            hovertext=[hover_text(band.hover) for _, band in said],
            hoverinfo="text",
            showlegend=False,
            name="bands",
        )

    @cached_property
    def ends(self) -> list[tuple[float, float, float, float]]:
        """Left end and right end of each band: x, middle, x, middle."""
        starts = self._ports("source", "target")
        stops = self._ports("target", "source")
        return [
            (self.left(band.source) + THICKNESS, starts[at], self.left(band.target), stops[at])
            for at, band in enumerate(self.all_bands)
        ]

    def _ports(self, end: str, other: str) -> dict[int, float]:
        """Where bands meet a box: in the order of their other ends, so that few cross."""
        meeting: dict[int, list[int]] = {}
        for at, band in enumerate(self.all_bands):
            meeting.setdefault(getattr(band, end), []).append(at)
        found = {}
        for box, bands in meeting.items():
            y = self.middles[box] - self.sizes[box] / 2
            for at in sorted(bands, key=lambda at: self._height_of(at, other)):
                found[at] = y + self.all_bands[at].size / 2
                y += self.all_bands[at].size
        return found

    def _height_of(self, band: int, end: str) -> tuple[int, float]:
        box = getattr(self.all_bands[band], end)
        return self.all_boxes[box].lane, self.middles[box]


def ribbon(x0: float, y0: float, x1: float, y1: float, size: float) -> str:
    """A band that is level at both ends, as an SVG path."""
    half, middle = size / 2, (x0 + x1) / 2
    return (
        f"M {x0:.2f},{y0 - half:.2f} "
        f"C {middle:.2f},{y0 - half:.2f} {middle:.2f},{y1 - half:.2f} {x1:.2f},{y1 - half:.2f} "
        f"L {x1:.2f},{y1 + half:.2f} "
        f"C {middle:.2f},{y1 + half:.2f} {middle:.2f},{y0 + half:.2f} {x0:.2f},{y0 + half:.2f} Z"
    )


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


# ------------------------------------------------------------------ places


def box_sizes(n_boxes: int, bands: Sequence[Band]) -> list[float]:
    """What comes in or what goes out, whichever is more."""
    coming, going = [0.0] * n_boxes, [0.0] * n_boxes
    for band in bands:
        going[band.source] += band.size
        coming[band.target] += band.size
    return [max(pair) for pair in zip(coming, going, strict=True)]


def places(
    boxes: Sequence[Box], bands: Sequence[Band], sizes: Sequence[float]
) -> tuple[list[float], float]:
    """Middles of the boxes from the top, and the height of the diagram, px.

    Lane 0 hangs from the top; each lane below it is as high as its fullest column, and the others
    stand in its middle.
    """
    room = [max(size, LINE) + GAP for size in sizes]
    stacks = _stacks(boxes)
    heights: dict[int, float] = {0: _highest_band(boxes, bands)}
    for (lane, _), members in stacks.items():
        if lane:
            heights[lane] = max(heights.get(lane, 0.0), sum(room[box] for box in members))
    tops = dict(
        zip(
            sorted(heights),
            accumulate((heights[lane] + LANE_GAP for lane in sorted(heights)), initial=0.0),
            strict=False,
        )
    )
    middles = [0.0] * len(boxes)
    for (lane, _), members in stacks.items():
        taken = sum(room[box] for box in members)
        at = tops[lane] + (max(0.0, heights[lane] - taken) / 2 if lane else 0.0)
        for box in members:
            middles[box] = at + (sizes[box] if lane == 0 else room[box]) / 2
            at += room[box]
    bottom = max(middle + size / 2 for middle, size in zip(middles, sizes, strict=True))
    return middles, max(LEAST_HEIGHT, bottom + GAP)


def _stacks(boxes: Sequence[Box]) -> dict[tuple[int, int], list[int]]:
    """Boxes by lane and column, in their order."""
    order = sorted(range(len(boxes)), key=lambda box: (boxes[box].lane, boxes[box].column, box))
    return {
        key: list(members)
        for key, members in groupby(order, lambda box: (boxes[box].lane, boxes[box].column))
    }


def _highest_band(boxes: Sequence[Box], bands: Sequence[Band]) -> float:
    """Of those that join two boxes on top."""
    tops = (band.size for band in bands if not (boxes[band.source].lane or boxes[band.target].lane))
    return max(tops, default=0.0)


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
