"""The lens in the app: positions, zoom, and grids too large to be read at once."""

from __future__ import annotations

import pytest

from .conftest import App
from .lens_page import LENS, LONG, TABLE, address, cells, drag, menu, middle, said

# ---------------------------------------------------------------- positions


def test_positions_can_be_typed(app):
    app.open(TABLE)
    whole = cells(app, "L9")
    menu(app, "positions")
    app.page.get_by_test_id("lens-positions").fill("2-4, -1")
    app.page.keyboard.press("Enter")
    app.settled()
    assert cells(app, "L9") == [*whole[2:5], whole[8]]
    assert "at=2-4,8" in address(app)
    assert "4 of 9" in said(app, "positions")
    app.page.get_by_test_id("all-positions").click()
    app.settled()
    assert cells(app, "L9") == whole


def test_what_is_no_position_of_the_prompt_is_said_before_it_is_asked(app):
    app.open(LENS)
    menu(app, "positions")
    for text, complaint in (("75-100", "positions 0–8"), ("x", "no position")):
        app.page.get_by_test_id("lens-positions").fill(text)
        assert complaint in app.text("menu-positions")
    app.page.keyboard.press("Enter")
    assert "at=" not in address(app)


def test_a_drag_over_the_strip_chooses_positions(app):
    app.open(LENS)
    drag(app.page, middle(app, "token-2"), middle(app, "token-5"))
    app.settled()
    assert "at=2-5" in address(app)
    assert "pos=5" in address(app)
    assert app.page.get_by_test_id("token-1").get_attribute("aria-label").endswith("not read")
    assert app.page.get_by_test_id("outcome-4").is_visible()
    assert app.page.get_by_test_id("outcome-6").count() == 0


def test_shift_chooses_positions_by_pointer_and_by_keyboard(app):
    app.open(LENS)
    app.page.get_by_test_id("token-3").click()
    app.page.get_by_test_id("token-6").click(modifiers=["Shift"])
    app.settled()
    assert "at=3-6" in address(app)
    app.page.get_by_test_id("strip").focus()
    app.page.keyboard.press("Shift+ArrowLeft")
    app.settled()
    assert "at=3-5" in address(app)
    app.page.keyboard.press("Shift+ArrowRight")
    app.settled()
    assert "at=3-6" in address(app)


def test_a_position_that_is_not_read_can_be_chosen_and_says_so(app):
    app.open(f"{LENS}&at=2-4&pos=7")
    assert "Position 7 is not read" in app.text("unread")
    assert "not among those" in app.text("lens-cell")
    app.page.get_by_test_id("unread").get_by_role("button").click()
    app.settled()
    assert "at=2-4,7" in address(app)
    assert "position 7" in app.text("lens-cell")
    assert app.page.get_by_test_id("unread").count() == 0


def test_a_range_of_a_long_prompt_opens_in_sight(app):
    app.open(f"{LONG}&at=75-100&pos=80")
    assert "75–100 of 161" in said(app, "positions")
    box = app.page.get_by_test_id("strip").bounding_box()
    x, _ = middle(app, "token-80")
    assert box["x"] < x < box["x"] + box["width"]
    assert column_at(app, x) == pytest.approx(80.5, abs=0.1)


def test_the_grid_of_a_longer_prompt_stands_where_its_tokens_do(app):
    app.open(LENS)
    app.page.goto(f"{app.address}/#{LONG}&pos=80")
    app.settled()
    x, _ = middle(app, "token-80")
    app.page.wait_for_timeout(200)
    assert column_at(app, x) == pytest.approx(80.5, abs=0.1)


def test_a_new_prompt_is_read_whole(app):
    app.open(f"{LENS}&at=2-4")
    app.run("The cat sat on the mat")
    assert "at=" not in address(app)
    assert "all 7" in said(app, "positions")


# ---------------------------------------------------------------- zoom


def column_at(app: App, x: float) -> float:
    """Which token lies at a place of the window, from the scroll and the width of the grid."""
    return app.page.get_by_test_id("lens-grid").evaluate(
        "(grid, x) => { const space = grid.firstElementChild.getBoundingClientRect();"
        " return (x - space.left - 72) / ((space.width - 72) / 161); }",
        x,
    )


def test_ctrl_and_the_wheel_zoom_about_the_pointer(app):
    app.open(f"{LONG}&pos=80")
    box = app.page.get_by_test_id("lens-canvas").bounding_box()
    x, y = box["x"] + 500, box["y"] + 20
    app.page.mouse.move(x, y)
    before = column_at(app, x)
    app.page.keyboard.down("Control")
    for _ in range(3):
        app.page.mouse.wheel(0, 40)
        app.page.wait_for_timeout(40)
    app.page.keyboard.up("Control")
    app.page.wait_for_timeout(400)
    assert column_at(app, x) == pytest.approx(before, abs=0.1)
    width = float(address(app).partition("&w=")[2].partition("&")[0])
    assert 10 < width < 50


def test_the_keyboard_zooms_and_shows_the_whole_prompt(app):
    app.open(f"{LONG}&pos=80")
    app.page.keyboard.press("+")
    app.page.wait_for_timeout(400)
    assert "w=96" in address(app)
    app.page.keyboard.press("-")
    app.page.keyboard.press("-")
    app.page.wait_for_timeout(400)
    assert "w=48" in address(app)
    app.page.keyboard.press("0")
    app.page.wait_for_timeout(400)
    assert "&w=" not in address(app)
    app.page.keyboard.press("0")
    app.page.wait_for_timeout(400)
    grid = app.page.get_by_test_id("lens-grid")
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")
    app.page.reload()
    app.settled()
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")


def test_a_drag_pans_and_a_click_chooses(app):
    app.open(f"{LONG}&pos=80")
    box = app.page.get_by_test_id("lens-canvas").bounding_box()
    grid = app.page.get_by_test_id("lens-grid")
    before = grid.evaluate("grid => grid.scrollLeft")
    drag(app.page, (box["x"] + 500, box["y"] + 20), (box["x"] + 300, box["y"] + 20))
    app.page.wait_for_timeout(100)
    assert grid.evaluate("grid => grid.scrollLeft") == pytest.approx(before + 200, abs=2)
    assert app.page.get_by_test_id("strip").evaluate("box => box.scrollLeft") == pytest.approx(
        before + 200, abs=2
    )
    assert "pos=80" in address(app)
    app.page.mouse.click(box["x"] + 500, box["y"] + 20)
    assert "pos=80" not in address(app)


# ---------------------------------------------------------------- large grids


def test_a_large_grid_counts_what_is_chosen_before_it_starts(app):
    app.open()
    prompt = "+".join(["a"] * 900)
    app.page.goto(f"{app.address}/#v=1&view=lens&p={prompt}")
    cost = app.page.get_by_test_id("lens-cost")
    cost.wait_for()
    assert "19 rows" in cost.inner_text()
    menu(app, "rows")
    app.page.get_by_test_id("subblocks").check()
    cost.get_by_text("37 rows").wait_for()
    app.page.keyboard.press("Escape")
    menu(app, "decoder")
    app.page.get_by_test_id("decoder-last_block").check()
    cost.get_by_text("passes of the prompt through the decoder").wait_for()
    app.page.get_by_test_id("decoder-final_norm").check()  # the others take their time below
    app.page.keyboard.press("Escape")
    menu(app, "positions")
    app.page.get_by_test_id("lens-positions").fill("0-3")
    app.page.keyboard.press("Enter")
    cost.wait_for(state="detached")
    app.settled()
    assert "0–3 of 901" in said(app, "positions")
