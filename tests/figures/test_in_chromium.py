"""The page of a lens in a browser that can reach nothing: it draws, switches, tells and zooms."""

from __future__ import annotations

from pathlib import Path

import pytest

import unembed as ue
from unembed.figures.colours import CIVIDIS, VIRIDIS, Colours, look
from unembed.figures.lens.kinds import CELLS, KINDS

from .browser import Opened
from .conftest import lens_of

pytestmark = pytest.mark.browser


@pytest.fixture
def open_lens(window, tmp_path):
    opened: list[Opened] = []

    def open_(lens, kind="probability", theme="light", width=1280, **options) -> Opened:
        path = tmp_path / "lens.html"
        lens.to_html(kind, path=path, **options)
        opened.append(Opened(window, path, theme, width))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def cell_size(opened: Opened, lens) -> tuple[float, float]:
    box = opened.box("lens-canvas")
    return box["width"] / len(lens.positions), box["height"] / len(lens.rows)


def test_a_page_draws_every_cell_in_the_colour_of_its_number(open_lens):
    lens = lens_of(4, 6)
    opened = open_lens(lens, "probability", text="none")
    wide, high = 144, 24  # as wide as cells become
    cells = [(row, column) for row in range(4) for column in range(6)]
    places = [(column * wide + 40, (3 - row) * high + 6) for row, column in cells]
    for (row, column), found in zip(cells, opened.pixels("lens-canvas", places), strict=True):
        wanted = look(CIVIDIS, float(lens.probability[row, column]))
        assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1


def test_axes_name_what_goes_in_and_what_comes_out(open_lens):
    lens = lens_of(3, 5)
    opened = open_lens(lens)
    label = {token.id: token.label for token in lens.vocabulary}
    finals = [label[one] for one in lens.top_ids[-1, :, 0].tolist()]
    assert opened.part("outcomes").locator("bdi").all_text_contents() == finals
    inputs = opened.part("inputs").locator("bdi").all_text_contents()
    assert inputs == [token.label for token in lens.tokens]
    hits = (lens.top_ids[-1, :, 0] == lens.next_ids).sum()
    assert opened.part("outcomes").get_by_text("✓").count() == hits
    rows = opened.page.locator(".lens-labels button").all_text_contents()
    assert rows == ["L1", "L0", "embed"]


def test_the_prompts_end_alone_has_its_own_position(open_lens, awkward):
    from dataclasses import replace

    lens = replace(lens_of(3, 1), positions=(41,), n_prompt=42)
    opened = open_lens(lens)
    assert "41" in opened.part("inputs").inner_text()
    assert "position 41" in opened.point_at("lens-canvas", 20, 10)
    assert "at position 41" in opened.part("lens-cell").inner_text()


def test_every_kind_is_one_click_away(open_lens):
    lens = lens_of(3, 4)
    opened = open_lens(lens, "top")
    seen = set()
    for kind in KINDS:
        button = opened.page.get_by_role("button", name=CELLS[kind].name, exact=True)
        button.click()
        group = opened.page.get_by_role("group", name="What colours a cell")
        assert group.locator("[aria-pressed=true]").all_inner_texts() == [CELLS[kind].name]
        assert (opened.page.locator(".meaning").inner_text())[:20] in CELLS[kind].meaning.format(
            "each position's final top token"
        )
        seen.add(opened.part("legend").inner_text())
    assert len(seen) == len(KINDS)


def test_a_cell_tells_its_numbers_and_the_tokens_of_its_position(open_lens):
    lens = lens_of(3, 4)
    opened = open_lens(lens)
    said = opened.point_at("lens-canvas", 40, 10)
    label = {token.id: token.label for token in lens.vocabulary}
    assert "L1 · position 0" in said
    for token in lens.top_ids[-1, 0].tolist():
        assert label[token] in said
    assert f"{float(lens.entropy[-1, 0]):.2f} nats" in said
    assert f"{float(lens.probability[-1, 0]):.3f}" in said
    assert "final top" in said
    card = opened.box("card")
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 1280


