"""Predictions, nodes and continuations for a terminal. Knows results, no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from unembed.analyses.component.result import Component
    from unembed.analyses.labels.result import LabelScores
    from unembed.analyses.predictions.result import Predictions, PredictionSide, Reading
    from unembed.engine.names.tokens import Token
    from unembed.questions.generation import GenerationComparison


def print_predictions(console: Console, answer: Predictions) -> None:
    """Next tokens, baseline beside edited, then what every layer predicts."""
    console.print(_strip(answer.tokens, answer.position))
    console.print(_next_tokens(answer))
    if answer.baseline.layers is not None:
        console.print(_layers(answer.baseline, "baseline" if answer.edited else "", answer.target))
    if answer.edited is not None and answer.edited.layers is not None:
        console.print(_layers(answer.edited, "edited", answer.target))


def print_labels(console: Console, found: LabelScores) -> None:
    """The labels of a text, or of each token, with the scores of baseline and edited run."""
    edited = any(row.edited is not None for row in found.rows)
    table = Table(title=found.summary(), title_justify="left", box=None, pad_edge=False)
    for heading in () if found.of == "text" else ("position", "token"):
        table.add_column(heading)
    table.add_column("label")
    for heading in ("baseline", "edited", "change") if edited else ("score", "probability"):
        table.add_column(heading, justify="right")
    for row in found.rows:
        where: list[str | Text] = []  # of a token, beside the first of its labels
        if row.position is not None:
            where = [str(row.position), Text(found.tokens[row.position].label)]
        for order, one in enumerate(row.baseline):
            cells = where if order == 0 else ["" for _ in where]
            if row.edited is None:
                share = "-" if one.probability is None else f"{one.probability:.4f}"
                numbers = [f"{one.score:+.3f}", share]
            else:
                after = row.edited[order].score
                numbers = [f"{one.score:+.3f}", f"{after:+.3f}", f"{after - one.score:+.3f}"]
            table.add_row(*cells, Text(one.label), *numbers)
    console.print(table)


def print_component(console: Console, found: Component) -> None:
    """What a node promotes and suppresses, side by side."""
    console.print(_strip(found.tokens, found.position))
    title = f"{found.target} writes {found.write_norm:.3g} to a stream of {found.resid_norm:.3g}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("promotes", "suppresses"):
        table.add_column(heading)
        table.add_column("logit", justify="right")
    for up, down in zip(found.promotes, found.suppresses, strict=True):
        table.add_row(
            Text(up.token.label), f"{up.logit:+.3f}", Text(down.token.label), f"{down.logit:+.3f}"
        )
    console.print(table)
    if found.downstream_reason:
        console.print(f"where it acts: {found.downstream_reason}", markup=False, highlight=False)
    if found.downstream:
        console.print(_downstream(found))


def _downstream(found: Component) -> Table:
    """What later nodes read of its write."""
    table = Table(title="Where it acts", title_justify="left", box=None, pad_edge=False)
    table.add_column("what reads it")
    for heading in ("direct effect", "of"):
        table.add_column(heading, justify="right")
    for one in found.downstream:
        table.add_row(f"{one.node}, by its {one.through}", f"{one.effect:+.3g}", f"{one.value:.3g}")
    return table


def print_generation(console: Console, found: GenerationComparison) -> None:
    """The text that was added, of the baseline and of the edited run."""
    for side, one in (("baseline", found.baseline), ("edited", found.edited)):
        if one is not None:
            name = f"{side}  " if found.edited is not None else ""
            console.print(Text(name, style="dim").append(one.text, style="default"))


def _strip(tokens: Sequence[Token], position: int) -> Text:
    line = Text("tokens  ", style="dim")
    for index, token in enumerate(tokens):
        chosen = index == position
        line.append(token.label, style="reverse" if chosen else "dim" if token.special else "")
        line.append("|" if index < len(tokens) - 1 else "", style="dim")
    line.append(f"   position {position} of 0-{len(tokens) - 1}", style="dim")
    return line


def _next_tokens(answer: Predictions) -> Table:
    table = Table(title="Next token", title_justify="left", box=None, pad_edge=False)
    table.add_column("token")
    if answer.edited is None or answer.changes is None:
        table.add_column("probability", justify="right")
        table.add_column("logit", justify="right")
        for one in answer.baseline.next_token.top:
            table.add_row(Text(one.token.label), f"{one.probability:.4f}", f"{one.logit:.3f}")
        return table
    for heading in ("baseline", "edited", "change"):
        table.add_column(heading, justify="right")
    for change in answer.changes:
        before, after = change.baseline_probability, change.edited_probability
        table.add_row(
            Text(change.token.label), f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}"
        )
    table.caption = f"KL(baseline ‖ edited) = {answer.kl:.4f} nats"
    return table


def _layers(side: PredictionSide, name: str, target: Token | None) -> Table:
    title = "What each layer predicts" + (f", {name}" if name else "")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("layer", justify="right")
    for heading in ("before attention", "after attention", "after feed-forward"):
        table.add_column(heading)
    if target is not None:
        table.add_column(f"{target.label}: probability", justify="right")
        table.add_column("rank", justify="right")
    for layer in reversed(side.layers or []):
        cells = [_reading(layer.resid_pre), _reading(layer.resid_mid), _reading(layer.resid_post)]
        score = layer.resid_post.target
        if score is not None:
            cells += [Text(f"{score.probability:.4f}"), Text(str(score.rank))]
        table.add_row(str(layer.layer), *cells)
    return table


def _reading(reading: Reading | None) -> Text:
    if reading is None:
        return Text("-", style="dim")
    best = reading.top[0]
    return Text(best.token.label).append(f" {best.probability:.2f}", style="dim")
