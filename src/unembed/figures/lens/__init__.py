"""The logit lens as a figure, as a page and as a table for a terminal."""

from unembed.figures.lens.figure import html, plot
from unembed.figures.lens.table import table

__all__ = ["html", "plot", "table"]
