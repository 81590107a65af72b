"""`unembed lens`: read a grid once, print it as tables or JSON, and write it as a page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text

from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading, Typed
from unembed.cli.output import print_json
from unembed.cli.questions import ask, request
from unembed.figures.files import check_path
from unembed.questions.requests import LensRequest

if TYPE_CHECKING:
    from unembed.analyses.lens.result import LensComparison
    from unembed.session import Job, Session

OUTPUT = "Output"

Kind = Annotated[
    Literal["top", "logit", "probability", "rank", "kl", "entropy"],
    typer.Option(help="What a cell shows beside its top token.", rich_help_panel=OUTPUT),
]
TopDown = Annotated[
    bool, typer.Option("--top-down", help="The embedding on top.", rich_help_panel=OUTPUT)
]
Html = Annotated[
    Path | None,
    typer.Option(
        help="Also write every kind as one HTML page that needs no network; of the edited run "
        "where there are edits.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]


@dataclass(frozen=True)
class Shown:
    """What becomes of the grid."""

    kind: str
    top_down: bool
    html: Path | None
    as_json: bool


@options.with_loading
@options.with_prompt
@with_options(LensRequest)
def lens(
    *,
    loading: Loading,
    prompt: Typed,
    kind: Kind = "probability",
    edit: options.Edits = None,
    top_down: TopDown = False,
    html: Html = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """The grid of what every layer predicts at every position, with and without edits."""
    shown = Shown(kind, top_down, html, as_json)
    asked = request(LensRequest, prompt, edit, **fields)
    if shown.html is not None:
        check_path(shown.html)
    found = ask(loading, _lens, asked, Console(stderr=True))
    if shown.as_json:
        print_json(found.to_json())
    else:
        _print_tables(found, shown)
    if shown.html is not None:
        last = found.edited or found.baseline
        last.to_html(shown.kind, path=shown.html, top_down=shown.top_down)
        Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print(
            f"Wrote {shown.html.resolve()}."
        )


def _lens(session: Session, job: Job, asked: LensRequest) -> LensComparison:
    from unembed.questions import lens  # here, not above: it imports torch

    return lens.answer(session, job, asked)


def _print_tables(found: LensComparison, shown: Shown) -> None:
    console = Console()
    for side, result in found.sides.items():
        if found.edited is not None:
            console.print(Text(side.capitalize(), style="bold"))
        console.print(result.table(shown.kind, top_down=shown.top_down))
