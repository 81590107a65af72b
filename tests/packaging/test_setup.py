"""What stands between a fresh checkout and a running app: the Makefile, the pins, the CI script."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def fake(folder: Path, name: str, script: str) -> str:
    """A PATH on which the program `name` is this shell script."""
    folder.joinpath(name).write_text(f"#!/bin/sh\n{script}\n")
    folder.joinpath(name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_make_alone_lists_every_command() -> None:
    listed = set(re.findall(r"^make ([\w-]+) ", make().stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert listed == {name for name in phony[1].split() if not name.endswith("-is-there")}
    assert {"demo", "test", "check", "bench", "help"} <= listed


@pytest.mark.parametrize(
    ("script", "found"),
    [('[ "$1" = --version ] && echo v18.20.1 || exit 1', "v18.20.1"), ("exit 127", "none")],
)
def test_an_old_or_missing_node_is_named(tmp_path: Path, script: str, found: str) -> None:
    done = make("node-is-there", path=fake(tmp_path, "node", script))
    assert done.returncode
    assert f"Node 20.19 or newer is needed to build the app; found: {found}." in done.stdout


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    done = make(f"VENV={tmp_path}/venv", "PYTHON=", f"{tmp_path}/venv/.made")
    assert done.returncode
    assert "Python 3.11 or newer is needed" in done.stdout


def test_a_browser_that_is_not_there_is_named() -> None:
    # The environment is taken as installed: what is wanted here is only how the program is called.
    done = make("browser-is-there", f"BIN={Path(sys.executable).parent}", "CHROMIUM=/nowhere",
                "--assume-old=.venv/.dev")  # fmt: skip
    assert done.returncode
    assert "CHROMIUM=/nowhere is no browser that starts" in done.stderr


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    return {normal(name): version for name, version in (line.split("==") for line in lines)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lowest_transformers_that_is_allowed_is_the_one_that_tests_run_with() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (allowed,) = (one for one in project["dependencies"] if one.startswith("transformers"))
    lowest = re.search(r">=([\d.]+)", allowed)
    pinned = re.search(r"^transformers==(.*)$", (ROOT / "constraints.txt").read_text(), re.M)
    assert lowest
    assert pinned
    assert pinned[1] in (lowest[1], f"{lowest[1]}.0")


def test_everything_that_is_installed_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(item for extra in extras for item in extra)]
    names = {normal(re.split(r"[\[<>=~! ]", item)[0]) for item in wanted} - {"unembed"}
    assert names - set(pins()) == set()
    assert pins()["torch"] == "2.13.0"


def test_the_apps_lock_file_serves_every_platform_and_names_no_host() -> None:
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    assert not [name for name, entry in packages.items() if "://" in entry.get("resolved", "")]
    for name, entry in packages.items():
        for optional in entry.get("optionalDependencies", {}):
            nested = f"{name}/node_modules/{optional}"
            assert {nested, f"node_modules/{optional}"} & set(packages), f"{name} -> {optional}"


def test_the_ci_script_runs_the_checks_and_then_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make check\nmake test")  # so that pytest's summary comes last
