"""An attribution graph as a figure, as a page and as a widget."""

from unembed.figures.attribution_graph.figure import plot
from unembed.figures.attribution_graph.page import drawing, html, widget

__all__ = ["drawing", "html", "plot", "widget"]
