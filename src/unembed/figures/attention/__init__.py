"""Attention of one run as a figure, as a page and as a widget; `both` has those of two sides."""

from unembed.figures.attention.figure import plot
from unembed.figures.attention.page import drawing, html, widget

__all__ = ["drawing", "html", "plot", "widget"]
