"""A grid as a figure: every value in its place, every text where it has room, nothing as markup."""

from __future__ import annotations

import html
import json
import math
from dataclasses import replace

import pytest

from unembed.errors import InputError
from unembed.figures.colours import DARK, LIGHT, look, parse
from unembed.figures.grid import Labels, Scale, TokenGrid
from unembed.figures.heatmap import grid_figure
from unembed.figures.sizes import GLYPH, LABEL_FONT, MOST_WIDTH, arrange
from unembed.figures.text import width

UNIT = Scale(0, 1, ((0, "0"), (1, "1")))
SIZES = [(1, 1), (1, 5), (2, 1), (19, 5), (19, 20), (37, 60), (48, 200), (100, 200), (100, 4096)]


def grid(n_rows: int, n_columns: int, **changes) -> TokenGrid:
    rows, columns = range(n_rows), range(n_columns)
    return TokenGrid(
        **{
            "title": "A grid",
            "rows": tuple(f"L{row}" for row in rows),
            "inputs": Labels(
                "in", tuple(f"in{column}" for column in columns), tuple(map(str, columns)), True
            ),
            "targets": Labels("out", tuple(f"out{column}" for column in columns)),
            "values": [[(row + column) % 11 / 10 for column in columns] for row in rows],
            "texts": [[f"{row},{column}" for column in columns] for row in rows],
            "hovers": [[f"cell {row},{column}\nmore" for column in columns] for row in rows],
            "scale": UNIT,
            "unit": "share",
        }
        | changes
    )


def plain(figure) -> dict:
    return json.loads(figure.to_json())


def texts(figure) -> dict[tuple[int, int], tuple[str, str | None]]:
    """Text and its colour by row and column."""
    return {
        (int(y), int(x)): (html.unescape(text), trace.textfont.color)
        for trace in figure.data
        if trace.type == "scatter" and trace.mode == "text"
        for x, y, text in zip(trace.x, trace.y, trace.text, strict=True)
    }


def test_every_value_text_and_hover_is_in_its_cell():
    source = grid(4, 7)
    figure = grid_figure(source)
    cells = figure.data[0]
    assert [list(row) for row in cells.z] == source.values
    assert {at: text for at, (text, _) in texts(figure).items()} == {
        (row, column): source.texts[row][column] for row in range(4) for column in range(7)
    }
    assert cells.hovertext[2][5] == "<b>cell 2,5</b><br>more"
    assert list(figure.layout.yaxis.ticktext) == ["L3", "L2", "L1", "L0"]
    assert list(figure.layout.yaxis.tickvals) == [3, 2, 1, 0]


def test_text_has_the_colour_that_is_readable_on_its_cell():
    figure = grid_figure(grid(1, 2, values=[[0.0, 1.0]], texts=[["low", "high"]]))
    assert texts(figure) == {(0, 0): ("low", "#ffffff"), (0, 1): ("high", "#000000")}


@pytest.mark.parametrize("top_down", [False, True])
def test_the_output_is_on_top_unless_turned_round(top_down):
    layout = grid_figure(grid(3, 2, top_down=top_down)).layout
    assert list(layout.yaxis.range) == ([2.5, -0.5] if top_down else [-0.5, 2.5])
    assert layout.xaxis.side == ("top" if top_down else "bottom")
    assert layout.xaxis2.side == ("bottom" if top_down else "top")
    assert [note.text for note in layout.annotations] == (
        ["in", "out", "share"] if top_down else ["out", "in", "share"]
    )


@pytest.mark.parametrize(("n_rows", "n_columns"), SIZES)
def test_text_fits_its_cell_and_labels_stay_apart(n_rows, n_columns):
    label = 12
    sizes = arrange(n_rows, n_columns, text=True, label=label, widen=False)
    if sizes.font is not None:
        assert sizes.room >= 5
        assert sizes.room * GLYPH * sizes.font < sizes.cell_width
        assert sizes.font < sizes.cell_height
    if sizes.upright:
        assert sizes.every * sizes.cell_width > LABEL_FONT
    else:
        assert label * GLYPH * LABEL_FONT < sizes.cell_width
    assert sizes.every_row * sizes.cell_height >= LABEL_FONT
    assert sizes.cell_width * n_columns <= max(MOST_WIDTH, 2 * n_columns)


def test_cells_have_text_up_to_sixty_tokens_and_colours_alone_from_two_hundred():
    assert all(arrange(19, n, True, 12, False).font for n in (1, 5, 20, 60))
    assert arrange(19, 200, True, 12, False).font is None
    assert arrange(100, 200, True, 12, True).font == 10  # asked for: the figure is wider


def test_a_grid_widens_with_its_tokens():
    widths = [grid_figure(grid(3, n)).layout.width for n in (1, 5, 20, 60, 200, 1000)]
    assert widths == sorted(widths)
    assert widths[0] < 800


@pytest.mark.parametrize(("n_rows", "n_columns"), SIZES[:7])
def test_cells_have_the_pixels_that_their_text_was_fitted_to(n_rows, n_columns):
    source = grid(n_rows, n_columns)
    figure = grid_figure(source)
    layout, margin = figure.layout, figure.layout.margin
    sizes = arrange(n_rows, n_columns, True, max(map(width, source.targets.names)), False)
    assert layout.width - margin.l - margin.r == math.ceil(sizes.cell_width * n_columns)
    assert layout.height - margin.t - margin.b == math.ceil(sizes.cell_height * n_rows)
    assert margin.autoexpand is False
    assert min(margin.l, margin.r, margin.t, margin.b) >= 0


