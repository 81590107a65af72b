"""The reference names everything that there is."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import typer

from unembed import errors, settings
from unembed.cli import app
from unembed.server.guard import SECURITY_HEADERS
from unembed.server.table import API, PUBLIC

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def read(path: Path) -> str:
    return path.read_text("utf-8")


def test_every_setting_has_its_row():
    text = read(REFERENCE / "settings.md")
    for name, default, sentence in settings.table():
        row = next((line for line in text.splitlines() if line.startswith(f"| `{name}` |")), None)
        assert row is not None, f"docs/reference/settings.md lacks {name}"
        shown = f"{default:,}" if isinstance(default, int) and name != "port" else f"{default}"
        assert f"| {shown or 'empty'} |" in row, (name, shown, row)
        assert sentence in row
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert rows == [name for name, *_ in settings.table()]


def test_every_route_has_its_heading():
    headings = re.findall(r"^## (.+)$", read(REFERENCE / "http.md"), re.MULTILINE)
    routes = {f"{method} {entry.path}" for entry in API for method in entry.methods}
    assert routes <= set(headings)
    assert not {h for h in headings if h.split()[0] in ("GET", "POST", "DELETE")} - routes


def test_every_error_code_is_explained():
    text = read(REFERENCE / "http.md")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.code for kind in kinds if issubclass(kind, errors.UnembedError)} - {"error"}
    for code in codes:
        assert f"`{code}`" in text, code


def test_every_command_has_its_heading():
    text = read(REFERENCE / "cli.md")
    commands = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"^## unembed ([\w-]+)$", text, re.MULTILINE)) == commands
    assert len(commands) == 28


def test_the_public_list_is_published():
    text = read(ROOT / "SECURITY.md")
    for public in PUBLIC:
        assert f"`{public}`" in text
    assert len(SECURITY_HEADERS) >= 7


def test_every_setting_is_a_flag_of_serve():
    serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    flags = {flag for parameter in serve.params for flag in parameter.opts}
    for row in dataclasses.fields(settings.Settings):
        assert "--" + row.name.replace("_", "-") in flags
