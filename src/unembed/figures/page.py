"""Figures as one HTML page that needs nothing else. Knows figures, not what they show.

Plotly's own script is inside, a content policy forbids every request, and all text is escaped.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, get_args

import plotly.graph_objects as go
from plotly.io.json import to_json_plotly
from plotly.offline import get_plotlyjs

from unembed.figures.colours import DARK, LIGHT, MONO, SANS, TOKENS, Colours, Theme, template
from unembed.figures.files import file_name, write_whole
from unembed.figures.text import isolate


@dataclass(frozen=True)
class Panel:
    """One of the figures that a page can show."""

    name: str  # on its button
    figure: go.Figure
    meaning: str = ""  # what its numbers are and how they were computed
    dark: go.Figure | None = None  # where more than the template differs on a dark ground


@dataclass(frozen=True)
class Swatch:
    """A line of the legend: colours of a map in order, one colour, or none, and what it means."""

    light: tuple[str, ...]
    dark: tuple[str, ...]
    words: str


CELLS = "What colours the cells"
POINT = "Point at a cell for its numbers. Drag to zoom, double-click to see everything again."


def standalone(
    figure: go.Figure | Sequence[Panel],
    *,
    title: str,
    description: str | Sequence[str],
    provenance: Mapping[str, str],
    shown: int = 0,
    colours: Colours | None = None,
    path: str | Path | None = None,
    legend: Sequence[Swatch] = (),
    group: str = CELLS,
    hint: str = POINT,
) -> str:
    """One HTML file, about 5 MB, that draws with no network and prints well.

    Args:
        figure: a figure, or panels that the reader switches between.
        description: paragraphs on what is shown; plain text.
        provenance: what the numbers come from, by name; plain text.
        shown: which panel is shown first.
        colours: None: light or dark as the reader's system is.
        path: a file to write the page to, in one step.
        legend: what colours mean, below the figure; plain text.
        group: what the panels differ in, for who cannot see them; plain text.
        hint: what can be done with the figure; plain text.

    Raises:
        InputError: `path` cannot be written.
    """
    panels = [Panel("", figure)] if isinstance(figure, go.Figure) else list(figure)
    paragraphs = [description] if isinstance(description, str) else description
    page = Template(_asset("page.html")).substitute(
        title=_text(title),
        style=_style(colours),
        description="\n".join(f"<p>{_text(paragraph)}</p>" for paragraph in paragraphs),
        buttons=_buttons(panels, shown),
        group=_text(group),
        hint=_text(hint),
        legend=_legend(legend),
        provenance="\n".join(
            f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
            for name, value in provenance.items()
        ),
        data=_data(panels, title, shown, colours),
        plotly=get_plotlyjs(),
        script=_asset("page.js"),
    )
    if path is not None:
        write_whole(path, page)
    return page


def _asset(name: str) -> str:
    return files("unembed.figures").joinpath(name).read_text(encoding="utf-8")


def _text(text: str) -> str:
    return html.escape(isolate(text))


def _buttons(panels: Sequence[Panel], shown: int) -> str:
    if len(panels) < 2:
        return ""
    buttons = [
        f'<button type="button" data-panel="{place}" aria-pressed="{str(place == shown).lower()}">'
        f"{_text(panel.name)}</button>"
        for place, panel in enumerate(panels)
    ]
    return "\n".join(buttons)


def _legend(legend: Sequence[Swatch]) -> str:
    """Colours as custom properties, so that the sheet follows the reader's theme."""
    if not legend:
        return ""
    rows = []
    for swatch in legend:
        light, dark = _gradient(swatch.light), _gradient(swatch.dark)
        style = f"--for-light: {light}; --for-dark: {dark}"
        if not swatch.light:
            style = "visibility: hidden"
        wide = " map" if len(swatch.light) > 1 else ""
        rows.append(
            f'<li><span class="swatch{wide}" style="{style}"></span>'
            f"<span>{_text(swatch.words)}</span></li>"
        )
    return '<h2>How to read it</h2>\n<ul id="legend">\n' + "\n".join(rows) + "\n</ul>"


def _gradient(stops: Sequence[str]) -> str:
    return f"linear-gradient(90deg, {', '.join(stops)}{''.join(f', {one}' for one in stops[-1:])})"


def _style(colours: Colours | None) -> str:
    """The colours as CSS variables, then the sheet."""
    fonts = f":root {{ --sans: {SANS}; --mono: {MONO}; }}"
    if colours is not None:
        return "\n".join([fonts, _variables(colours.theme), _asset("page.css")])
    dark = f"@media screen and (prefers-color-scheme: dark) {{ {_variables('dark')} }}"
    return "\n".join([fonts, _variables("light"), dark, _asset("page.css")])


def _variables(theme: Theme) -> str:
    lines = " ".join(f"--{name}: {value};" for name, value in TOKENS[theme].items())
    swatches = f".swatch {{ --stops: var(--for-{theme}); }}"
    return f":root {{ color-scheme: {theme}; {lines} }} {swatches}"


# ------------------------------------------------------------------ what the script draws


def _data(panels: Sequence[Panel], title: str, shown: int, colours: Colours | None) -> str:
    """JSON that may stand in a script element. Hovers that all panels share are there once."""
    figures = [_plain(panel.figure) for panel in panels]
    darks = [None if panel.dark is None else _plain(panel.dark) for panel in panels]
    themes = {"light": LIGHT, "dark": DARK}
    wanted = get_args(Theme) if colours is None else (colours.theme,)
    found = {
        "title": title,
        "file": file_name(title),
        "shown": shown,
        "hovers": _shared_hovers(figures),
        "flows": _shared_flows([*figures, *(dark for dark in darks if dark is not None)]),
        "templates": {theme: template(themes[theme]) for theme in wanted},
        "panels": [
            {"meaning": panel.meaning, **figure} | ({} if dark is None else {"dark": dark})
            for panel, figure, dark in zip(panels, figures, darks, strict=True)
        ],
    }
    written: str = to_json_plotly(found)
    return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(figure: go.Figure) -> dict[str, Any]:
    """A figure without its template, which the page has once for all."""
    found: dict[str, Any] = figure.to_plotly_json()
    found["layout"].pop("template", None)
    return {"data": found["data"], "layout": found["layout"]}


def _shared_hovers(figures: Sequence[dict[str, Any]]) -> Any:
    """Taken out of every figure's first trace if they are the same in all, else None."""
    hovers = [figure["data"][0].get("hovertext") for figure in figures]
    if hovers[0] is None or any(json.dumps(one) != json.dumps(hovers[0]) for one in hovers[1:]):
        return None
    for figure in figures:
        del figure["data"][0]["hovertext"]
    return hovers[0]


def _shared_flows(figures: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The same for Sankey diagrams: what stands at boxes and links, whatever their colours."""
    parts = {
        part: [figure["data"][0].get(part, {}).get("customdata") for figure in figures]
        for part in ("node", "link")
    }
    for hovers in parts.values():
        if hovers[0] is None or any(list(one) != list(hovers[0]) for one in hovers[1:]):
            return None
    for figure in figures:
        for part in parts:
            del figure["data"][0][part]["customdata"]
    return {part: hovers[0] for part, hovers in parts.items()}
