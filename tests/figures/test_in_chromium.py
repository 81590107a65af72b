"""The page in a browser that can reach nothing: it draws, switches, tells and scrolls."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import unembed as ue
from unembed.figures.lens.kinds import CELLS, KINDS

from .. import chromium
from .conftest import lens_of

pytestmark = pytest.mark.browser

MOST_PAINT = 10_000  # ms, of a page of 5 to 15 MB on a busy machine


# Not for the session: while it is open its event loop runs in this thread, and others cannot.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        yield browser
        browser.close()


class Opened:
    """A page of a lens in a window without a network."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.locator("#figure[data-drawn]").wait_for(timeout=MOST_PAINT)

    def texts(self, selector: str) -> list[str]:
        return self.page.locator(f"#figure {selector}").all_text_contents()

    def point_at(self, across: float, down: float) -> str:
        """Move to a place in the cells, in shares of their size from the top left; the hover."""
        box = self.page.locator("#figure .nsewdrag").first.bounding_box()
        assert box
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        peek = self.page.locator("#peek")
        peek.wait_for(state="visible")
        self.box = peek.bounding_box()
        return peek.text_content() or ""


def sides(opened: Opened, selector: str) -> list[list[float]]:
    """Left, top, right and bottom of elements of the figure, in px of the window."""
    return opened.page.locator(f"#figure {selector}").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect())"
        ".map(box => [box.left, box.top, box.right, box.bottom])"
    )


@pytest.fixture
def open_lens(browser, tmp_path):
    contexts, opened = [], []

    def open_(lens, kind="probability", theme="light", width=1280, **options) -> Opened:
        path = tmp_path / "lens.html"
        lens.to_html(kind, path=path, **options)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=True
        )
        contexts.append(context)
        opened.append(Opened(context.new_page(), path))
        return opened[-1]

    yield open_
    for one in opened:
        assert one.complaints == []
        asked = [url for url in one.requests if not url.startswith(("data:", "blob:"))]
        assert [url.split(":")[0] for url in asked] == ["file"]  # the page itself
    for context in contexts:
        context.close()


def test_a_page_draws_cells_labels_and_text(open_lens):
    opened = open_lens(lens_of(4, 6), "rank")
    assert opened.page.locator("#figure .hm image").count() == 1
    assert len(opened.texts(".textpoint")) == 24
    assert opened.texts(".ytick text")[0].strip() == "L2"
    assert len(opened.texts(".xtick text")) == len(opened.texts(".x2tick text")) == 6
    assert "Rank of each position's final top token" in opened.texts(".gtitle")[0]


def test_every_kind_is_one_click_away(open_lens):
    lens = lens_of(3, 4)
    opened = open_lens(lens, "top")
    for kind in KINDS:
        button = opened.page.get_by_role("button", name=CELLS[kind].name, exact=True)
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        assert opened.page.locator("[aria-pressed=true]").count() == 1
        assert opened.page.locator("#figure .gtitle").text_content() in CELLS[kind].title.format(
            "each position's final top token"
        )
        assert (opened.page.locator("#meaning").text_content() or "")[:20]
        assert "embed · position 3" in opened.point_at(0.99, 0.95)


def test_awkward_tokens_are_shown_as_they_are(open_lens, awkward):
    opened = open_lens(awkward, "top", text="token")
    for selector in (".textpoint", ".xtick"):
        shown = "".join(opened.texts(selector))
        assert "⟨0xE2⟩" in shown
        assert "%{text}" in shown
        assert "&lt;" in shown
        assert "$x^2$" in shown
        assert "␣&␣co" in shown
    assert opened.page.locator("#figure img").count() == 0
    listed = "".join(opened.point_at((at + 0.5) / 16, 0.5) for at in range(16))
    assert "<img src=x onerror=alert(1)> #14" in listed
    assert "</script> #2" in listed
    assert "$x^2$ #10" in listed


def test_text_stays_in_its_cell_and_labels_do_not_overlap(open_lens):
    lens = lens_of(19, 30)
    for text in ("token", "auto"):
        opened = open_lens(lens, "probability", text=text)
        cells = opened.page.locator("#figure .nsewdrag").first.bounding_box()
        boxes = sides(opened, ".textpoint text")
        assert len(boxes) == 19 * 30
        assert max(right - left for left, _, right, _ in boxes) <= cells["width"] / 30
        for axis in ("xtick", "x2tick"):
            ends = sorted(sides(opened, f".{axis} text"))
            assert all(a[2] <= b[0] + 0.5 for a, b in pairwise(ends))


