"""The flow graph as a figure and as a page."""

from unembed.figures.flow.figure import html, plot

__all__ = ["html", "plot"]
