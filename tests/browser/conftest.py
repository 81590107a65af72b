"""A server on the demo model with fewer tokens, and a real browser in front of it."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

import unembed as ue
from unembed.engine.model import Model
from unembed.server import launch
from unembed.server.app import create_app
from unembed.session import Session
from unembed.settings import Settings

from .. import accessibility, chromium

TOKEN = "browser-tests-0123456789"
CHROMIUM_FLAGS = [
    *chromium.FLAGS,
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DRAWN_TWICE = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
WINDOW: Any = {"viewport": {"width": 1280, "height": 850}}
ANSWER = 90_000  # ms; a busy machine with two cores computes the slowest view well within it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


def fresh_cache() -> tempfile.TemporaryDirectory[str]:
    """A cache folder with no index and no workspace in it; the models in it are the user's.

    So is what is known of them: to prove and to hash the demo model takes a server longer than all
    the rest of its start.
    """
    folder = tempfile.TemporaryDirectory(prefix="unembed-tests-")
    users = Settings.from_environment().cache_folder()
    for name in ("models", "proofs", "fingerprints"):
        (users / name).mkdir(parents=True, exist_ok=True)
        (Path(folder.name) / name).symlink_to(users / name)
    return folder


own_cache = cache(fresh_cache)  # of every server that is not given another


@contextmanager
def serving(*arguments: str) -> Iterator[str]:
    """`unembed ARGUMENTS` in a process of its own; gives its address without the token."""
    environment = {
        "UNEMBED_CACHE_DIR": own_cache().name,
        **os.environ,
        "UNEMBED_TOKEN": TOKEN,
        "PYTHONUNBUFFERED": "1",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "unembed", *arguments, "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert server.stdout
    said = []
    try:
        for line in server.stdout:
            said.append(line)
            found = re.search(r"(http://127\.0\.0\.1:\d+)/", line)
            if found:
                yield found[1]
                return
        pytest.fail("the server did not start:\n" + "".join(said))
    finally:
        server.terminate()
        server.communicate(timeout=20)


@contextmanager
def served(model: Model, **settings: Any) -> Iterator[str]:
    """A model behind a server in a thread of this process; gives its address without the token.

    In all but its process it is the server that `serving` starts, without seconds of imports: as
    there, no one else writes to weights.
    """
    watched = model.identity.watched
    sock, bound = launch.bind(replace(model.settings, port=0, **settings))
    session = Session(model, bound)
    ready = threading.Event()
    server = launch.make_server(create_app(session, bound, TOKEN), bound, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        assert ready.wait(20)
        with patch.object(watched, "_trusted", True):
            yield f"http://127.0.0.1:{bound.port}"
    finally:
        server.should_exit = True
        thread.join(20)
        session.close()
        sock.close()


def printed_by(code: str, demo_model: Model) -> str:
    """What Python that the app wrote prints, on a demo model that is loaded already."""

    def load(*source: Any, **options: Any) -> Model:
        return (
            demo_model if source == (demo_model.name,) and not options else real(*source, **options)
        )

    real, said = ue.load, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said):
        patch.setattr(ue, "load", load)
        exec(compile(code, "copied.py", "exec"), {})
    return said.getvalue()


@pytest.fixture(scope="package")
def address(small_demo: Model) -> Iterator[str]:
    """The demo model, but for the rarer tokens, served."""
    with served(small_demo, cache_dir=own_cache().name) as address:
        yield address


# Not for the session: while it is open its event loop runs in this thread, and others cannot.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@dataclass
class App:
    """The app in one browser window, and the few things that tests do with it."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> None:
        """Open an address of the app in a window that is signed in."""
        self.page.goto(f"{self.address}/#token={TOKEN}")
        self.page.get_by_test_id("welcome").wait_for()
        if fragment:
            self.page.goto(f"{self.address}/#{fragment}")
            self.settled()

    def run(self, prompt: str, target: str = "") -> None:
        """Type a prompt, press Run, wait for the answer."""
        self.page.get_by_test_id("prompt").fill(prompt)
        if target:
            self.page.get_by_test_id("target").fill(target)
        self.page.get_by_test_id("run").click()
        self.settled()

    def settled(self) -> None:
        """Wait until what is shown is the answer to what is asked."""
        # a page that is loaded anew asks nothing, nor is it busy, before it knows the model
        self.page.get_by_test_id("model").wait_for(state="attached")
        self.page.evaluate(DRAWN_TWICE)  # a busy machine draws late
        self.page.wait_for_timeout(100)
        self.page.locator("[data-busy]").first.wait_for(state="detached", timeout=ANSWER)

    def assert_accessible(self, within: str | None = None) -> None:
        """axe has nothing to say of the page, or of a part of it, nor of its contrasts in the dark.

        A theme is colours alone, so that the other rules need not run twice.
        """
        within = within and f"[data-testid={within}]"
        looks = {"before": self._background()}
        for scheme, other in (("dark", "before"), ("light", "dark")):
            self.page.emulate_media(color_scheme=scheme)
            looks[scheme] = self._background(unlike=looks[other])
            found = accessibility.violations(self.page, within, contrast_only=scheme == "dark")
            assert not found, f"{scheme}: {accessibility.in_words(found)}"
        assert looks["dark"] != looks["light"]

    def _background(self, unlike: str | None = None) -> str:
        """The page's colour; a busy machine takes its time to show another one."""
        for _ in range(50):
            found = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
            if found != unlike:
                break
            self.page.wait_for_timeout(100)
        return str(found)

    def too_wide(self, widths: list[int]) -> list[int]:
        """Widths of the window at which the page scrolls sideways."""
        found = []
        for width in widths:
            self.page.set_viewport_size({"width": width, "height": 850})
            self.settled()
            if self.page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(width)
        return found

    def copied_python(self) -> str:
        """What "Copy as Python" puts into the clipboard; the app fetches the words first."""
        self.page.context.grant_permissions(
            ["clipboard-read", "clipboard-write"], origin=self.address
        )
        self.page.get_by_test_id("save").click()
        self.page.get_by_role("menuitem", name="Copy as Python").click()
        self.page.get_by_text("Copied the Python that reproduces this view").wait_for()
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def text(self, test_id: str) -> str:
        return self.page.get_by_test_id(test_id).inner_text()

    def row(self, test_id: str, index: int) -> list[str]:
        """Cells of a table's row, white space around them gone."""
        row = self.page.get_by_test_id(test_id).locator("tbody tr").nth(index)
        row.wait_for(timeout=ANSWER)
        return [cell.strip() for cell in row.locator("td, th").all_inner_texts()]