def test_a_text_that_does_not_fit_is_cut_with_an_ellipsis():
    shown = texts(grid_figure(grid(2, 30, texts=[["a" * 99] * 30] * 2)))
    sizes = arrange(2, 30, True, 5, False)
    assert {text for text, _ in shown.values()} == {"a" * (sizes.room - 1) + "…"}


def test_an_infinite_value_takes_the_end_of_the_scale_and_nan_no_colour():
    values = [[math.inf, -math.inf, math.nan, 0.5]]
    figure = grid_figure(grid(1, 4, values=values, texts=[["∞", "−∞", "–", "0.5"]]))
    assert plain(figure)["data"][0]["z"] == [[1, 0, None, 0.5]]
    assert texts(figure)[0, 2] == ("–", None)  # the theme's
    assert texts(figure)[0, 0] == ("∞", "#000000")


def test_a_logarithmic_scale_places_values_by_their_powers_of_ten():
    scale = Scale(1, 1e5, ((1, "1"), (100, "100")), bright="low", log=True)
    figure = grid_figure(grid(1, 3, values=[[1, 1000, math.nan]], texts=[], scale=scale))
    assert plain(figure)["data"][0]["z"] == [[0, 3, None]]
    axis = figure.layout.coloraxis
    assert (axis.cmin, axis.cmax, axis.reversescale) == (0, 5, True)
    assert list(axis.colorbar.tickvals) == [0, 2]
    assert look(LIGHT.sequential, scale.share(1)) == parse(LIGHT.sequential[-1])
    assert scale.share(1000) == pytest.approx(0.4)


def test_signs_have_a_diverging_map_with_the_ground_in_its_middle():
    scale = Scale(-2, 2, ((0, "0"),), kind="diverging")
    figure = grid_figure(grid(1, 1, values=[[0.0]], texts=[], scale=scale), DARK)
    colours = [colour for _, colour in figure.layout.coloraxis.colorscale]
    assert colours == list(DARK.diverging)
    assert look(DARK.diverging, scale.share(0)) == pytest.approx(parse(colours[3]), abs=2)


def test_nothing_in_a_label_is_markup():
    names = ("<b>x</b>", "&amp;", "$x$")
    labels = Labels("<i>", names, ("<", "", ""))
    layout = grid_figure(
        grid(1, 3, title="<a href='x'>", rows=("<i>",), inputs=labels, targets=labels)
    ).layout
    for ticks in (layout.xaxis.ticktext, layout.xaxis2.ticktext):
        bare = [tick.replace("<b>", "").replace("</b>", "").replace("<br>", "") for tick in ticks]
        assert not any("<" in tick or "$" in tick for tick in bare)
        assert all(html.escape(names[at])[:4] in ticks[at] for at in (0, 1))
    assert layout.title.text == "<b>&lt;a href='x'&gt;</b>"
    assert layout.yaxis.ticktext == ("&lt;i&gt;",)
    assert layout.annotations[0].text == "&lt;i&gt;"


def test_right_to_left_tokens_are_isolated():
    labels = Labels("in", ("␣שלום", "a"))
    layout = grid_figure(grid(1, 2, inputs=labels)).layout
    assert list(layout.xaxis.ticktext) == ["\u2068␣שלום\u2069", "a"]


def test_a_mark_is_bold_and_a_number_faint():
    targets = Labels("out", ("a", "b"), ("✓", ""))
    layout = grid_figure(grid(1, 2, targets=targets)).layout
    assert list(layout.xaxis2.ticktext) == ["<b>✓<br>a</b>", " <br>b"]
    assert layout.xaxis.ticktext[1] == 'in1<br><span style="fill-opacity:0.6">1</span>'


def test_dense_columns_are_labelled_on_end_and_thinned_out():
    layout = grid_figure(grid(2, 1000)).layout
    assert layout.xaxis.tickangle == -90
    step = layout.xaxis.tickvals[1]
    assert step * 2400 / 1000 > LABEL_FONT
    assert grid_figure(grid(2, 5)).layout.xaxis.tickangle == 0


def test_themes_differ_only_in_their_template():
    light, dark = (grid_figure(grid(2, 2), colours) for colours in (LIGHT, DARK))
    assert light.layout.template.layout.paper_bgcolor == "#fbfbfa"
    assert dark.layout.template.layout.paper_bgcolor == "#141413"
    for figure in (light, dark):
        figure.layout.template = None
    assert plain(light) == plain(dark)


@pytest.mark.parametrize(
    "changes",
    [{"rows": ("a",)}, {"values": [[0.0]] * 2}, {"texts": [["x"]] * 2}, {"hovers": [["x"] * 3]}],
)
def test_a_grid_whose_parts_do_not_match_is_refused(changes):
    with pytest.raises(InputError, match="but"):
        grid(2, 3, **changes)


def test_a_grid_without_cells_is_refused():
    with pytest.raises(InputError, match="no cells"):
        replace(grid(1, 1), rows=(), values=[], texts=[], hovers=[])