def test_shift_keeps_the_card_and_leaving_hides_it(open_lens):
    opened = open_lens(lens_of(3, 4))
    opened.point_at("lens-canvas", 20, 10)
    opened.page.keyboard.down("Shift")
    opened.page.mouse.move(5, 5)
    opened.page.wait_for_timeout(300)
    assert opened.part("card").is_visible()
    opened.page.keyboard.up("Shift")
    opened.page.mouse.move(6, 6)
    opened.page.mouse.move(200, 850)
    opened.part("card").wait_for(state="hidden")


def test_awkward_tokens_are_shown_as_they_are(open_lens, awkward):
    opened = open_lens(awkward, "top", text="token")
    shown = "".join(opened.part("inputs").locator("bdi").all_text_contents())
    for text in ("⟨0xE2⟩", "%{text}", "&lt;", "$x^2$", "␣&␣co", "</script>"):
        assert text in shown
    assert opened.page.locator("img").count() == 0
    opened.page.get_by_role("button", name="Table").click()
    listed = opened.part("lens-table").inner_text()
    assert "<img src=x onerror=alert(1)>" in listed


def test_arrow_keys_go_from_cell_to_cell_and_are_heard(open_lens):
    opened = open_lens(lens_of(4, 5))
    grid = opened.part("lens-grid")
    grid.focus()
    assert "at position 4" in opened.part("lens-cell").inner_text()
    for key in ("Home", "ArrowRight", "PageDown"):
        opened.page.keyboard.press(key)
    said = opened.part("lens-cell").inner_text()
    assert said.startswith("embedding, token")
    assert "at position 1" in said
    opened.part("card").wait_for(state="visible")
    assert "embed · position 1" in opened.part("card").inner_text()
    active = grid.get_attribute("aria-activedescendant")
    assert active == opened.part("lens-cell").get_attribute("id")


def test_ctrl_and_the_wheel_zoom_and_a_plain_wheel_scrolls_the_page(open_lens):
    opened = open_lens(lens_of(10, 60), "kl")
    opened.page.set_viewport_size({"width": 1280, "height": 500})
    space = opened.page.locator(".lens-space")
    before = space.evaluate("one => one.clientWidth")
    box = opened.box("lens-canvas")
    opened.page.mouse.move(box["x"] + 300, box["y"] + 20)
    opened.page.keyboard.down("Control")
    opened.page.mouse.wheel(0, 50)
    opened.page.keyboard.up("Control")
    opened.page.wait_for_timeout(100)
    narrower = space.evaluate("one => one.clientWidth")
    assert narrower < before
    opened.page.mouse.wheel(0, 50)
    opened.page.wait_for_timeout(100)
    assert space.evaluate("one => one.clientWidth") == narrower
    assert opened.page.evaluate("scrollY") > 0


def test_keys_zoom_and_the_row_labels_stay_in_sight(open_lens):
    opened = open_lens(lens_of(5, 60), "kl")
    grid = opened.part("lens-grid")
    grid.focus()
    space = opened.page.locator(".lens-space")
    before = space.evaluate("one => one.clientWidth")
    opened.page.keyboard.press("-")
    opened.page.wait_for_timeout(100)
    assert space.evaluate("one => one.clientWidth") < before
    opened.page.keyboard.press("0")
    opened.page.keyboard.press("End")
    opened.page.wait_for_timeout(100)
    assert grid.evaluate("one => one.scrollLeft") > 0
    label = opened.page.locator(".lens-labels button").first.bounding_box()
    assert label["x"] >= opened.box("lens-grid")["x"]


def test_the_page_lists_its_keys(open_lens):
    keys = open_lens(lens_of(3, 4)).part("hint").locator("kbd").all_inner_texts()
    assert keys == ["Shift (hold)", "↑ ↓ ← →", "+ and −", "0", "Esc"]


