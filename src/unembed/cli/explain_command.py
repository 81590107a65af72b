"""`unembed explain`: what nodes do, in words, each label beside what chance would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli.loading import Loading
from unembed.cli.output import print_json
from unembed.cli.questions import ask, validated
from unembed.questions.requests import ExplainRequest

if TYPE_CHECKING:
    from unembed.explanations.result import Explanation, Explanations
    from unembed.session import Job, Session

SHOWN = 5  # promoted tokens of a row


def explain(loading: Loading, fields: dict[str, Any], *, as_json: bool) -> None:
    """See `unembed explain`."""
    asked = validated(ExplainRequest, fields)
    found = ask(loading, _answer, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


def _answer(session: Session, job: Job, asked: ExplainRequest) -> Explanations:
    from unembed.questions.explanations import answer  # here, not above: it imports torch

    return answer(session, job, asked)


def _print(found: Explanations) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("node", "label", "F1", "95%", "chance", "precision", "recall", "AUC"):
        numbers = heading not in ("node", "label", "95%")
        table.add_column(heading, justify="right" if numbers else "left")
    table.add_column("promotes", overflow="fold")
    for item in found.items:
        table.add_row(*_row(item))
    console = Console()
    console.print(table)
    for item in found.items:
        if item.reason is not None:
            console.print(Text(f"{item.node}: {item.reason}", style="dim"))
    held = f"{found.n_held_out:,} of {found.n_tokens:,} tokens are held out"
    console.print(Text(f"{found.summary()}; {held}", style="dim"))


def _row(item: Explanation) -> tuple[str | Text, ...]:
    promoted = Text(" ".join(one.token.label for one in (item.promotes or ())[:SHOWN]))
    label = Text(item.label or "-", style="" if item.supported else "dim")
    held, nulls = item.held_out, (item.shuffled, item.searched)
    if held is None:
        return (item.node, label, *["-"] * 6, promoted)
    chance = max(one.high for one in nulls if one is not None)
    between = f"{held.low:.2f}-{held.high:.2f}"
    scores = (held.precision, held.recall, held.auc)
    shown = (f"{held.f1:.2f}", between, f"{chance:.2f}", *(f"{one:.2f}" for one in scores))
    return (item.node, label, *shown, promoted)
