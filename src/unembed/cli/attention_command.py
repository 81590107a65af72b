"""`unembed attention` and `unembed heads`: ask once, print tables or JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.cli.edits import parse_edit
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed, read_prompt
from unembed.cli.output import print_json
from unembed.cli.questions import ask, request, validated
from unembed.figures.files import check_path
from unembed.questions.requests import AttentionRequest, HeadsRequest

if TYPE_CHECKING:
    from unembed.analyses.attention.result import (
        AttentionComparison,
        AttentionResult,
        HeadScores,
    )
    from unembed.session import Job, Session

OUTPUT = "Output"

Rows = Annotated[
    int,
    typer.Option(min=1, help="Most rows of a table.", rich_help_panel=OUTPUT, show_default=True),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        help="Another prompt, with the same edits, source or second text: its attention beside "
        "that of the prompt.",
        metavar="TEXT",
        rich_help_panel="What is asked",
        show_default=False,
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write every head as one HTML page that needs no network; with edits, of both "
        "runs; of both prompts.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]


@options.with_loading
@options.with_prompt
@with_options(AttentionRequest)
def attention(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    against: Against = None,
    rows: Rows = 20,
    html: Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What attention heads look at on a prompt, and what they move."""
    if against is not None:
        other = read_prompt(against, chat=isinstance(prompt.prompt, list))
        fields = fields | {"against": other}
    asked = request(AttentionRequest, prompt, edit, **fields)
    if html is not None:
        check_path(html)
    found = ask(loading, _attention, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        for side, one in found.named.items():
            Console().print(_edges(one, "" if found.edited is None else side, rows))
    if html is not None:
        found.to_html(path=html)
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"Wrote {html.resolve()}."
        )


@options.with_loading
@options.with_prompt
@with_options(HeadsRequest)
def heads(
    *,
    loading: Loading,
    prompt: Typed | None = None,
    edit: options.Edits = None,
    rows: Rows = 10,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What each attention head does: previous token, induction, punctuation ..."""
    specs = [parse_edit(text, index).values() for index, text in enumerate(edit or ())]
    said = {} if prompt is None else prompt.fields()
    asked = validated(HeadsRequest, said | {"edits": specs} | fields)
    found = ask(loading, _heads, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        Console().print(_scores(found, rows))


def _attention(session: Session, job: Job, asked: AttentionRequest) -> AttentionComparison:
    from unembed.questions import attention  # here, not above: it imports torch

    return attention.answer(session, job, asked)


def _heads(session: Session, job: Job, asked: HeadsRequest) -> HeadScores:
    from unembed.questions import attention

    return attention.heads(session, job, asked)


def _edges(found: AttentionResult, side: str, rows: int) -> Table:
    """The strongest pairs of query and key of the heads together."""
    title = f"{found.unit}, {found.combine} of {', '.join(found.heads[:6])}"
    title += f" … {len(found.heads)} heads" if len(found.heads) > 6 else ""
    title += side and f" ({side})"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, min_width=len(title))
    for name in ("query", "", "looks at", ""):
        table.add_column(name)
    table.add_column(found.measure, justify="right")
    edges = zip(
        found.edge_queries.tolist(),
        found.edge_keys.tolist(),
        found.edge_values.tolist(),
        strict=True,
    )
    for query, key, value in list(edges)[:rows]:
        looking, seen = Text(found.tokens[query].label), Text(found.seen[key].label)
        table.add_row(str(query), looking, str(key), seen, f"{value:.4f}")
    more = len(found.edge_values) - rows
    if more > 0:
        table.caption = f"{more:,} weaker ones are not listed; --rows lists more"
    return table


def _scores(found: HeadScores, rows: int) -> Table:
    """The heads that score highest, with all their scores."""
    title = f"Heads by {found.kind}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("head")
    for kind in found.kinds:
        style = "bold" if kind == found.kind else ""
        table.add_column(kind, justify="right", style=style)
    columns = found.columns()
    for order, head in enumerate(columns["head"][:rows]):
        cells = (columns[kind][order] for kind in found.kinds)
        table.add_row(head, *("-" if cell is None else f"{cell:.3f}" for cell in cells))
    return table
