"""The page of attention in a browser that can reach nothing: it draws, tells, locks and zooms."""

from __future__ import annotations

from pathlib import Path

import pytest

import unembed as ue
from unembed.figures.colours import CIVIDIS, VIRIDIS, Colours, look

from .attention_example import attention_of
from .browser import Opened

pytestmark = pytest.mark.browser
HEADER, ROW = 52, 20  # px: above the tokens, and of each where there is room
CELL = 28  # px: the largest that a cell of the matrix is at first
GRID = "attention-canvas"


@pytest.fixture
def open_attention(window, tmp_path):
    opened: list[Opened] = []

    def open_(result, *choices, theme="light", width=1280, **options) -> Opened:
        path = tmp_path / "attention.html"
        result.to_html(*choices, path=path, **options)
        opened.append(Opened(window, path, theme, width))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def edge_of(result) -> float:
    """Of the labels of a matrix, px."""
    longest = max(len(token.label) for token in result.tokens)
    return max(44, min(96, longest * 6.2 + 10))


def cursor(opened: Opened) -> str | None:
    return opened.part(GRID).get_attribute("data-cursor")


def said_at_query(opened: Opened, position: int) -> str:
    """What the card says of a query, whose index stands at the left end of its label."""
    width = opened.box("attention-columns")["width"]
    map_width = min(3 * 14, round(width * 0.16))
    return opened.point_at("attention-columns", map_width + 20, HEADER + (position + 0.5) * ROW)


def test_every_cell_of_the_matrix_has_the_colour_of_its_number(open_attention):
    result = attention_of(tokens=6)
    opened = open_attention(result, layout="matrix")
    most = float(result.combined.max())
    edge = edge_of(result)
    places = [(q, k) for q in range(6) for k in range(6)]
    points = [(edge + (k + 0.5) * CELL, edge + (q + 0.5) * CELL) for q, k in places]
    for (query, key), found in zip(places, opened.pixels("attention-matrix", points), strict=True):
        if key > query:
            assert found == (0, 0, 0)  # nothing is drawn in the future
            continue
        wanted = look(CIVIDIS, (float(result.combined[query, key]) / most) ** 0.5)
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1


def test_a_token_tells_whom_it_looks_at(open_attention):
    result = attention_of(tokens=6)
    said = said_at_query(open_attention(result), 4)
    assert result.tokens[4].label in said
    for key in range(5):
        assert f"({key})" in said
        assert f"{float(result.combined[4, key]):.3f}" in said


def test_a_click_keeps_a_token_and_escape_lets_go(open_attention):
    opened = open_attention(attention_of(tokens=6))
    before = opened.part("attention-columns").screenshot()
    said_at_query(opened, 3)
    opened.page.mouse.down()
    opened.page.mouse.up()
    opened.page.mouse.move(5, 5)
    opened.part("card").wait_for(state="hidden")
    assert cursor(opened) == "query 3"
    locked = opened.part("attention-columns").screenshot()
    assert locked != before
    opened.part(GRID).focus()
    opened.page.keyboard.press("Escape")
    opened.page.locator("h1").click()
    opened.page.wait_for_timeout(200)
    assert opened.part("attention-columns").screenshot() == before


def test_a_cell_of_the_matrix_tells_its_pair_head_by_head(open_attention):
    result = attention_of(tokens=6)
    opened = open_attention(result, layout="matrix")
    edge = edge_of(result)
    said = opened.point_at("attention-matrix", edge + 1.5 * CELL, edge + 4.5 * CELL)
    assert f"{result.tokens[4].label} (4) looks at {result.tokens[1].label} (1)" in said
    for at, head in enumerate(result.heads):
        assert head in said
        assert f"{float(result.values[at, 4, 1]):.3f}" in said
    assert f"{float(result.combined[4, 1]):.3f}" in said


def test_a_head_of_the_maps_is_shown_alone_by_a_click(open_attention):
    opened = open_attention(attention_of(tokens=6))
    said = opened.point_at("attention-columns", 7, HEADER + 2.5 * ROW)
    assert "L4.H0" in said
    opened.page.mouse.down()
    opened.page.mouse.up()
    assert opened.page.locator("select").input_value() == "L4.H0"
    assert "L4.H0" in opened.part("attention-legend").inner_text()
    opened.page.locator("select").select_option("")
    assert "mean of 3 heads" in opened.part("attention-legend").inner_text()