def test_a_large_grid_is_drawn_at_once_and_tells_its_last_cell(open_lens):
    lens = lens_of(48, 200)
    opened = open_lens(lens, "kl")
    opened.part("lens-grid").focus()
    opened.page.keyboard.press("End")
    opened.page.keyboard.press("PageUp")
    opened.page.wait_for_timeout(200)
    box = opened.box("lens-canvas")
    said = opened.point_at("lens-canvas", box["width"] - 4, 6)
    assert "L46 · position 199" in said


@pytest.mark.parametrize(("theme", "ground"), [("light", "251, 251, 250"), ("dark", "20, 20, 19")])
@pytest.mark.parametrize("width", [1280, 1920])
def test_light_or_dark_is_the_readers_and_nothing_is_wrong_for_assistive_technology(
    open_lens, theme, ground, width
):
    opened = open_lens(lens_of(4, 5), theme=theme, width=width)
    assert opened.ground() == f"rgb({ground})"
    assert opened.problems() == []
    opened.page.get_by_role("button", name="Table").click()
    assert opened.problems() == []


def test_a_theme_that_changes_while_the_page_is_open_is_followed(open_lens):
    opened = open_lens(lens_of(2, 2), theme="light")
    opened.page.emulate_media(color_scheme="dark")
    host = opened.page.locator(".unembed-drawing[data-theme=dark]")
    host.wait_for()
    assert opened.ground() == "rgb(20, 20, 19)"


def test_colours_that_were_chosen_are_drawn_whatever_the_readers(open_lens):
    lens = lens_of(2, 2)
    mine = Colours("light", VIRIDIS, VIRIDIS)
    opened = open_lens(lens, theme="dark", colours=mine, text="none")
    assert opened.ground() == "rgb(251, 251, 250)"
    [found] = opened.pixels("lens-canvas", [(40, 6)])
    wanted = look(VIRIDIS, float(lens.probability[1, 0]))
    assert max(abs(a - b) for a, b in zip(found, wanted, strict=True)) <= 1


def test_on_paper_the_whole_figure_is_on_the_page(open_lens):
    opened = open_lens(lens_of(19, 120), "rank", theme="dark")
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 1030, "height": 720})
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    svg = opened.page.locator(".paper svg")
    box = svg.bounding_box()
    assert box["x"] + box["width"] <= 1030
    assert svg.locator("rect").first.get_attribute("fill") == "#fbfbfa"
    assert not opened.page.locator(".bar").first.is_visible()
    assert len(opened.page.pdf(prefer_css_page_size=True)) > 10_000


@pytest.mark.parametrize(
    ("form", "start"),
    [("png", b"\x89PNG"), ("svg", b"<svg"), ("csv", b"\xef\xbb\xbfside,row,position")],
)
def test_the_figure_can_be_saved(open_lens, form, start):
    opened = open_lens(lens_of(3, 3), title='Lens of "a/b": <c>')
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name=f"Save {form.upper()}").click()
    assert download.value.suggested_filename == f"Lens of a b c.{form}"
    assert Path(download.value.path()).read_bytes().startswith(start)


@pytest.mark.demo
def test_the_demo_models_lens_says_tokyo_on_a_small_page(open_lens, tmp_path, small_demo):
    lens = ue.logit_lens(small_demo, "The capital of Japan is the city of")
    opened = open_lens(lens, "top")
    assert opened.part("outcomes").locator("bdi").all_text_contents()[-1] == "␣Tokyo"
    wide, _ = cell_size(opened, lens)
    said = opened.point_at("lens-canvas", 8.5 * wide, 10)
    assert "L17 · position 8" in said
    assert f"{float(lens.probability[-1, 8]):.3f}" in said
    assert (tmp_path / "lens.html").stat().st_size <= 400_000
