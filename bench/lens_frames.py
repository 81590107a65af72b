"""How smoothly the app moves a large lens: frames of the browser while it is panned and zoomed.

    python bench/lens_frames.py [--strict] [--quick] [--show FOLDER]

A model of 48 layers is served and 1,024 tokens are read at every layer; see _frames.py for how
frames are measured. The app must be built; CHROMIUM names the browser.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

from _frames import (
    ANSWER,
    Gesture,
    drag_pan,
    figures_of,
    intervals,
    main,
    rest,
    wheel_pan,
)
from _harness import Figure

N_LAYERS, N_TOKENS = 48, 1024
CANVAS = "lens-canvas"


def opened(page: Page, address: str) -> None:
    """The whole grid on the page, at the width that reads well."""
    words = "+".join(["the"] * (N_TOKENS - 1))
    page.goto(f"{address}/#v=1&view=lens&kind=logit&pos=500&p={words}")
    page.get_by_test_id("lens-agree").click(timeout=ANSWER)
    page.get_by_test_id(CANVAS).wait_for(timeout=ANSWER)
    page.wait_for_timeout(1000)


def zoom(steps: int, first: int) -> Gesture:
    """From the readable width to a pixel and back (`first` 1), or from there and back (-1)."""
    turn = 1070 / steps  # px of the wheel: a factor of 72 in half of the steps

    def gesture(page: Page, _x: float, _y: float) -> None:
        page.keyboard.down("Control")
        for step in range(steps):
            page.mouse.wheel(0, first * (turn if step < steps / 2 else -turn))
        page.keyboard.up("Control")

    return gesture


def measured(page: Page, steps: int, show: Path | None) -> list[Figure]:
    """All gestures, in readable cells and in cells of a pixel or two."""
    interval = median(intervals(page, CANVAS, rest))
    figures: list[Figure] = []

    def add(name: str, gesture: Gesture) -> None:
        figures.extend(figures_of(name, intervals(page, CANVAS, gesture), interval))
        if show:
            page.screenshot(path=show / f"{name.replace(' ', '-').replace(',', '')}.png")

    add("pan by wheel, text in cells", wheel_pan(steps))
    add("pan by drag, text in cells", drag_pan(steps))
    add("zoom out and in", zoom(steps, 1))
    page.wait_for_timeout(600)
    page.keyboard.press("0")
    if "w=1" not in page.url:
        page.keyboard.press("0")
    page.wait_for_timeout(600)
    add("whole prompt, zoom in and out", zoom(steps, -1))
    page.get_by_role("button", name="Wider tokens").click(click_count=2)
    page.wait_for_timeout(600)
    add("pan by drag, 4 px cells", drag_pan(steps))
    return figures


if __name__ == "__main__":
    title = f"Lens of {N_LAYERS} layers × {N_TOKENS} positions in the app"
    shape = {"n_layer": N_LAYERS, "n_embd": 64, "n_head": 4, "n_positions": N_TOKENS}
    sys.exit(main("a large lens", title, shape, opened, measured))
