"""How the tests come by their browser, on machines that have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import chromium

STARTS = '[ "$1" = --version ] && echo Chromium 1'


class Machine:
    """A PATH with these programs on it and no others, and a user without Playwright's browser."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        monkeypatch.delenv("CHROMIUM", raising=False)
        monkeypatch.setenv("PATH", str(folder))
        monkeypatch.setattr(chromium, "_playwrights", lambda: None)
        monkeypatch.setattr(chromium, "_download", lambda: ["    playwright: no network"])
        self.has("fc-list", "echo NotoColorEmoji")

    def has(self, name: str, script: str) -> str:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def has_apt(self, *, working: bool = True, package: str = "chromium-headless-shell") -> Path:
        """A package manager that notes what it is told and installs a browser, if it knows it."""
        log, browser = self.folder / "log", self.folder / package
        install = f"printf '#!/bin/sh\\n{STARTS}\\n' > {browser}; /bin/chmod 755 {browser}"
        known = f'case " $* " in *" {package} "*) {install};; *) exit 100;; esac'
        act = f'[ "$1" = install ] && {{ {known}; }}; exit 0' if working else "exit 100"
        self.has("apt-get", f'echo "$@" >> {log}; {act}')
        return log


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_browser_that_is_here_is_taken_and_nothing_installed(machine: Machine) -> None:
    path, log = machine.has("google-chrome", STARTS), machine.has_apt()
    assert chromium.bring(as_root=True) == path
    assert not log.exists()


def test_a_named_browser_comes_first(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.has("chromium", STARTS)
    named = machine.has("another", STARTS)
    monkeypatch.setenv("CHROMIUM", named)
    assert chromium.find() == chromium.bring(as_root=True) == named


def test_root_on_debian_gets_the_package(machine: Machine) -> None:
    log = machine.has_apt()
    assert chromium.bring(as_root=True) == str(machine.folder / "chromium-headless-shell")
    assert log.read_text().splitlines()[-1].endswith("recommends chromium-headless-shell")


def test_where_there_is_no_package_of_the_shell_it_is_the_whole_browser(machine: Machine) -> None:
    log = machine.has_apt(package="chromium")
    assert chromium.bring(as_root=True) == str(machine.folder / "chromium")
    assert log.read_text().splitlines()[-1].endswith("--no-install-recommends chromium")


def test_the_font_is_brought_too(machine: Machine) -> None:
    machine.has("fc-list", "echo DejaVuSans")
    log = machine.has_apt()
    chromium.bring(as_root=True)
    assert log.read_text().splitlines()[-1].endswith("headless-shell fonts-noto-color-emoji")


def test_others_get_playwrights(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    log = machine.has_apt()
    fetched: list[str] = []

    def download() -> list[str]:
        fetched.append(machine.has("fetched", STARTS))
        return []

    monkeypatch.setattr(chromium, "_download", download)
    monkeypatch.setattr(chromium, "_playwrights", lambda: next(iter(fetched), None))
    assert chromium.bring(as_root=False) == str(machine.folder / "fetched")
    assert not log.exists()


def test_a_browser_without_its_libraries_is_not_taken(machine: Machine) -> None:
    machine.has("chromium", "exit 127")
    machine.has_apt()
    assert chromium.starts(chromium.bring(as_root=True))


def test_what_was_tried_and_what_to_type_is_said(machine: Machine) -> None:
    machine.has_apt(working=False)
    with pytest.raises(chromium.Missing) as caught:
        chromium.bring(as_root=True)
    said = str(caught.value)
    assert "apt-get update -qq" in said
    assert "exit 100" in said
    assert "playwright: no network" in said
    assert "apt-get update && apt-get install chromium fonts-noto-color-emoji" in said
    assert "-m playwright install --with-deps chromium" in said
    assert "make test CHROMIUM=/path/to/chromium" in said


def test_a_named_browser_that_does_not_start_is_refused(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.has_apt()
    monkeypatch.setenv("CHROMIUM", "/nowhere")
    with pytest.raises(chromium.Missing, match="CHROMIUM=/nowhere is no browser that starts"):
        chromium.bring(as_root=True)


def test_the_tests_themselves_install_nothing(machine: Machine) -> None:
    log = machine.has_apt()
    with pytest.raises(chromium.Missing, match="make test"):
        chromium.find()
    assert not log.exists()