def test_arrow_keys_go_from_token_to_token_and_are_heard(open_attention):
    result = attention_of(tokens=6)
    opened = open_attention(result)
    opened.part(GRID).focus()
    for key in ("Home", "ArrowDown", "ArrowDown"):
        opened.page.keyboard.press(key)
    said = opened.part("attention-cell").inner_text()
    assert said.startswith(f"query {result.tokens[2].label} at 2 looks at")
    best = int(result.combined[2].argmax())
    assert f"at {best} {float(result.combined[2, best]):.3f}" in said
    opened.page.keyboard.press("ArrowRight")
    assert "is looked at by" in opened.part("attention-cell").inner_text()
    opened.part("card").wait_for(state="visible")
    active = opened.part(GRID).get_attribute("aria-activedescendant")
    assert active == opened.part("attention-cell").get_attribute("id")


def test_the_sink_has_a_row_and_a_column_of_its_own(open_attention):
    result = attention_of(tokens=6, sink=True)
    opened = open_attention(result, layout="matrix")
    edge = edge_of(result)
    said = opened.point_at("attention-matrix", edge + 10, edge + 3.5 * CELL)
    assert "no token (sink)" in said
    assert f"{float(result.sink[:, 3].mean()):.3f}" in said


def test_both_runs_stand_beside_each_other_and_have_a_difference(open_attention):
    both = ue.AttentionComparison(attention_of(seed=1), attention_of(seed=2))
    opened = open_attention(both)
    assert opened.part("attention-columns").count() == 2
    opened.page.get_by_role("button", name="Difference", exact=True).click()
    assert opened.part("attention-columns").count() == 1
    assert "edited minus baseline" in opened.part("attention-legend").inner_text()
    edge = edge_of(both.baseline)
    said = opened.point_at("attention-matrix", edge + 0.5 * CELL, edge + 4.5 * CELL)
    before, after = (float(one.combined[4, 0]) for one in (both.baseline, both.edited))
    assert f"{before:.3f}" in said
    assert f"{after:.3f}" in said
    assert f"{abs(after - before):.3f}" in said.split("change")[1]


def test_a_long_prompt_is_drawn_at_once_and_says_what_it_leaves_out(open_attention):
    opened = open_attention(attention_of(2, 1024, mass=1))
    opened.part(GRID).focus()
    opened.page.keyboard.press("End")
    opened.page.wait_for_timeout(200)
    assert cursor(opened) == "query 1023"
    assert opened.part("attention-columns").evaluate("one => one.scrollTop") > 0
    assert "here are the strongest" in opened.part("attention-legend").inner_text()


def test_keys_and_the_wheel_zoom(open_attention):
    opened = open_attention(attention_of(2, 80))
    height = "one => one.firstElementChild.clientHeight"
    columns = opened.part("attention-columns")
    before = columns.evaluate(height)
    opened.part(GRID).focus()
    opened.page.keyboard.press("0")
    assert columns.evaluate(height) < before
    opened.page.keyboard.press("0")
    assert columns.evaluate(height) == before
    opened.page.keyboard.press("+")
    assert columns.evaluate(height) > before


def test_awkward_tokens_are_text(open_attention):
    opened = open_attention(attention_of(2, 16, mass=1))
    opened.page.get_by_role("button", name="Table").click()
    listed = opened.part("attention-table").inner_text()
    assert "<img src=x onerror=alert(1)>" in listed
    assert opened.page.locator("img").count() == 0


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 700)])
def test_nothing_is_wrong_for_assistive_technology(open_attention, theme, width):
    opened = open_attention(attention_of(3, 8), theme=theme, width=width)
    assert opened.problems() == []
    opened.page.get_by_role("button", name="Table").click()
    assert opened.problems() == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


def test_colours_that_were_chosen_are_drawn_whatever_the_readers(open_attention):
    mine = Colours("light", VIRIDIS, VIRIDIS)
    result = attention_of()
    opened = open_attention(result, layout="matrix", theme="dark", colours=mine)
    assert opened.ground() == "rgb(251, 251, 250)"
    place = edge_of(result) + CELL / 2
    [found] = opened.pixels("attention-matrix", [(place, place)])
    assert max(abs(a - b) for a, b in zip(found, look(VIRIDIS, 1.0), strict=True)) <= 1


@pytest.mark.parametrize(
    ("form", "start"),
    [("png", b"\x89PNG"), ("svg", b"<svg"), ("csv", b"\xef\xbb\xbfside,head,query")],
)
def test_the_figure_can_be_saved(open_attention, form, start):
    opened = open_attention(attention_of(), title='Attention of "a/b": <c>')
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name=f"Save {form.upper()}").click()
    assert download.value.suggested_filename == f"Attention of a b c.{form}"
    assert Path(download.value.path()).read_bytes().startswith(start)


def test_on_paper_the_whole_picture_is_on_the_page(open_attention):
    opened = open_attention(attention_of(3, 40), theme="dark")
    opened.page.emulate_media(media="print")
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    svg = opened.page.locator(".paper svg")
    assert svg.locator("rect").first.get_attribute("fill") == "#fbfbfa"
    assert svg.locator("path").count() == len(attention_of(3, 40).edge_values)
