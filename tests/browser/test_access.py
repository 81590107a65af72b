"""Readable and reachable for everyone: axe, the keyboard, narrow windows, both themes."""

from __future__ import annotations

import pytest

from .. import accessibility
from .conftest import App

PROMPT = "p=The+capital+of+Japan+is+the+city+of&t=+Tokyo"
PAGES = {
    "start": "",
    "predictions": f"v=1&{PROMPT}&e=L9.H2;zero",
    "lens": f"v=1&view=lens&{PROMPT}",
    "lens in part": f"v=1&view=lens&{PROMPT}&at=2-5&kind=kl&text=value&flip=1&e=L9.H2;zero",
    "lens from afar": f"v=1&view=lens&{PROMPT}&w=2",
    "lens table": f"v=1&view=lens&table=1&{PROMPT}",
    "drawer": f"v=1&{PROMPT}&node=L9.H2",
}


ALIKE = """() => {
  const box = document.createElement('div');
  Object.assign(box, { id: 'alike', innerHTML: '<p><b>some words</b></p>'.repeat(40) });
  Object.assign(box.style, { color: 'black', background: 'white' });
  document.body.prepend(box);
}"""
PALE = {"color": "rgb(200, 200, 200)", "background": "rgb(60, 60, 60)", "opacity": "0.3"}


def test_a_pale_text_among_many_that_look_alike_is_noticed(app: App):
    app.open()
    app.page.evaluate(ALIKE)
    for name, value in PALE.items():
        assert accessibility.violations(app.page, "#alike", contrast_only=True) == []
        style = app.page.locator("#alike p").nth(30).evaluate_handle("text => text.style")
        style.evaluate("(style, [name, value]) => { style[name] = value; }", [name, value])
        [found] = accessibility.violations(app.page, "#alike", contrast_only=True)
        assert len(found["nodes"]) == 1
        style.evaluate("(style, name) => { style[name] = ''; }", name)


@pytest.mark.parametrize("page", list(PAGES))
def test_axe_finds_nothing(app: App, page: str):
    app.open(PAGES[page])
    app.assert_accessible()


def test_axe_finds_nothing_in_the_menus_of_the_lens(app: App):
    app.open(f"{PAGES['lens']}&dec=L12.mlp")
    for menu in ("rows", "positions", "decoder", "scored"):
        app.page.get_by_test_id(f"set-{menu}").click()
        app.page.get_by_test_id(f"menu-{menu}").wait_for()
        app.assert_accessible(f"menu-{menu}")
        app.page.keyboard.press("Escape")


def test_the_lens_is_set_up_from_the_keyboard(app: App):
    app.open(PAGES["lens"])
    keys = app.page.keyboard
    app.page.get_by_test_id("set-decoder").focus()
    keys.press("Enter")
    app.page.get_by_test_id("menu-decoder").wait_for()
    keys.press("ArrowDown")
    app.settled()
    assert "dec=last_mlp" in app.page.url
    keys.press("Escape")
    app.page.get_by_test_id("menu-decoder").wait_for(state="hidden")
    assert app.page.get_by_test_id("set-decoder").evaluate("e => e === document.activeElement")
    app.page.get_by_test_id("kind").locator("input:checked").focus()
    keys.press("ArrowRight")
    app.settled()
    assert "kind=logit" in app.page.url


@pytest.mark.parametrize("page", ["predictions", "lens", "drawer"])
def test_the_page_itself_never_scrolls_sideways(app: App, page: str):
    app.open(PAGES[page])
    assert app.too_wide([600, 900, 1280, 1920]) == []


def test_everything_can_be_done_from_the_keyboard(app: App):
    app.open()
    keys = app.page.keyboard
    keys.press("/")
    keys.type("The capital of Japan is the city of")
    keys.press("Control+Enter")
    app.settled()
    assert app.row("next-token", 0)[0] == "␣Tokyo"
    keys.press("Escape")
    keys.press(",")
    app.settled()
    assert "pos=7" in app.page.url
    keys.press("?")
    app.page.get_by_test_id("help-dialog").wait_for()
    keys.press("Escape")
    app.page.get_by_test_id("help-dialog").wait_for(state="hidden")


def test_forced_colours_and_reduced_motion_do_not_break_the_page(app: App):
    app.page.emulate_media(forced_colors="active", reduced_motion="reduce")
    app.open(PAGES["lens"])
    assert app.page.get_by_test_id("lens-canvas").is_visible()
