"""The logit lens as a figure, as a page, as a widget and as a table for a terminal."""

from unembed.figures.lens.figure import plot
from unembed.figures.lens.page import drawing, html, widget
from unembed.figures.lens.table import table

__all__ = ["drawing", "html", "plot", "table", "widget"]
