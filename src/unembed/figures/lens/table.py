"""The logit lens as a table for a terminal. Knows the result, no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.table import Table
from rich.text import Text

from unembed.analyses.lens.result import LensResult
from unembed.errors import InputError
from unembed.figures.colours import CIVIDIS, TOKENS, look, wants_dark_text
from unembed.figures.grid import Scale
from unembed.figures.lens import kinds as lens_kinds
from unembed.figures.lens.figure import row_label
from unembed.figures.lens.kinds import CELLS, Kind, check_kind

VALUE = 6  # columns of a value with a space on either side; the longest has five characters
TOKENS_BETWEEN = (8, 16)  # least and most columns of a token beside it
GAP = 1
LEAST_WIDTH = 26


def table(
    result: LensResult,
    kind: str = "probability",
    *,
    top_down: bool = False,
    width: int | None = None,
) -> LensTable:
    """Something that Rich prints: value and top token of each cell, rows by tokens.

    As many columns as fit stand beside each other; the others follow below. Values are on the
    colour that they have in the figure.

    Args:
        kind: "top", "logit", "probability", "rank", "kl" or "entropy".
        top_down: the first row and the inputs at the top, the output and its tokens below.
        width: in characters; None takes the terminal's.

    Raises:
        InputError: no such kind; a width below 26.
    """
    if width is not None and width < LEAST_WIDTH:
        raise InputError(
            f"width is {width}; a table needs {LEAST_WIDTH} characters or more",
            field="width",
            value=width,
            legal=f"{LEAST_WIDTH} or more",
        )
    return LensTable(result, check_kind(kind), top_down, width)


@dataclass(frozen=True)
class LensTable:
    """One table below the other, each as wide as there is room."""

    result: LensResult
    kind: Kind
    top_down: bool
    width: int | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width if self.width is None else self.width
        yield Text(lens_kinds.title(self.result, self.kind), style="bold")
        yield Text(f"{CELLS[self.kind].unit}; each row's top token beside it", style="dim")
        step, token = self._fit(width)
        n_columns = len(self.result.positions)
        for start in range(0, n_columns, step):
            yield Text()
            yield self._table(range(start, min(start + step, n_columns)), token)

    def _fit(self, width: int) -> tuple[int, int]:
        """How many columns stand beside each other, and the characters for the token in each."""
        least, most = TOKENS_BETWEEN
        room = width - max(cell_len(name) + GAP for name in ("final", *self._names))
        step = min(len(self.result.positions), max(1, room // (VALUE + least + GAP)))
        return step, max(least, min(most, room // step - VALUE - GAP))

    @cached_property
    def _names(self) -> list[str]:
        return [row_label(row) for row in self.result.rows]

    @cached_property
    def _labels(self) -> dict[int, str]:
        return {token.id: token.label for token in self.result.vocabulary}

    @cached_property
    def _values(self) -> list[list[float]]:
        return lens_kinds.values(self.result, self.kind)

    @cached_property
    def _scale(self) -> Scale:
        return lens_kinds.scale(self.result, self.kind)

    def _table(self, columns: range, token: int) -> Table:
        grid = Table.grid(padding=(0, GAP, 0, 0), pad_edge=False)
        grid.add_column(justify="right", no_wrap=True)
        for _ in columns:
            grid.add_column(width=VALUE + token, no_wrap=True)
        inputs, targets = self._inputs(columns, token), self._targets(columns, token)
        grid.add_row(*(inputs if self.top_down else targets))
        n_rows = len(self.result.rows)
        for row in range(n_rows) if self.top_down else reversed(range(n_rows)):
            cells = [self._cell(row, column, token) for column in columns]
            grid.add_row(Text(self._names[row], style="dim"), *cells)
        grid.add_row(*(targets if self.top_down else inputs))
        return grid

    def _inputs(self, columns: range, token: int) -> Sequence[Text]:
        """What goes in, and where it stands."""
        cells = [Text("input", style="dim")]
        for column in columns:
            position = f"{self.result.positions[column]:>{VALUE - 1}} "
            label = _fitted(self.result.tokens[column].label, token)
            cells.append(Text.assemble((position, "dim"), (label, "bold")))
        return cells

    def _targets(self, columns: range, token: int) -> Sequence[Text]:
        """What comes out; a mark where it is the prompt's true next token."""
        cells = [Text("final", style="dim")]
        for column in columns:
            final = int(self.result.top_ids[-1, column, 0])
            mark = "✓" if final == int(self.result.next_ids[column]) else ""
            label = _fitted(self._labels[final], token)
            cells.append(Text.assemble((f"{mark:>{VALUE - 1}} ", "bold"), (label, "bold")))
        return cells

    def _cell(self, row: int, column: int, token: int) -> Text:
        value = self._values[row][column]
        label = _fitted(self._labels[int(self.result.top_ids[row, column, 0])], token)
        shown = f"{CELLS[self.kind].short(value):>{VALUE - 1}} "
        return Text.assemble((shown, self._style(value)), label)

    def _style(self, value: float) -> Style:
        """The colour of the value in the figure, and a text colour that is readable on it."""
        share = self._scale.share(value)
        if math.isnan(share):
            return Style(dim=True)
        red, green, blue = colour = look(CIVIDIS, share)
        text = TOKENS["cell_text"]["dark" if wants_dark_text(colour) else "light"]
        return Style(color=text, bgcolor=f"#{red:02x}{green:02x}{blue:02x}")


def _fitted(label: str, width: int) -> str:
    """A label with a space before it; an ellipsis where it is cut."""
    room = width - 1
    if cell_len(label) > room:
        label = set_cell_size(label, room - 1).rstrip() + "…"
    return f" {label}"
