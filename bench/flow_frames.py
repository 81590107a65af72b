"""How smoothly the app moves a large flow graph: frames while it is panned, zoomed, pointed at.

    python bench/flow_frames.py [--strict] [--quick] [--show FOLDER]

Three chained layers of a model with 16 heads, all of them shown: some 550 boxes and 800 bands; see
_frames.py for how frames are measured. The app must be built; CHROMIUM names the browser.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

from _frames import ANSWER, Gesture, drag_pan, figures_of, intervals, main, rest
from _harness import Figure

LAYERS = "3,4,5"
CANVAS = "flow-canvas"


def opened(page: Page, address: str) -> None:
    """Every head of three layers on the page, as large as it fits."""
    page.goto(f"{address}/#v=1&view=flow&p=the+capital+of+the+land&fl={LAYERS}&fh=0")
    page.get_by_test_id("flow-readout").wait_for(timeout=ANSWER)
    page.get_by_test_id(CANVAS).wait_for(timeout=ANSWER)
    page.wait_for_timeout(1000)


def zoom(steps: int) -> Gesture:
    """Closer, until labels are readable, and back."""

    def gesture(page: Page, _x: float, _y: float) -> None:
        for step in range(steps):
            page.mouse.wheel(0, -20 if step < steps / 2 else 20)

    return gesture


def point(steps: int) -> Gesture:
    """Over boxes and bands, from one end to the other."""

    def gesture(page: Page, x: float, y: float) -> None:
        for step in range(steps):
            page.mouse.move(x - 500 + 1000 * step / steps, y + 100 * (step % 20) / 20)

    return gesture


def measured(page: Page, steps: int, show: Path | None) -> list[Figure]:
    """All gestures, with the whole graph in sight and close to it."""
    interval = median(intervals(page, CANVAS, rest))
    figures: list[Figure] = []

    def add(name: str, gesture: Gesture) -> None:
        figures.extend(figures_of(name, intervals(page, CANVAS, gesture), interval))
        if show:
            page.screenshot(path=show / f"{name.replace(' ', '-').replace(',', '')}.png")

    add("point at everything", point(steps))
    add("zoom in and out", zoom(steps))
    add("pan by drag, all in sight", drag_pan(steps))
    for _ in range(6):
        page.keyboard.press("+")
    page.wait_for_timeout(600)
    add("pan by drag, labels readable", drag_pan(steps))
    return figures


if __name__ == "__main__":
    title = f"Flow graph of layers {LAYERS} with 16 heads in the app"
    shape = {"n_layer": 8, "n_embd": 128, "n_head": 16}
    sys.exit(main("a large flow graph", title, shape, opened, measured))
