"""Frames of the app in a real browser while a view of it is moved.

A model with random weights is served, and Chromium, without a graphics card, is driven by real
wheel and mouse events: one after the other, each as soon as the page has taken the last. Frames
are timed in the page; the display interval is the median of those of the page at rest.
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

TOKEN = "frames-0123456789"
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
WINDOW = {"width": 1280, "height": 850}
ANSWER = 300_000  # ms
VOCABULARY = 512

RECORD = """() => {
  window.frames_ = [];
  const tick = (time) => { window.frames_.push(time); window.tick_ = requestAnimationFrame(tick); };
  window.tick_ = requestAnimationFrame(tick);
}"""
STOP = "() => { cancelAnimationFrame(window.tick_); return window.frames_; }"

Gesture = Callable[[Page, float, float], None]
Measure = Callable[[Page, int, Path | None], list[Figure]]


def main(
    what: str,
    title: str,
    shape: dict[str, int],
    open_page: Callable[[Page, str], None],
    measure: Measure,
) -> int:
    """Serve a model of this shape, open what is measured, and print its figures; the exit code.

    `measure(page, steps, show)` makes its gestures in that many steps, and leaves a screenshot
    after each in the folder `show`, if there is one.
    """
    flags = parser(f"How smoothly the app moves {what}.")
    flags.add_argument("--show", type=Path, help="a folder for a screenshot after each gesture")
    chosen = flags.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder), VOCABULARY, **shape) as address,
        browsing(address) as page,
    ):
        open_page(page, address)
        figures = measure(page, 100 if chosen.quick else 400, chosen.show)
    return report(title, figures, strict=chosen.strict)


@contextmanager
def served(folder: Path, vocabulary: int, **shape: int) -> Iterator[str]:
    """The app on a GPT-2 of this shape; gives its address."""
    config = GPT2Config(vocab_size=vocabulary, bos_token_id=1, eos_token_id=2, **shape)
    GPT2LMHeadModel(config).save_pretrained(folder)
    tiny_tokenizer(vocabulary).save_pretrained(folder)
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


@contextmanager
def browsing(address: str) -> Iterator[Page]:
    """A page of Chromium that has been let in; CHROMIUM names the browser."""
    browser_path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport=WINDOW)
        page.goto(f"{address}/#token={TOKEN}")
        page.get_by_test_id("welcome").wait_for()
        yield page
        browser.close()


def intervals(page: Page, canvas: str, gesture: Gesture) -> list[float]:
    """Milliseconds from frame to frame while a gesture lasts, about the middle of a canvas."""
    box = page.get_by_test_id(canvas).bounding_box()
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
