"""A circuit as a figure, as a page and as a widget."""

from unembed.figures.circuit.figure import plot
from unembed.figures.circuit.page import drawing, html, widget

__all__ = ["drawing", "html", "plot", "widget"]
