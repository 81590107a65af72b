"""`unembed node-labels`: what nodes are called, by hand and by machine; as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.cli.loading import Loading, load
from unembed.errors import InputError
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.explanations.labels import Labels

labels_app = typer.Typer(
    help="Labels of nodes that are kept in the workspace.", no_args_is_help=True
)
MEGABYTES = 256  # of a file

Words = Annotated[
    str, typer.Argument(help="Words that a label has; left out: all labels.", metavar="[WORDS]")
]
Node = Annotated[str, typer.Argument(help='"L12.N512", "L6.F77".', metavar="NODE")]
TextOf = Annotated[
    str, typer.Argument(help="What it does; left out: forget what you said.", metavar="[TEXT]")
]
Place = Annotated[Path, typer.Argument(help="A file of JSON, or of JSON lines.", metavar="FILE")]
Neuronpedia = Annotated[
    str | None,
    typer.Option(help="Write rows of Neuronpedia's exports, of a model that is called this there."),
]
Set = Annotated[
    str,
    typer.Option("--set", help='What latents are called there behind a layer: "res-jb".'),
]


def _labels(loading: Loading) -> Labels:
    model = load(loading, Settings.from_environment(), Console(stderr=True))
    from unembed.explanations.labels import Labels  # here, not above: it imports torch

    return Labels(model)


@labels_app.command("list")
@options.with_loading
def listed(*, loading: Loading, words: Words = "", as_json: options.Json = False) -> None:
    """Labels, or those with some words; of a node the one that is shown first."""
    labels = _labels(loading)
    found = labels.search(words)
    if as_json:
        print(json.dumps(labels.exported() | {"labels": [_plain(one) for one in found]}))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("node", "label", "from", "by", "scores"):
        table.add_column(heading)
    for one in found:
        scores = ", ".join(f"{score.kind} {score.score:.2f}" for score in one.scores)
        style = "dim" if one.supported is False else ""
        cells = (one.node, one.text, one.source, one.by, scores)
        table.add_row(*(Text(cell, style=style) for cell in cells))
    Console().print(table)


def _plain(label: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(label)


@labels_app.command("edit")
@options.with_loading
def edit(*, loading: Loading, node: Node, text: TextOf = "") -> None:
    """Label a node by hand; the machine's labels stay beside it."""
    labels = _labels(loading)
    if text:
        labels.edit(node, text)
    elif not labels.forget(node):
        Console(stderr=True).print(f"{node} has no label of yours.", markup=False)


@labels_app.command("export")
@options.with_loading
def export(
    *, loading: Loading, file: Place, neuronpedia: Neuronpedia = None, latents: Set = "unembed"
) -> None:
    """Write labels to a file: all that is known of them, or as Neuronpedia's rows."""
    labels = _labels(loading)
    rows = None if neuronpedia is None else labels.for_neuronpedia(neuronpedia, latents)
    if rows is None:
        text = json.dumps(labels.exported(), ensure_ascii=False, indent=1)
    else:
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    try:
        file.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}", field="file") from error


@labels_app.command("import")
@options.with_loading
def take(*, loading: Loading, file: Place) -> None:
    """Keep the labels of a file, Unembed's or Neuronpedia's: all of them, or none."""
    data = read_labels(file)
    kept = _labels(loading).imported(data)
    Console(stderr=True).print(f"{kept:,} labels are kept.", markup=False, highlight=False)


def read_labels(file: Path) -> Any:
    """JSON, or JSON lines. Raises InputError."""
    try:
        if file.stat().st_size > MEGABYTES << 20:
            legal = f"at most {MEGABYTES} MB"
            raise InputError(f"{file} is too large", field="file", legal=legal)
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{file} cannot be read: {error}"
        raise InputError(message, field="file", legal="a file in UTF-8") from error
    for read in (json.loads, lambda whole: [json.loads(line) for line in whole.splitlines()]):
        try:
            return read(text)
        except (ValueError, RecursionError):
            continue
    raise InputError(f"{file} is no JSON, and no lines of JSON", field="file", legal="JSON")
