"""A flow diagram as a Plotly figure: boxes, bands, a legend. Knows no torch and nothing of what
flows.

Everything is drawn where `places` puts it, in px: a Sankey of Plotly's own scales its boxes by an
order of columns that it does not tell, and covers what it is given places for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from unembed.errors import InputError
from unembed.figures.colours import MONO, Colours, template
from unembed.figures.diagram.legend import captions, legend_words, swatches
from unembed.figures.diagram.parts import Band, Box, Diagram, css
from unembed.figures.diagram.places import box_sizes, places
from unembed.figures.text import cut, escape, isolate

THICKNESS = 12  # px of a box, from left to right
LEFT, RIGHT, TOP, BOTTOM = 24, 72, 116, 44


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
        "annotations": [*captions(diagram, across), *legend_words(diagram.legend)],
    }
    drawn = _Drawn(diagram.boxes, bands, sizes, middles, across)
    layout["shapes"] = [
        *drawn.bands(),
        *drawn.boxes(colours["line-strong"]),
        *swatches(diagram.legend, wide, height, colours["line-mid"]),
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