def test_everything_drawn_is_inside_the_figure(open_lens):
    for size in ((1, 1), (2, 1), (1, 20), (40, 3)):
        opened = open_lens(lens_of(*size), "top", top_down=size == (40, 3))
        frame = opened.page.locator("#figure").bounding_box()
        boxes = sides(opened, "text")
        assert boxes
        assert min(box[0] for box in boxes) >= frame["x"]
        assert min(box[1] for box in boxes) >= frame["y"]
        assert max(box[2] for box in boxes) <= frame["x"] + frame["width"]
        assert max(box[3] for box in boxes) <= frame["y"] + frame["height"]
        assert f"position {size[1] - 1}" in opened.point_at(0.99, 0.5)


def test_a_large_grid_scrolls_with_its_row_labels_and_tells_its_cells(open_lens):
    opened = open_lens(lens_of(48, 200), "kl")
    scroller = opened.page.locator("#scroller")
    assert opened.page.locator("#rows svg").count() == 0
    scroller.evaluate("box => { box.scrollLeft = box.scrollWidth }")
    labels = opened.page.locator("#rows .ytick text")
    labels.first.wait_for()
    assert labels.count() == 48
    assert opened.page.locator("#rows svg").bounding_box()["x"] >= scroller.bounding_box()["x"]
    assert "L46.resid_post · position 199" in opened.point_at(0.999, 0.01)
    assert opened.box["x"] + opened.box["width"] <= 1280
    scroller.evaluate("box => { box.scrollLeft = 0 }")
    labels.first.wait_for(state="detached")


@pytest.mark.parametrize(("theme", "ground"), [("light", "251, 251, 250"), ("dark", "20, 20, 19")])
def test_light_or_dark_is_the_readers(open_lens, theme, ground):
    opened = open_lens(lens_of(2, 2), theme=theme)
    seen = opened.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert seen == f"rgb({ground})"
    paper = opened.page.locator("#figure .main-svg").first.evaluate(
        "one => getComputedStyle(one).backgroundColor"
    )
    assert paper == f"rgb({ground})"


def test_a_theme_that_changes_while_the_page_is_open_is_followed(open_lens):
    opened = open_lens(lens_of(2, 2), theme="light")
    opened.page.emulate_media(color_scheme="dark")
    paper = "getComputedStyle(document.querySelector('.main-svg')).backgroundColor"
    for _ in range(100):  # wait_for_function would need the page's policy to allow eval
        if opened.page.evaluate(paper) == "rgb(20, 20, 19)":
            break
        opened.page.wait_for_timeout(50)
    assert opened.page.evaluate(paper) == "rgb(20, 20, 19)"


def test_on_paper_the_whole_figure_is_on_the_page(open_lens):
    opened = open_lens(lens_of(19, 120), "rank", theme="dark")
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 1030, "height": 720})
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    box = opened.page.locator("#figure").bounding_box()
    assert box["x"] + box["width"] <= 1030
    assert not opened.page.locator(".bar").is_visible()
    paper = opened.page.locator("#figure .main-svg").first.evaluate(
        "one => getComputedStyle(one).backgroundColor"
    )
    assert paper == "rgb(251, 251, 250)"
    assert len(opened.page.pdf(prefer_css_page_size=True)) > 10_000


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_figure_can_be_saved(open_lens, form):
    opened = open_lens(lens_of(3, 3))
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name=f"Save {form.upper()}").click()
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\x89PNG" if form == "png" else b"<svg")


@pytest.mark.demo
def test_the_demo_models_lens_says_tokyo(open_lens):
    lens = ue.logit_lens(ue.load("gemma3-270m"), "The capital of Japan is the city of")
    opened = open_lens(lens, "top")
    assert opened.texts(".x2tick text")[-1].strip() == "␣Tokyo"
    hover = opened.point_at(0.99, 0.02)
    assert "L17.resid_post · position 8" in hover
    assert "0.33" in hover.split("top tokens")[1].splitlines()[1]
