"""Drawings in a browser that can reach nothing, and what is asked of each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from .. import accessibility, chromium

MOST_PAINT = 10_000  # ms, on a busy machine


@contextmanager
def browsing() -> Iterator[Browser]:
    """Not for a session: while it is open its event loop runs in this thread, others cannot."""
    with sync_playwright() as playwright:
        path = chromium.find()
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
        yield browser
        browser.close()


@contextmanager
def offline_window() -> Iterator[Page]:
    """A window without a network, for one drawing after another: a new one takes longer to make."""
    with browsing() as browser:
        yield browser.new_context(offline=True).new_page()


class Opened:
    """A page of a drawing in a window, as if that were new."""

    def __init__(self, window: Page, path: Path, theme: Any, width: int) -> None:
        self.page = window
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.heard: dict[Any, Callable[[Any], None]] = {
            "pageerror": lambda error: self.complaints.append(str(error)),
            "console": lambda message: self.hear(message.text),
            "request": lambda request: self.requests.append(request.url),
        }
        window.set_viewport_size({"width": width, "height": 900})
        window.emulate_media(media="screen", color_scheme=theme)
        window.mouse.move(0, 0)
        for event, hear in self.heard.items():
            window.on(event, hear)
        window.goto(path.as_uri())
        window.locator(".unembed-drawing[data-drawn]").wait_for(timeout=MOST_PAINT)

    def hear(self, said: str) -> None:
        if "willReadFrequently" not in said:  # the tests do read canvases
            self.complaints.append(said)

    def part(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def box(self, name: str) -> dict[str, float]:
        found = self.part(name).bounding_box()
        assert found
        return found

    def point_at(self, name: str, across: float, down: float) -> str:
        """Move to a place in a part, px from its left top; what the card says."""
        box = self.box(name)
        self.page.mouse.move(box["x"] + across, box["y"] + down)
        self.part("card").wait_for(state="visible")
        return self.part("card").inner_text()

    def pixels(self, name: str, places: list[tuple[float, float]]) -> list[tuple[int, ...]]:
        """What a canvas shows at places, px from its left top."""
        found = self.part(name).evaluate(
            """async (place, places) => {
              await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
              const canvas = place.matches('canvas') ? place : place.querySelector('canvas');
              const { width, height } = canvas;
              const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
              return places.map(([x, y]) => {
                const at = 4 * (Math.round(y) * width + Math.round(x));
                return [...data.slice(at, at + 3)];
              });
            }""",
            [list(place) for place in places],
        )
        return [tuple(one) for one in found]

    def ground(self) -> str:
        return self.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")

    def problems(self) -> list[str]:
        """What axe finds wrong, by its name."""
        return [rule["id"] for rule in accessibility.violations(self.page)]

    def close(self) -> None:
        """The window stays, and is deaf."""
        for event, hear in self.heard.items():
            self.page.remove_listener(event, hear)
        assert self.complaints == [], self.complaints
        asked = [url for url in self.requests if not url.startswith(("data:", "blob:"))]
        assert [url.split(":")[0] for url in asked] == ["file"]  # the page itself
