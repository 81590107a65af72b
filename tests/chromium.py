"""The browser of the tests: the one that is here, or one that is brought.

    python tests/chromium.py

prints the path of a Chromium that starts. Where there is none, Debian's package is installed for
root, and Playwright's own download for others or where that fails; if neither works it says what
to type. CHROMIUM names a browser in place of all this.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

# The shell has no window to draw: the same pages for a sixth less processor time.
PACKAGES = ("chromium-headless-shell", "chromium")
NAMES = (*PACKAGES, "chromium-browser", "google-chrome", "google-chrome-stable")
FONT = "fonts-noto-color-emoji"  # without one the browser draws empty boxes
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]

ASK_PLAYWRIGHT = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""

HELP = """\
The browser tests need Chromium, and none could be brought:

{tried}

Bring it by hand, as root on Debian or Ubuntu

    apt-get update && apt-get install {package} {font}

or elsewhere

    {python} -m playwright install --with-deps chromium

or name the one that you have: make test CHROMIUM=/path/to/chromium"""


class Missing(Exception):
    """There is no browser; the message says what to do."""


def find() -> str:
    """The path of a browser that starts; raises Missing, whose message says how to get one."""
    if named := os.environ.get("CHROMIUM"):
        if starts(named):
            return named
        raise Missing(f"CHROMIUM={named} is no browser that starts")
    for name in NAMES:
        if (path := shutil.which(name)) and starts(path):
            return path
    if (path := _playwrights()) and starts(path):
        return path
    raise Missing(_help(["    nothing was tried: run `make test`, or python tests/chromium.py"]))


def starts(path: str) -> bool:
    """Whether a program is there and finds the libraries that it needs."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def bring(*, as_root: bool) -> str:
    """The path of a browser, installed if there is none; raises Missing."""
    if os.environ.get("CHROMIUM"):
        return find()
    apt = as_root and shutil.which("apt-get") is not None
    try:
        found = find()
    except Missing:
        found = None
    font = [] if _has_emoji() else [FONT]
    tried = []
    for packages in [font] if found else [[package, *font] for package in PACKAGES]:
        failed = _install(packages) if apt and packages else []
        tried += failed
        if not failed:
            break
    if found is None:
        try:
            return find()
        except Missing:
            tried += _download()
    try:
        return found or find()
    except Missing:
        raise Missing(_help(tried)) from None


def _install(packages: list[str]) -> list[str]:
    """Debian's packages; gives what failed."""
    quiet = ["-y", "-qq", "--no-install-recommends"]
    return _attempt(["apt-get", "update", "-qq"]) + _attempt(
        ["apt-get", "install", *quiet, *packages], DEBIAN_FRONTEND="noninteractive"
    )


def _download() -> list[str]:
    """Playwright's own browser, into the user's cache; gives what failed."""
    return _attempt([sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"])


def _attempt(command: list[str], **environment: str) -> list[str]:
    shown = " ".join(command)
    print(f"Bringing what the browser tests need: {shown}", file=sys.stderr, flush=True)
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return []
    said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()
    return [f"    {shown}", f"        exit {done.returncode}: {said[0]}"]


def _has_emoji() -> bool:
    """Also where nothing can tell."""
    if shutil.which("fc-list") is None:
        return not shutil.which("apt-get")
    listed = subprocess.run(["fc-list"], capture_output=True, text=True, check=False).stdout
    return "emoji" in listed.lower()


def _playwrights() -> str | None:
    """Where Playwright keeps its browser, if it has fetched one."""
    # In a process of its own: it has an event loop, and this one may have another.
    asked = subprocess.run(
        [sys.executable, "-c", ASK_PLAYWRIGHT], capture_output=True, text=True, check=False
    )
    path = Path(asked.stdout.strip())
    return str(path) if path.is_file() else None


def _help(tried: list[str]) -> str:
    return HELP.format(
        tried="\n".join(tried), package=PACKAGES[-1], font=FONT, python=sys.executable
    )


if __name__ == "__main__":
    try:
        print(bring(as_root=hasattr(os, "geteuid") and os.geteuid() == 0))
    except Missing as missing:
        sys.exit(str(missing))
