"""How smoothly the app moves a large lens: frames of the browser while it is panned and zoomed.

    python bench/lens_frames.py [--strict] [--quick] [--show FOLDER]

A model of 48 layers with random weights is served, 1,024 tokens are read at every layer, and
Chromium, without a graphics card, is driven by real wheel and mouse events: one after the other,
each as soon as the page has taken the last. Frames are timed in the page; the display interval is
the median of those of the page at rest. The app must be built; CHROMIUM names the browser.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from playwright.sync_api import Page, sync_playwright
from transformers import GPT2Config, GPT2LMHeadModel

from _harness import Figure, parser, report
from unembed.models.tiny import tiny_tokenizer

N_LAYERS, N_TOKENS, VOCABULARY = 48, 1024, 512
TOKEN = "frames-0123456789"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WINDOW = {"width": 1280, "height": 850}
ANSWER = 300_000  # ms

RECORD = """() => {
  window.frames_ = [];
  const tick = (time) => { window.frames_.push(time); window.tick_ = requestAnimationFrame(tick); };
  window.tick_ = requestAnimationFrame(tick);
}"""
STOP = "() => { cancelAnimationFrame(window.tick_); return window.frames_; }"

Gesture = Callable[[Page, float, float], None]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The app on a model of 48 layers; gives its address."""
    shape = {"n_layer": N_LAYERS, "n_embd": 64, "n_head": 4, "n_positions": N_TOKENS}
    config = GPT2Config(vocab_size=VOCABULARY, bos_token_id=1, eos_token_id=2, **shape)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer(VOCABULARY).save_pretrained(folder)
    server = subprocess.Popen(
        [sys.executable, "-m", "unembed", "serve", str(folder), "--port", "0"],
        env={**os.environ, "UNEMBED_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout
        found = (re.search(r"http://127\.0\.0\.1:\d+", line) for line in server.stdout)
        yield next(match[0] for match in found if match)
    finally:
        server.terminate()
        server.wait(timeout=20)


def opened(page: Page, address: str) -> None:
    """The whole grid on the page, at the width that reads well."""
    page.goto(f"{address}/#token={TOKEN}")
    page.get_by_test_id("welcome").wait_for()
    words = "+".join(["the"] * (N_TOKENS - 1))
    page.goto(f"{address}/#v=1&view=lens&kind=logit&pos=500&p={words}")
    page.get_by_test_id("lens-agree").click(timeout=ANSWER)
    page.get_by_test_id("lens-canvas").wait_for(timeout=ANSWER)
    page.wait_for_timeout(1000)


def intervals(page: Page, gesture: Gesture) -> list[float]:
    """Milliseconds from frame to frame while a gesture lasts."""
    box = page.get_by_test_id("lens-canvas").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.evaluate(RECORD)
    gesture(page, x, y)
    times = page.evaluate(STOP)
    return [after - before for before, after in pairwise(times)]


def rest(page: Page, _x: float, _y: float) -> None:
    page.wait_for_timeout(1500)


def wheel_pan(steps: int) -> Gesture:
    def gesture(page: Page, _x: float, _y: float) -> None:
        for step in range(steps):
            page.mouse.wheel(40 if step < steps / 2 else -40, 8)

    return gesture


def drag_pan(steps: int) -> Gesture:
    def gesture(page: Page, x: float, y: float) -> None:
        page.mouse.down()
        for step in range(steps):
            page.mouse.move(
                x + 300 * (1 if step % 80 < 40 else -1) * (step % 40) / 40, y - step % 30
            )
        page.mouse.up()

    return gesture


def zoom(steps: int, first: int) -> Gesture:
    """From the readable width to a pixel and back (`first` 1), or from there and back (-1)."""
    turn = 1070 / steps  # px of the wheel: a factor of 72 in half of the steps

    def gesture(page: Page, _x: float, _y: float) -> None:
        page.keyboard.down("Control")
        for step in range(steps):
            page.mouse.wheel(0, first * (turn if step < steps / 2 else -turn))
        page.keyboard.up("Control")

    return gesture


def figures_of(name: str, times: list[float], interval: float) -> list[Figure]:
    """Median, 95th percentile, and share of late frames of one gesture."""
    late = sum(time > 1.5 * interval for time in times) / len(times)
    detail = f"{len(times)} frames; median {median(times):.1f} ms, display {interval:.1f} ms"
    slow = quantiles(times, n=20)[-1]
    return [
        Figure(f"{name}: median frame / display interval", median(times) / interval, 1.1, detail),
        Figure(f"{name}: 95th percentile / interval", slow / interval, 1.5, f"{slow:.1f} ms"),
        Figure(
            f"{name}: share of frames over 1.5 intervals", late, 0.05, f"worst {max(times):.0f} ms"
        ),
    ]


def measured(page: Page, steps: int, show: Path | None) -> list[Figure]:
    """All gestures, in readable cells and in cells of a pixel or two."""
    interval = median(intervals(page, rest))
    figures: list[Figure] = []

    def add(name: str, gesture: Gesture) -> None:
        figures.extend(figures_of(name, intervals(page, gesture), interval))
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


def main() -> int:
    flags = parser("How smoothly the app moves a large lens.")
    flags.add_argument("--show", type=Path, help="a folder for a screenshot after each gesture")
    chosen = flags.parse_args()
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport=WINDOW)
        opened(page, address)
        figures = measured(page, 100 if chosen.quick else 400, chosen.show)
        browser.close()
    title = f"Lens of {N_LAYERS} layers × {N_TOKENS} positions in the app"
    return report(title, figures, strict=chosen.strict)


if __name__ == "__main__":
    sys.exit(main())
