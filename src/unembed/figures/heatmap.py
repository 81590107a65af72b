"""Token grids as Plotly figures. Knows no model and no analysis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from unembed.figures.colours import LIGHT, MONO, TOKENS, Colours, look, template, wants_dark_text
from unembed.figures.grid import Labels, Scale, TokenGrid
from unembed.figures.sizes import LONGEST_LABEL, Sizes, arrange
from unembed.figures.text import cut, escape, isolate, width

GAP_FROM = 20.0  # px of a cell's width, from which on a hairline parts it from the next
HEAD = 84  # px for the title and the colour bar
TITLE = 16  # px between the figure's edge and its title
BAR_TOP = 46  # px between the figure's edge and the colour bar
BAR_LENGTH = 260
LINE = 15  # px of a line of a label
AXIS_TITLE = 20
EDGE = 16
LEAST_WIDTH = 760  # px of the figure: room for the hover's box beside any cell
LEAST_HEIGHT = 380
LONGEST_TITLE = 100  # characters
TITLE_GLYPH = 8.5  # px of a character of the title; few are wider
QUIET = '<span style="fill-opacity:0.6">{}</span>'  # in either theme


@dataclass(frozen=True)
class _Box:
    """The margins around the cells, and the whole figure; px."""

    left: float
    top: float
    bottom: float
    width: float
    height: float
    cells_width: float
    cells_height: float


def grid_figure(grid: TokenGrid, colours: Colours = LIGHT) -> go.Figure:
    """The grid as a heat map, with its inputs on one side and its targets on the other.

    The text of a cell is drawn where it fits; everything known of a cell is in its hover.
    """
    sizes = _sizes(grid)
    figure = go.Figure(
        [_cells(grid, sizes), *_texts(grid, sizes, colours), _ghost()],
        layout=_layout(grid, sizes, colours),
    )
    figure.update_layout(template=template(colours))
    return figure


def _sizes(grid: TokenGrid) -> Sizes:
    names = [*grid.inputs.names, *grid.targets.names]
    return arrange(
        n_rows=len(grid.rows),
        n_columns=len(grid.inputs.names),
        text=any(any(row) for row in grid.texts),
        label=max(map(width, names)),
        widen=grid.widen,
        low=grid.low,
    )


# ------------------------------------------------------------------ cells


def _cells(grid: TokenGrid, sizes: Sizes) -> go.Heatmap:
    scale = grid.scale
    gap = 1 if sizes.cell_width >= GAP_FROM else 0
    return go.Heatmap(
        z=[[_drawn(value, scale) for value in row] for row in grid.values],
        hovertext=[[_hover(text) for text in row] for row in grid.hovers] or None,
        hoverinfo="text",
        coloraxis="coloraxis",
        xgap=gap,
        ygap=1,
        name="cells",
    )


def _drawn(value: float, scale: Scale) -> float | None:
    """Where a value stands on the colour axis; the infinite take its ends, NaN stays empty."""
    if math.isinf(value):
        value = scale.high if value > 0 else scale.low
    placed = scale.place(value)
    return None if math.isnan(placed) else placed


def _hover(text: str) -> str:
    head, *rest = escape(text).split("\n")
    return "<br>".join([f"<b>{head}</b>", *rest])


def _texts(grid: TokenGrid, sizes: Sizes, colours: Colours) -> list[go.Scatter]:
    """One trace for each colour of text: dark on bright cells, light on dark, plain on empty."""
    groups: dict[str, list[tuple[int, int, str]]] = {"dark": [], "light": [], "none": []}
    anchors = colours.anchors(grid.scale.kind)
    for row, texts in enumerate(grid.texts if sizes.font else ()):
        for column, text in enumerate(texts):
            group = _group(grid.values[row][column], grid.scale, anchors)
            groups[group].append((column, row, cut(text, sizes.room)))
    return [_text_trace(name, cells, sizes) for name, cells in groups.items() if cells]


def _group(value: float, scale: Scale, anchors: tuple[str, ...]) -> str:
    share = scale.share(value)
    if math.isnan(share):
        return "none"
    return "dark" if wants_dark_text(look(anchors, share)) else "light"


def _text_trace(name: str, cells: list[tuple[int, int, str]], sizes: Sizes) -> go.Scatter:
    font: dict[str, Any] = {"family": MONO, "size": sizes.font}
    if name != "none":
        font["color"] = TOKENS["cell_text"][name]
    return go.Scatter(
        x=[column for column, _, _ in cells],
        y=[row for _, row, _ in cells],
        text=[escape(isolate(text)) for _, _, text in cells],
        mode="text",
        textfont=font,
        hoverinfo="skip",
        showlegend=False,
        name=f"{name} text",
    )


def _ghost() -> go.Scatter:
    """Nothing, on the second axis: Plotly draws no axis that has no trace."""
    return go.Scatter(
        x=[None], y=[None], xaxis="x2", hoverinfo="skip", showlegend=False, name="targets"
    )


# ------------------------------------------------------------------ layout


def _layout(grid: TokenGrid, sizes: Sizes, colours: Colours) -> dict[str, Any]:
    box = _box(grid, sizes)
    return {
        "width": box.width,
        "height": box.height,
        "autosize": False,
        "margin": {
            "l": box.left,
            "r": box.width - box.left - box.cells_width,
            "t": box.top,
            "b": box.height - box.top - box.cells_height,
            "pad": 0,
            "autoexpand": False,
        },
        "title": _title(grid, box),
        "hovermode": "closest",
        "dragmode": "zoom",
        "coloraxis": _colour_axis(grid, box, colours),
        "xaxis": _columns(grid.inputs, sizes, "top" if grid.top_down else "bottom"),
        "xaxis2": _columns(grid.targets, sizes, "bottom" if grid.top_down else "top")
        | {"overlaying": "x", "matches": "x"},
        "yaxis": _rows(grid, sizes),
        "annotations": [
            *(_axis_title(grid, sizes, side) for side in ("top", "bottom")),
            _unit(grid, box),
        ],
    }


def _box(grid: TokenGrid, sizes: Sizes) -> _Box:
    cells_width = math.ceil(sizes.cell_width * len(grid.inputs.names))
    cells_height = math.ceil(sizes.cell_height * len(grid.rows))
    left = max(48, math.ceil(sizes.across(max(map(width, grid.rows)))) + EDGE)
    top = HEAD + AXIS_TITLE + _label_height(_axis(grid, "top"), sizes)
    bottom = _label_height(_axis(grid, "bottom"), sizes) + AXIS_TITLE + EDGE
    return _Box(
        left=left,
        top=top,
        bottom=bottom,
        width=max(LEAST_WIDTH, left + max(cells_width, _title_width(grid)) + EDGE),
        height=max(LEAST_HEIGHT, top + cells_height + bottom),
        cells_width=cells_width,
        cells_height=cells_height,
    )


def _axis(grid: TokenGrid, side: str) -> Labels:
    return grid.inputs if (side == "top") == grid.top_down else grid.targets


def _title_width(grid: TokenGrid) -> int:
    return math.ceil(TITLE_GLYPH * min(width(grid.title), LONGEST_TITLE))


def _title(grid: TokenGrid, box: _Box) -> dict[str, Any]:
    return {
        "text": f"<b>{escape(isolate(cut(grid.title, LONGEST_TITLE)))}</b>",
        "font": {"size": 14},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "y": 1 - TITLE / box.height,
        "yref": "container",
        "yanchor": "top",
    }


def _colour_axis(grid: TokenGrid, box: _Box, colours: Colours) -> dict[str, Any]:
    scale = grid.scale
    anchors = colours.anchors(scale.kind)
    bar = {
        "orientation": "h",
        "thickness": 8,
        "len": BAR_LENGTH,
        "lenmode": "pixels",
        "x": 0,
        "xanchor": "left",
        "xpad": 0,
        "ypad": 0,
        "y": 1 - BAR_TOP / box.height,
        "yref": "container",
        "yanchor": "top",
        "outlinewidth": 0,
        "tickvals": [scale.place(value) for value, _ in scale.ticks],
        "ticktext": [escape(text) for _, text in scale.ticks],
        "tickfont": {"size": 11},
        "ticks": "outside",
        "ticklen": 3,
    }
    return {
        "cmin": scale.place(scale.low),
        "cmax": scale.place(scale.high),
        "colorscale": [[at / (len(anchors) - 1), colour] for at, colour in enumerate(anchors)],
        "reversescale": scale.bright == "low",
        "colorbar": bar,
    }


def _columns(labels: Labels, sizes: Sizes, side: str) -> dict[str, Any]:
    n_columns = len(labels.names)
    shown = range(0, n_columns, sizes.every)
    return {
        "side": side,
        "range": [-0.5, n_columns - 0.5],
        "tickvals": list(shown),
        "ticktext": [_label(labels, column, sizes, side) for column in shown],
        "tickangle": -90 if sizes.upright else 0,
        "tickfont": {"family": MONO, "size": sizes.label_font},
        "ticks": "",
        "automargin": False,
    }


def _rows(grid: TokenGrid, sizes: Sizes) -> dict[str, Any]:
    n_rows = len(grid.rows)
    shown = range(n_rows - 1, -1, -sizes.every_row)  # the model's output always has its label
    ends = [-0.5, n_rows - 0.5]
    return {
        "range": ends[::-1] if grid.top_down else ends,
        "tickvals": list(shown),
        "ticktext": [escape(isolate(grid.rows[row])) for row in shown],
        "tickfont": {"family": MONO, "size": sizes.label_font},
        "ticks": "",
        "ticklabelstandoff": 4,
        "automargin": False,
    }


# ------------------------------------------------------------------ labels of columns


def _label(labels: Labels, column: int, sizes: Sizes, side: str) -> str:
    """The token, and its badge: a number beyond it, or, upright, between it and the cells."""
    name = escape(isolate(cut(labels.names[column], LONGEST_LABEL)))
    badge = labels.badges[column] if labels.badges else ""
    if not any(labels.badges):
        return name
    if sizes.upright:
        shown = _badge(escape(badge.rjust(max(map(len, labels.badges)))), labels.quiet)
        both = f"{shown} {name}" if side == "top" else f"{name} {shown}"
    else:
        shown = _badge(escape(badge or " "), labels.quiet)
        both = f"{shown}<br>{name}" if side == "top" else f"{name}<br>{shown}"
    return f"<b>{both}</b>" if badge and not labels.quiet else both


def _badge(badge: str, quiet: bool) -> str:
    return QUIET.format(badge) if quiet else badge


def _label_height(labels: Labels, sizes: Sizes) -> float:
    names = max(min(width(name), LONGEST_LABEL) for name in labels.names)
    badges = max(map(len, labels.badges), default=0)
    if sizes.upright:
        return math.ceil(sizes.across(names + badges + (badges > 0))) + 6
    return LINE * (2 if badges else 1) + 4


def _axis_title(grid: TokenGrid, sizes: Sizes, side: str) -> dict[str, Any]:
    """At the left end, where it is in sight however wide the figure is."""
    labels = _axis(grid, side)
    away = _label_height(labels, sizes) + 4
    return _note(labels.title) | {
        "y": 1 if side == "top" else 0,
        "yanchor": "bottom" if side == "top" else "top",
        "yshift": away if side == "top" else -away,
    }


def _unit(grid: TokenGrid, box: _Box) -> dict[str, Any]:
    """Beside the colour bar."""
    return _note(grid.unit) | {
        "xshift": BAR_LENGTH + 12,
        "y": 1,
        "yanchor": "top",
        "yshift": box.top - BAR_TOP + 4,
    }


def _note(text: str) -> dict[str, Any]:
    return {
        "text": escape(text),
        "showarrow": False,
        "borderpad": 0,
        "font": {"size": 11},
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "yref": "paper",
    }
