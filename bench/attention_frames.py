"""How smoothly the app moves attention: frames of the browser while it is pointed at and moved.

    python bench/attention_frames.py [--strict] [--quick] [--show FOLDER]

A model of 12 heads a layer is served and 256 tokens are read, all heads of a layer summed; see
_frames.py for how frames are measured. The app must be built; CHROMIUM names the browser.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from playwright.sync_api import Page

from _frames import Gesture, drag_pan, figures_of, intervals, main, rest, wheel_pan
from _harness import Figure

N_HEADS, N_TOKENS = 12, 256
N_WORDS = 95  # of 2.7 tokens each, in the tokenizer of tiny models
COLUMNS, MATRIX = "attention-columns", "attention-matrix"


def opened(page: Page, address: str) -> None:
    """Columns and matrix of a whole layer, of words that are not all the same."""
    words = "+".join(f"{'abcdefgh'[at % 8]}{'aeiou'[at % 5]}" for at in range(N_WORDS))
    page.goto(f"{address}/#v=1&view=attention&ashow=both&ac=sum&p={words}")
    for name in (COLUMNS, MATRIX):
        page.get_by_test_id(name).wait_for(timeout=30_000)
    page.wait_for_timeout(3000)


def hover(steps: int, across: float) -> Gesture:
    """Down along a column and up again, at a share of the width left or right of its middle."""

    def gesture(page: Page, x: float, y: float) -> None:
        for step in range(steps):
            down = 150 * (1 if step % 60 < 30 else -1) * ((step % 30) / 15 - 1)
            page.mouse.move(x + across, y + down)

    return gesture


def zoom(steps: int) -> Gesture:
    """Out until all tokens are in sight, and back."""
    turn = 700 / steps  # px of the wheel

    def gesture(page: Page, _x: float, _y: float) -> None:
        page.keyboard.down("Control")
        for step in range(steps):
            page.mouse.wheel(0, turn if step < steps / 2 else -turn)
        page.keyboard.up("Control")

    return gesture


def measured(page: Page, steps: int, show: Path | None) -> list[Figure]:
    """All gestures on the columns, then on the matrix."""
    interval = median(intervals(page, COLUMNS, rest))
    figures: list[Figure] = []

    def add(name: str, canvas: str, gesture: Gesture) -> None:
        figures.extend(figures_of(name, intervals(page, canvas, gesture), interval))
        if show:
            page.screenshot(path=show / f"{name.replace(' ', '-').replace(',', '')}.png")

    box = page.get_by_test_id(COLUMNS).bounding_box()
    assert box
    labels = 0.24 * box["width"]  # from the middle to the labels of either column
    add("point at queries", COLUMNS, hover(steps, -labels))
    add("point at curves", COLUMNS, hover(steps, 0))
    add("pan columns by wheel", COLUMNS, wheel_pan(steps))
    add("pan columns by drag", COLUMNS, drag_pan(steps))
    add("zoom columns", COLUMNS, zoom(steps))
    add("point at the matrix", MATRIX, hover(steps, 0))
    add("zoom the matrix", MATRIX, zoom(steps))
    add("pan the matrix by drag", MATRIX, drag_pan(steps))
    return figures


if __name__ == "__main__":
    title = f"Attention of {N_HEADS} heads summed, {N_TOKENS} tokens, in the app"
    shape = {"n_layer": 4, "n_embd": 96, "n_head": N_HEADS, "n_positions": 1024}
    sys.exit(main("attention", title, shape, opened, measured))
