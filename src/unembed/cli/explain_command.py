"""`unembed explain` and `unembed score`: what nodes do, in words, each beside what chance gives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from unembed.cli import options
from unembed.cli.flags import with_options
from unembed.cli.loading import Loading
from unembed.cli.output import print_json
from unembed.cli.questions import ask, validated
from unembed.cli.terminal import Terminal
from unembed.errors import InputError
from unembed.questions.requests import ExplainRequest, ScoreRequest
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.explanations.language.asking import Plan
    from unembed.explanations.result import Explanation, Explanations
    from unembed.explanations.scores import ByChance, ExplanationScores
    from unembed.session import Job, Session

SHOWN = 5  # promoted tokens of a row


_PANEL = "Language models"
_PRICES = ("language_price_sent", "language_price_answered")
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        help="Address of the server, up to before /chat/completions. UNEMBED_LANGUAGE_URL",
        rich_help_panel=_PANEL,
    ),
]
ServerModel = Annotated[
    str | None,
    typer.Option(
        "--server-model",
        help="What it calls its model. UNEMBED_LANGUAGE_MODEL",
        rich_help_panel=_PANEL,
    ),
]
Prompts = Annotated[
    str | None,
    typer.Option(
        "--prompt-folder",
        help="Folder of prompts in place of the package's own. UNEMBED_LANGUAGE_PROMPTS",
        rich_help_panel=_PANEL,
    ),
]
Price = Annotated[
    str | None,
    typer.Option(
        "--price",
        help='Money for a million tokens, sent and answered, for the estimate: "0.15,0.6".',
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class Naming:
    """The server, and its prompts, as they were typed; what was not is the environment's."""

    url: str | None
    model: str | None
    prompts: str | None
    price: str | None

    def settings(self) -> Settings:
        """Settings with them. Raises InputError for a price that is none."""
        typed: dict[str, Any] = {
            "language_url": self.url,
            "language_model": self.model,
            "language_prompts": self.prompts,
        }
        if self.price is not None:
            typed |= dict(zip(_PRICES, self._prices(), strict=True))
        changes = {name: value for name, value in typed.items() if value is not None}
        return replace(Settings.from_environment(), **changes)

    def _prices(self) -> list[float]:
        try:
            found = [float(part) for part in (self.price or "").split(",")]
        except ValueError:
            found = []
        if len(found) != 2 or not all(0 <= one < float("inf") for one in found):
            legal = 'two numbers from 0, as in "0.15,0.6"'
            message = f"--price is {self.price!r}; it must be {legal}"
            raise InputError(message, field="--price", value=self.price, legal=legal)
        return found


@options.with_loading
@with_options(ExplainRequest)
def explain(
    *,
    loading: Loading,
    server: Server = None,
    server_model: ServerModel = None,
    prompts_folder: Prompts = None,
    price: Price = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What neurons, heads and other nodes do, in words, each label tested against chance."""
    naming = Naming(server, server_model, prompts_folder, price)
    asked = validated(ExplainRequest, fields)
    found: Explanations = _asked(loading, asked, naming)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)


@options.with_loading
@with_options(ScoreRequest)
def score(
    *,
    loading: Loading,
    server: Server = None,
    server_model: ServerModel = None,
    prompts_folder: Prompts = None,
    price: Price = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How well words of your own tell what a node does, to a language model that judges."""
    naming = Naming(server, server_model, prompts_folder, price)
    asked = validated(ScoreRequest, fields)
    found: ExplanationScores = _asked(loading, asked, naming)
    if as_json:
        print_json(found.to_json())
    else:
        _print_scores(found)


def _asked(loading: Loading, asked: ExplainRequest | ScoreRequest, naming: Naming) -> Any:
    """What is answered; before texts leave this machine, who sits here is asked."""
    console = Console(stderr=True)
    terminal = Terminal.here(console)
    agree = None if terminal is None else lambda plan: terminal.agrees(_told(plan))

    def answer(session: Session, job: Job, asked: ExplainRequest | ScoreRequest) -> Any:
        from unembed.questions import explanations  # here, not above: it imports torch

        if isinstance(asked, ScoreRequest):
            return explanations.score(session, job, asked, agree)
        return explanations.answer(session, job, asked, agree)

    return ask(loading, answer, asked, console, naming.settings(), terminal)


def _told(plan: Plan) -> str:
    """What is about to be sent, for who is asked."""
    unknown = "" if plan.price else " What that costs is not known here; --price says it."
    return f"About {plan.words}.{unknown}"


def _print_scores(found: ExplanationScores) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "score", "95%", "shuffled", "other labels", "n", "failed"):
        table.add_column(heading, justify="left" if heading in ("", "95%") else "right")
    for name in ("simulation", "detection", "fuzzing"):
        one = getattr(found, name)
        between = "-" if one.low is None else f"{one.low:.2f}-{one.high:.2f}"
        shown = "-" if one.score is None else f"{one.score:.2f}"
        nulls = (_up_to(one.null), _up_to(one.searched))
        style = "" if one.above_chance else "dim"
        table.add_row(name, shown, between, *nulls, str(one.n), str(one.failed), style=style)
    console = Console()
    console.print(table)
    verdict = "supported" if found.supported else "not supported: not above chance in all"
    console.print(Text(f"{found.node}: {found.explanation}; {verdict}", style="dim"))


def _up_to(null: ByChance | None) -> str:
    return "-" if null is None else f"up to {null.high:.2f}"


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
        _print_written(console, item)
    for item in found.items:
        if item.reason is not None:
            console.print(Text(f"{item.node}: {item.reason}", style="dim"))
    held = f"{found.n_held_out:,} of {found.n_tokens:,} tokens are held out"
    console.print(Text(f"{found.summary()}; {held}", style="dim"))


def _print_written(console: Console, item: Explanation) -> None:
    """What a language model wrote of a node, and how that stands against chance."""
    written = item.written
    if written is None:
        return
    verdict = {None: "nobody judged it", True: "supported", False: "not supported"}
    scores = ", ".join(
        f"{name} {one.score:.2f}"
        for name in ("simulation", "detection", "fuzzing")
        if (one := getattr(written, name)) is not None and one.score is not None
    )
    said = f"“{written.text}”" if written.text is not None else f"no words: {written.reason}"
    judged = "" if written.text is None else f" ({', '.join([verdict[written.supported], scores])})"
    style = "dim" if written.supported is False or written.text is None else ""
    console.print(Text(f"{item.node}: {said}{judged}".replace(", )", ")"), style=style))


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
