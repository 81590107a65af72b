"""The table of a lens: the numbers of the result, in any width."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import pytest
from rich.cells import cell_len
from rich.console import Console

from unembed.errors import InputError
from unembed.figures.lens.figure import row_label
from unembed.figures.lens.kinds import CELLS, KINDS, values
from unembed.figures.lens.table import GAP, VALUE

from .conftest import lens_of

ESCAPE = "\x1b["


def printed(lens, kind="probability", columns=60, terminal=False, **options) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=columns,
        force_terminal=terminal,
        color_system="truecolor" if terminal else None,
    )
    console.print(lens.table(kind, **options))
    return out.getvalue()


def blocks(text: str) -> list[list[str]]:
    """The tables, one below the other, without the heading."""
    return [block.splitlines() for block in text.split("\n\n")[1:]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [60, 100, 217])
def test_every_value_of_the_result_is_printed_once(lens, kind, width):
    tables = blocks(printed(lens, kind, width))
    names = [row_label(row) for row in lens.rows]
    first = max(map(len, ["final", *names])) + GAP
    found = [
        [
            line[at : at + VALUE].strip()
            for table in tables
            for line, at in cells(table, name, first)
        ]
        for name in names
    ]
    assert found == [[CELLS[kind].short(value) for value in row] for row in values(lens, kind)]


def cells(table: list[str], name: str, first: int) -> Iterator[tuple[str, int]]:
    """The line of a row, and where each of its cells starts."""
    line = next(line for line in table if line[:first].strip() == name)
    n_cells = len(re.findall(r"\d+ ", table[-1][first:]))
    step = (len(table[-1]) - first + GAP) // n_cells
    for column in range(n_cells):
        yield line, first + column * step


@pytest.mark.parametrize("width", [26, 60, 80, 200])
def test_no_line_is_wider_than_asked(awkward, width):
    for given in ({"width": width}, {}):
        lines = printed(awkward, "rank", 300 if given else width, **given).splitlines()
        assert max(map(cell_len, lines[2:])) <= width


def test_as_many_columns_stand_beside_each_other_as_fit():
    counts = [len(blocks(printed(lens_of(3, 12), columns=width))) for width in (40, 60, 100, 400)]
    assert counts == [6, 4, 2, 1]


def test_the_output_is_on_top_unless_turned_round():
    lens = lens_of(3, 2)
    first = [line.split()[0] for line in blocks(printed(lens))[0]]
    assert first == ["final", "L1", "L0", "embed", "input"]
    turned = [line.split()[0] for line in blocks(printed(lens, top_down=True))[0]]
    assert turned == first[::-1]


def test_a_mark_says_where_the_final_token_is_the_true_next_one():
    lens = lens_of(3, 40)
    heads = "".join(table[0] for table in blocks(printed(lens)))
    assert heads.count("✓") == int((lens.top_ids[-1, :, 0] == lens.next_ids).sum()) > 0


def test_positions_of_the_prompt_are_named():
    lens = lens_of(2, 3)
    object.__setattr__(lens, "positions", (75, 80, 99))
    foot = blocks(printed(lens))[0][-1]
    assert [word for word in foot.split() if word.isdigit()] == ["75", "80", "99"]


def test_colours_are_for_terminals_alone():
    lens = lens_of(2, 3)
    assert ESCAPE not in printed(lens)
    assert f"{ESCAPE}38;2;" in printed(lens, terminal=True)


def test_a_result_prints_itself():
    out = io.StringIO()
    Console(file=out, width=60).print(lens_of(2, 2))
    assert out.getvalue() == printed(lens_of(2, 2))


def test_a_missing_value_is_a_dash(awkward):
    line = blocks(printed(awkward, "rank", 300))[0][-2]
    assert line.strip().startswith("embed")
    assert "–" in line


def test_an_unknown_kind_or_a_width_without_room_is_refused():
    with pytest.raises(InputError, match="'probs'") as caught:
        lens_of(1, 1).table("probs")
    assert caught.value.legal == ", ".join(KINDS)
    with pytest.raises(InputError, match="26"):
        lens_of(1, 1).table(width=5)
