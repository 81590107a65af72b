"""`unembed attribute`, `patch`, `patch-path`, `patch-pairs`: ask once, print tables or JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.analyses.patching.options import BY_HEAD
from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed, read_prompt
from unembed.cli.output import print_json
from unembed.cli.pairs import Pairs, pairs_of, print_left_out
from unembed.cli.questions import ask, request, validated
from unembed.questions.requests import (
    AttributeRequest,
    PatchPairsRequest,
    PatchPathRequest,
    PatchRequest,
)

if TYPE_CHECKING:
    from unembed.analyses.attribution.result import Attribution, AttributionComparison, Bound
    from unembed.analyses.patching.paths import PathPatches
    from unembed.analyses.patching.result import PatchGrid, PatchStudy
    from unembed.session import Job, Session

Corrupted = Annotated[
    str,
    typer.Option(
        "--corrupted",
        help="The other prompt, of as many tokens, which differs where it matters.",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]


References = Annotated[
    list[str] | None,
    typer.Option(
        "--reference",
        help="A prompt whose activations take the place of the prompt's: with --against prompt "
        "best one of as many tokens, with --against mean or resample any. May be repeated.",
        metavar="TEXT",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]


@options.with_loading
@options.with_prompt
@with_options(AttributeRequest)
def attribute(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    references: References = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What every head, neuron and token does to an answer, estimated and measured."""
    chat = isinstance(prompt.prompt, list)
    others = [read_prompt(one, chat=chat) for one in references or ()]
    asked = request(AttributeRequest, prompt, edit, **fields, references=others)
    found = ask(loading, _attribute, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    for side, one in found.sides.items():
        _print(one, "" if found.edited is None else side)


@options.with_loading
@options.with_prompt
@with_options(PatchRequest)
def patch(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: Corrupted,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which activations of one prompt bring its answer back in the run of another."""
    asked = validated(PatchRequest, prompt.fields() | {"corrupted": corrupted} | fields)
    found = ask(loading, _patch, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        Console().print(_grid(found))


@options.with_loading
@options.with_prompt
@with_options(PatchPathRequest)
def patch_path(
    *,
    loading: Loading,
    prompt: Typed,
    corrupted: Corrupted,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What nodes tell others, and what that does to the answer: path patching."""
    asked = validated(PatchPathRequest, prompt.fields() | {"corrupted": corrupted} | fields)
    found = ask(loading, _patch_path, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        Console().print(_paths(found))


@options.with_loading
@with_options(PatchPairsRequest)
def patch_pairs(
    *,
    loading: Loading,
    pairs: Pairs = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The same over many pairs of prompts, of a file or a template: means with intervals."""
    asked = validated(PatchPairsRequest, fields | pairs_of(pairs))
    found = ask(loading, _patch_pairs, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
        return
    Console().print(_study(found))
    print_left_out(found.left_out)


def _attribute(session: Session, job: Job, asked: AttributeRequest) -> AttributionComparison:
    from unembed.questions import attribution  # here, not above: it imports torch

    return attribution.answer(session, job, asked)


def _patch(session: Session, job: Job, asked: PatchRequest) -> PatchGrid:
    from unembed.questions import attribution

    return attribution.patch(session, job, asked)


def _patch_path(session: Session, job: Job, asked: PatchPathRequest) -> PathPatches:
    from unembed.questions import attribution

    return attribution.patch_path(session, job, asked)


def _patch_pairs(session: Session, job: Job, asked: PatchPairsRequest) -> PatchStudy:
    from unembed.questions import attribution

    return attribution.patch_over(session, job, asked)


def _print(found: Attribution, side: str) -> None:
    console = Console()
    title = f"{found.objective} = {found.value:.4f} at position {found.position}"
    table = Table(title=title + (side and f" ({side})"), title_justify="left", box=None)
    table.pad_edge = False
    for name in ("node", "", "activation", "write", "direct", "total"):
        table.add_column(name, justify="left" if name in ("node", "") else "right")
    if found.verification is not None:
        table.add_column("measured", justify="right")
    for row in found.rows:
        label = found.tokens[row.position].label
        label += "" if row.key is None else f" ← {found.tokens[row.key].label}"
        cells = [_number(row.activation), f"{row.write:.3f}", _signed(row.direct)]
        cells.append(_signed(row.total))
        if found.verification is not None:
            cells.append(_signed(row.measured))
        table.add_row(row.name, Text(label), *cells)
    console.print(table)
    for line in found.warnings:
        console.print(Text(line, style="yellow"))
    for line in _said(found):
        console.print(Text(line, style="dim"))


def _said(found: Attribution) -> list[str]:
    """What the numbers add up to, what they cost, how close estimates are."""
    lines = [f"{found.n_nodes:,} nodes, {len(found.rows)} listed; {found.cost}"]
    sums = found.completeness
    if sums is not None:
        parts = f"nodes {sums.nodes:+.4f}, head {sums.head:+.4f}, norms {sums.norms:+.4f}"
        lines.append(f"direct: {parts}, beyond linear {sums.beyond:+.4f}, rest {sums.rest:+.1e}")
    check = found.verification
    if check is not None:
        ranks = "" if check.spearman is None else f", Spearman {check.spearman:.3f}"
        ranks += "" if check.pearson is None else f", Pearson {check.pearson:.3f}"
        lines.append(f"{check.nodes} measured{ranks}, largest error {check.largest_error:.4f}")
    if found.bound is not None:
        lines.append(bound_words(found.bound))
    return [*lines, *found.notes]


def bound_words(bound: Bound) -> str:
    """What the runs without random parts of the other nodes say, in a sentence."""
    said = f"none of the {bound.nodes:,} nodes not measured does more than {bound.largest:.4f}"
    return (
        f"{said} ({bound.confidence:.0%} sure, as far as effects add up; {bound.runs} runs, each "
        f"without {bound.share:.0%} of them)"
    )


def _grid(found: PatchGrid) -> Table:
    """How much of the difference each cell restores, layer by layer."""
    title = (
        f"{found.objective}: clean {found.clean:.3f}, corrupted {found.corrupted:.3f}; "
        f"share restored by {found.site}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("layer", justify="right")
    for column in found.columns_at:
        if found.site in BY_HEAD:
            table.add_column(f"H{column}", justify="right")
        else:
            table.add_column(Text(f"{column} {found.tokens[column].label}"), justify="right")
    for layer, row in zip(found.layers, found.restored.tolist(), strict=True):
        table.add_row(str(layer), *("-" if one != one else f"{one:.2f}" for one in row))
    table.caption = (
        f"{found.n_runs:,} runs of the {found.into} prompt; {found.n_unchanged:,} cells have the "
        "same in both"
    )
    return table


def _paths(found: PathPatches) -> Table:
    """What each sender does to the objective through the receivers."""
    told = ", ".join(found.receivers)
    title = (
        f"{found.objective}: clean {found.clean:.3f}, corrupted {found.corrupted:.3f}; "
        f"what is lost through {told}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("sender")
    for name in ("value", "effect"):
        table.add_column(name, justify="right")
    for row in found.rows:
        table.add_row(row.sender, f"{row.value:.4f}", _signed(row.effect))
    between = "feed-forwards go with the sender" if found.through == "mlps" else "all else is held"
    table.caption = f"between them {between}"
    return table


def _study(found: PatchStudy) -> Table:
    """The share that each cell restores, with half the width of its interval."""
    title = (
        f"{found.n_pairs} pairs: answer less wrong answer clean {found.clean:.3f}, corrupted "
        f"{found.corrupted:.3f}; share restored by {found.site}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("layer", justify="right")
    for column in found.columns_at:
        heading = f"H{column}" if found.site in BY_HEAD else str(column)
        table.add_column(heading, justify="right")
    halves = ((found.high - found.low) / 2).tolist()
    for layer, row, half in zip(found.layers, found.restored.tolist(), halves, strict=True):
        cells = [
            "-" if one != one else f"{one:.2f}" + ("" if width != width else f" ±{width:.2f}")
            for one, width in zip(row, half, strict=True)
        ]
        table.add_row(str(layer), *cells)
    table.caption = f"{found.n_runs:,} runs; ± is half of a {found.confidence:.0%} interval"
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.4f}"
