"""Results that have a picture. Knows no model, and no figure but by name."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unembed.result import Result

if TYPE_CHECKING:
    import plotly.graph_objects as go
    from anywidget import AnyWidget

# The package that draws a result, by the result's class. It is named, not imported: figures lie
# above analyses, and a result that is never drawn loads none of them.
FIGURES = {
    "AttentionComparison": "unembed.figures.attention.both",
    "AttentionResult": "unembed.figures.attention",
    "LensResult": "unembed.figures.lens",
    "FlowGraph": "unembed.figures.flow",
    "Circuit": "unembed.figures.circuit",
    "AttributionGraph": "unembed.figures.attribution_graph",
}


def figures_of(result: object) -> Any:
    """The package with `plot` and `html` of a result, for a class that `FIGURES` lists."""
    return import_module(FIGURES[type(result).__name__])


class Drawn(Result):
    """A result that has a picture. What can be asked of it stands at the functions that draw."""

    def plot(self, *choices: Any, **options: Any) -> go.Figure:
        """A Plotly figure; see `plot` of the package in `unembed.figures`."""
        figure: go.Figure = figures_of(self).plot(self, *choices, **options)
        return figure

    def to_html(self, *choices: Any, path: str | Path | None = None, **options: Any) -> str:
        """One HTML page that needs no network, written to `path` where one is given.

        See `html` of the package in `unembed.figures`.
        """
        page: str = figures_of(self).html(self, *choices, path=path, **options)
        return page

    def widget(self, *choices: Any, **options: Any) -> AnyWidget:
        """The drawing in a notebook; needs anywidget: pip install 'unembed[notebook]'.

        See `widget` of the package in `unembed.figures`.
        """
        widget: AnyWidget = figures_of(self).widget(self, *choices, **options)
        return widget