def opened(app: App, address: str, fragment: str = "") -> None:
    """Open an address of another server, which has another model."""
    app.address = address
    app.open(fragment)


@pytest.fixture(scope="package")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests: to make another takes the browser longer than most of them.

    And it keeps what it compiled of the app. Nothing moves, for who waits would draw all the while.
    """
    profile = browser.new_context(**WINDOW, reduced_motion="reduce")
    profile.new_page()
    yield profile
    profile.close()


@pytest.fixture
def context(profile: BrowserContext, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """The profile as if it were new: no cookie, nothing stored, nothing permitted, no other tab."""
    failures = request.session.testsfailed
    yield profile
    for page in profile.pages:
        if page.url.startswith("http"):
            page.evaluate("localStorage.clear()")
    if request.session.testsfailed > failures:  # who knows what is pressed, or hangs
        profile.new_page()
        profile.pages[0].close()
    for page in profile.pages[1:]:
        page.close()
    profile.clear_cookies()
    profile.clear_permissions()


@pytest.fixture
def window(context: BrowserContext, address: str) -> Iterator[Page]:
    """A window as if it were new: a new one takes the browser as long as to load the app again."""
    page = context.pages[0]
    # by way of a document of the same site, which leaves the process of the window as it is
    page.goto(f"{address}/favicon.svg")
    page.set_default_timeout(20_000)
    yield page
    page.unroute_all()
    page.emulate_media(color_scheme="light", reduced_motion="reduce", forced_colors="none")
    if page.viewport_size != WINDOW["viewport"]:
        page.set_viewport_size(WINDOW["viewport"])
    page.mouse.move(0, 0)


@pytest.fixture
def app(window: Page, address: str) -> Iterator[App]:
    """The app; at the end of each test: nothing on the console, nobody else was asked."""
    app = App(window, address)
    heard: dict[Any, Callable[[Any], None]] = {
        "pageerror": lambda error: app.complaints.append(str(error)),
        "console": lambda message: (
            app.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
        "request": lambda request: (
            None
            if request.url.startswith((app.address, "data:", "blob:"))
            else app.strangers.append(request.url)
        ),
    }
    for event, hear in heard.items():
        window.on(event, hear)
    yield app
    for event, hear in heard.items():
        window.remove_listener(event, hear)
    # a refused request is shown by the browser as a console error; the app shows it, too
    assert [text for text in app.complaints if "Failed to load resource" not in text] == []
    assert app.strangers == []
