"""The flow graph as a figure, as a page and as a widget."""

from unembed.figures.flow.figure import plot
from unembed.figures.flow.page import drawing, html, widget

__all__ = ["drawing", "html", "plot", "widget"]
