"""`unembed trace` and `unembed circuit`: ask once, print tables or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.analyses.circuits.files import load_circuit
from unembed.analyses.circuits.graph import place_of
from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed
from unembed.cli.output import print_json
from unembed.cli.pairs import Pairs, pairs_of, print_left_out
from unembed.cli.questions import ask, request, validated
from unembed.questions.requests import CircuitPairsRequest, CircuitRequest, TraceRequest
from unembed.workspace import Workspace

if TYPE_CHECKING:
    from unembed.analyses.circuits.result import Circuit
    from unembed.analyses.tracing.result import Reader, Trace, TraceComparison, UnlistedReaders
    from unembed.session import Job, Session

Corrupted = Annotated[
    str | None,
    typer.Option(
        "--corrupted",
        help="The other prompt, of as many tokens, whose writes edges carry that are left out; "
        "needed where --ablation is patch, and of any length where it is resample.",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]
Scores = Annotated[
    Path | None,
    typer.Option(
        "--scores",
        help="A file with the score of every edge, JSON of Unembed or of MIB, in place of what the "
        "estimator says.",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]


Save = Annotated[
    str | None,
    typer.Option(
        "--save",
        help="Keep it in the workspace under this name; see `unembed circuits`.",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]


@options.with_loading
@options.with_prompt
@with_options(TraceRequest)
def trace(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What made a neuron fire, or a head look where it looks; or what reads what a node writes."""
    asked = request(TraceRequest, prompt, edit, **fields)
    found = ask(loading, _trace, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    for side, one in found.sides.items():
        print_one = _print_downstream if one.direction == "downstream" else _print_trace
        print_one(one, "" if found.edited is None else f" ({side})")


@options.with_loading
@options.with_prompt
@with_options(CircuitRequest)
def circuit(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: Corrupted = None,
    scores: Scores = None,
    save: Save = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which edges between nodes carry an answer, and how much of it they carry alone."""
    given: dict[str, Any] = {} if corrupted is None else {"corrupted": corrupted}
    given |= _scored(scores)
    asked = validated(CircuitRequest, prompt.fields() | given | fields)
    found, said = ask(loading, _circuit, asked, Console(stderr=True))
    if save is not None:
        own = Workspace().save_circuit(save, found.to_dict(), corrupted=corrupted or "")
        Console(stderr=True).print(f"kept as {own}", markup=False, highlight=False)
    if as_json:
        print_json(found.to_json())
    else:
        _print_circuit(found, said)


@options.with_loading
@with_options(CircuitPairsRequest)
def circuit_pairs(
    *,
    loading: Loading,
    pairs: Pairs = None,
    scores: Scores = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The same over many pairs of prompts, of a file or a template, in the mean."""
    asked = validated(CircuitPairsRequest, fields | pairs_of(pairs) | _scored(scores))
    found, said = ask(loading, _circuit_pairs, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    _print_circuit(found, said)
    print_left_out(found.left_out)


def _scored(file: Path | None) -> dict[str, Any]:
    return {} if file is None else {"scores": list(load_circuit(file).scores.items())}


def _trace(session: Session, job: Job, asked: TraceRequest) -> TraceComparison:
    from unembed.questions import circuits  # here, not above: it imports torch

    return circuits.trace(session, job, asked)


def _circuit(session: Session, job: Job, asked: CircuitRequest) -> tuple[Circuit, list[str]]:
    """The circuit, and lines of what the workspace says of its nodes."""
    from unembed.questions import circuits

    return _said(session, circuits.circuit(session, job, asked))


def _circuit_pairs(
    session: Session, job: Job, asked: CircuitPairsRequest
) -> tuple[Circuit, list[str]]:
    from unembed.questions import circuits

    return _said(session, circuits.circuit_over(session, job, asked))


def _said(session: Session, found: Circuit) -> tuple[Circuit, list[str]]:
    from unembed.questions import explanations

    labels, why_not = explanations.said_of(session, (place_of(one)[0] for one in found.nodes))
    said = [f"{one.node}: {one.said}" for one in labels]
    return found, said if why_not is None else [why_not]


def _print_trace(found: Trace, side: str) -> None:
    table = _table(f"{found.words} = {found.value:.4f}{side}", ("node", ""))
    for name in ("activation", "write", "direct", "total"):
        table.add_column(name, justify="right")
    for row in found.rows:
        label = found.tokens[row.position].label
        label += "" if row.key is None else f" ← {found.tokens[row.key].label}"
        numbers = [_number(row.activation), f"{row.write:.3f}"]
        numbers += [_signed(row.direct), _signed(row.total)]
        table.add_row(row.name, Text(label), *numbers)
    warnings = dict.fromkeys(line for part in found.parts for line in part.warnings)
    lines = [*warnings, found.cost]
    for part in found.parts:
        sums = part.completeness
        if sums is not None:
            said = f"nodes {sums.nodes:+.4f}, biases {sums.head + sums.norms:+.4f}"
            lines.append(f"direct, at position {part.position}: {said}, rest {sums.rest:+.1e}")
    _print(table, [*lines, *found.parts[0].notes])


def _print_downstream(found: Trace, side: str) -> None:
    table = _table(f"{found.words}, of norm {found.value:.4f}{side}", ("reader", "", "reads it"))
    asked = any(row.measured is not None for row in found.readers)
    for name in ("of", "effect", *(("measured",) if asked else ())):
        table.add_column(name, justify="right")
    for row in found.readers:
        label = found.tokens[row.position].label
        label += "" if row.key is None else f" ← {found.tokens[row.key].label}"
        more = [_signed(row.measured)] if asked else []
        table.add_row(
            row.name, Text(label), _read_as(row), _number(row.value), _signed(row.effect), *more
        )
    lines = [found.cost]
    if found.direct is not None:
        lost = "" if found.measured is None else f", measured {found.measured:+.4f}"
        lines.insert(0, f"direct on {found.objective}: {found.direct:+.4f}{lost}")
    for out in found.left_out:
        said = f"{out.n:,} more {_read_as(out)} are not listed"
        lines.append(f"{said}: none above {out.largest:.4f} either way")
    _print(table, [*lines, *found.notes])


def _read_as(one: Reader | UnlistedReaders) -> str:
    """What of a reader it is, and through what."""
    if one.reads == "score":
        return f"score by its {'query' if one.through == 'q' else 'key'}"
    return {"value": "value", "latent": "latent"}.get(one.reads, f"neuron, {one.through}")


def _print_circuit(found: Circuit, of_nodes: Sequence[str]) -> None:
    of = "" if found.n_pairs == 1 else f", mean of {found.n_pairs} pairs"
    title = f"{found.objective}{of}: {found.whole:.4f}, without any edge {found.none:.4f}"
    table = _table(title, ("from", "to", *(("token",) if found.by_position else ())))
    measured = any(edge.measured is not None for edge in found.edges)
    for name in ("effect", *(("measured", "within") if measured else ())):
        table.add_column(name, justify="right")
    for edge in found.edges:
        more = [_signed(edge.measured), _signed(edge.within)] if measured else []
        at = place_of(edge.target)[1]
        token = [] if at is None else [Text(found.tokens[at].label)]
        table.add_row(edge.source, edge.target, *token, _signed(edge.effect), *more)
    kept = found.faithfulness
    said = "" if kept is None else f", faithfulness {kept:.3f}"
    lines = [f"{len(found.edges):,} of {found.n_edges:,} edges: {found.value:.4f}{said}"]
    for point in found.curve:
        if point.faithfulness is not None:
            lines.append(f"{point.edges:>9,} edges: faithfulness {point.faithfulness:.3f}")
    if found.cmd is not None:
        lines.append(f"CMD {found.cmd:.3f}, CPR {found.cpr:.3f}")
    _print(table, [*of_nodes, *lines, *_of_pairs(found), found.cost])


def _of_pairs(found: Circuit) -> list[str]:
    """On pairs held out, and where it carries least and most."""
    lines, held = [], found.held_out
    if held is not None and held.faithfulness is not None:
        areas = "" if held.cmd is None else f", CMD {held.cmd:.3f}, CPR {held.cpr:.3f}"
        of = "1 pair" if held.n_pairs == 1 else f"{held.n_pairs:,} pairs"
        lines.append(f"on {of} held out: faithfulness {held.faithfulness:.3f}{areas}")
    shares = [(one.faithfulness, one.pair) for one in found.by_pair if one.faithfulness is not None]
    if len(shares) > 1:
        (least, where), (most, there) = min(shares), max(shares)
        lines.append(f"by pair: {least:.3f} (pair {where}) to {most:.3f} (pair {there})")
    return lines


def _table(title: str, names: Sequence[str]) -> Table:
    table = Table(title=Text(title), title_justify="left", box=None, pad_edge=False)
    for name in names:
        table.add_column(name)
    return table


def _print(table: Table, lines: Sequence[str]) -> None:
    console = Console()
    console.print(table)
    for line in lines:
        console.print(Text(line, style="dim"))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
