"""How large the cells of a grid are, and what text has room in them. Knows no figure.

A grid of a few tokens has room for everything; one of two hundred is a picture. In between, cells
narrow until their text no longer fits, then the text goes, then labels thin out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GLYPH = 0.605  # width of a monospaced character, in font sizes; no common font is wider
PADDING = 6  # px beside a text in its cell
FONTS = (12, 11, 10, 9)  # of cells, px
LABEL_FONT = 11
LONGEST_LABEL = 16  # columns; a longer one is cut
LEAST_TEXT = 5  # columns of a text that is cut to its cell and still says something
WANTED_TEXT = 8  # columns, where there is room

ROOMY_WIDTH = 1100  # px of cells that a window of 1280 shows; up to it they widen for their labels
MOST_WIDTH = 2400  # px of cells, unless text was asked for
ROOMY_HEIGHT = 800
CELL_WIDTHS = (2.0, 120.0)
PLAIN_WIDTHS = (12.0, 40.0)  # of cells without text, where there is room
CELL_HEIGHTS = (13.0, 24.0)
LOW_CELL = 1.0


@dataclass(frozen=True)
class Sizes:
    """Pixels."""

    cell_width: float
    cell_height: float
    font: int | None  # of the cells' text; None: there is no room
    upright: bool  # labels of columns stand on end
    label_font: int
    every: int  # which columns are labelled: 0, every, 2 * every ...
    every_row: int

    @property
    def room(self) -> int:
        """Columns of text that a cell has room for."""
        if self.font is None:
            return 0
        return int((self.cell_width - PADDING) / (GLYPH * self.font))

    def across(self, columns: int) -> float:
        """Pixels of so many characters of a label."""
        return columns * GLYPH * self.label_font


def arrange(
    n_rows: int, n_columns: int, text: bool, label: int, widen: bool, low: bool = False
) -> Sizes:
    """Sizes for a grid.

    Args:
        text: cells have text.
        label: columns of the longest label of a column.
        widen: rather a wide figure than cells without text.
        low: rather rows without labels than a tall figure.
    """
    label = min(label, LONGEST_LABEL)
    least, most = CELL_HEIGHTS
    height = _between(ROOMY_HEIGHT / n_rows, (LOW_CELL if low else least, most))
    width, font = _with_text(n_columns, label, height, widen) if text else (0.0, None)
    if font is None:
        width = _plain(n_columns)
    upright = label * GLYPH * LABEL_FONT + PADDING > width
    return Sizes(
        cell_width=width,
        cell_height=height,
        font=font,
        upright=upright,
        label_font=LABEL_FONT,
        every=math.ceil((LABEL_FONT + 1) / width) if upright else 1,
        every_row=math.ceil(LABEL_FONT / height),
    )


def _with_text(n_columns: int, label: int, height: float, widen: bool) -> tuple[float, int | None]:
    """The widest cells that there is room for, and the largest font in them; None: no font fits.

    How long the texts are does not count, so that another kind of text leaves everything in place.
    """
    wanted = _room(max(label, WANTED_TEXT), LABEL_FONT)
    for font in (font for font in FONTS if font + 3 <= height):
        width = max(_room(LEAST_TEXT, font), min(wanted, ROOMY_WIDTH / n_columns))
        if widen or width * n_columns <= MOST_WIDTH:
            return _between(width, CELL_WIDTHS), font
    return 0.0, None


def _room(columns: int, font: int) -> float:
    return math.ceil(columns * GLYPH * font) + PADDING


def _plain(n_columns: int) -> float:
    """Cells without text: as many pixels as a wide window has, but labels stay apart."""
    width = _between(ROOMY_WIDTH / n_columns, PLAIN_WIDTHS)
    return _between(min(width, MOST_WIDTH / n_columns), CELL_WIDTHS)


def _between(value: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(max(value, low), high)
