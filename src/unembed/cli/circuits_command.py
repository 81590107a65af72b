"""`unembed circuits`: circuits that are kept in the workspace. Needs no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.errors import InputError
from unembed.saved_circuits import CircuitEntry
from unembed.workspace import Workspace

circuits_app = typer.Typer(
    help="Circuits that are kept in the workspace; `unembed circuit --save NAME` keeps one.",
    no_args_is_help=True,
)
MEGABYTES = 16  # of a file

Which = Annotated[str, typer.Argument(help="Its id, or its name.", metavar="CIRCUIT")]
Name = Annotated[str, typer.Argument(help="The new name.", metavar="NAME")]
Place = Annotated[Path, typer.Argument(help="A file of JSON.", metavar="FILE")]


@circuits_app.command("list")
def listed(*, as_json: options.Json = False) -> None:
    """Kept circuits of all models, the one kept last first."""
    found = Workspace().list_circuits()
    if as_json:
        print(json.dumps([vars(one) for one in found], ensure_ascii=False))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("id", "name", "edges", "faithfulness", "objective", "prompt", "model"):
        table.add_column(heading)
    for one in found:
        kept = "-" if one.faithfulness is None else f"{one.faithfulness:.3f}"
        cells = (one.id, one.name, f"{one.n_kept:,}", kept, one.objective, one.prompt, one.model)
        table.add_row(*map(Text, cells))
    Console().print(table)


@circuits_app.command("show")
def show(*, which: Which) -> None:
    """A kept circuit as JSON, as `unembed circuit --json` prints it; `ue.load_circuit` reads it."""
    print(json.dumps(Workspace().circuit(_id(which)).circuit, ensure_ascii=False))


@circuits_app.command("rename")
def rename(*, which: Which, name: Name) -> None:
    """Give a kept circuit another name; its note stays."""
    kept = Workspace()
    own = _id(which)
    kept.rename_circuit(own, name, kept.circuit(own).note)


@circuits_app.command("delete")
def delete(*, which: Which) -> None:
    """Forget a kept circuit."""
    Workspace().delete_circuit(_id(which))


@circuits_app.command("export")
def export(*, which: Which, file: Place) -> None:
    """Write a kept circuit to a file, with its name, note and where it is from."""
    text = json.dumps(Workspace().export_circuit(_id(which)), ensure_ascii=False, indent=1)
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}", field="file") from error


@circuits_app.command("import")
def take(*, file: Place) -> None:
    """Keep the circuit of such a file."""
    own = Workspace().import_circuit(_read(file))
    Console(stderr=True).print(f"kept as {own}", markup=False, highlight=False)


def _id(which: str) -> str:
    """An id, or of a name that one circuit has. Raises InputError."""
    entries = Workspace().list_circuits()
    found = [one for one in entries if one.id == which] or _named(entries, which)
    if len(found) == 1:
        return found[0].id
    said = "no kept circuit is" if not found else f"{len(found)} kept circuits are"
    raise InputError(
        f"{said} called {which!r}",
        field="circuit",
        value=which,
        legal="an id" if found else "an id or a name of `unembed circuits list`",
        fix=", ".join(one.id for one in found) or None,
    )


def _named(entries: tuple[CircuitEntry, ...], name: str) -> list[CircuitEntry]:
    return [one for one in entries if one.name == name]


def _read(file: Path) -> Any:
    try:
        if file.stat().st_size > MEGABYTES << 20:
            legal = f"at most {MEGABYTES} MB"
            raise InputError(f"{file} is too large", field="file", legal=legal)
        return json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", field="file") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file} is no JSON", field="file", legal="JSON in UTF-8") from error
