"""`unembed run` and `unembed doctor`: ask once, print a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.cli import tables
from unembed.cli.loading import Loading, Typed, load
from unembed.cli.output import print_json
from unembed.cli.questions import ask, request
from unembed.figures.files import check_path, write_whole
from unembed.questions.requests import (
    ComponentRequest,
    GenerateRequest,
    LabelsRequest,
    PredictionsRequest,
)
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.analyses.component.result import Component
    from unembed.analyses.labels.result import LabelScores
    from unembed.analyses.predictions.result import Predictions
    from unembed.questions.generation import GenerationComparison
    from unembed.session import Job, Session


def run(
    loading: Loading, prompt: Typed, edits: Sequence[str], fields: dict[str, Any], *, as_json: bool
) -> None:
    """See `unembed run`."""
    asked = request(PredictionsRequest, prompt, edits, **fields)
    found = ask(loading, _predictions, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_predictions(Console(), found)


def _predictions(session: Session, job: Job, asked: PredictionsRequest) -> Predictions:
    from unembed.questions import predictions  # here, not above: it imports torch

    return predictions.answer(session, job, asked)


def labels(
    loading: Loading, prompt: Typed, edits: Sequence[str], fields: dict[str, Any], *, as_json: bool
) -> None:
    """See `unembed labels`."""
    asked = request(LabelsRequest, prompt, edits, **fields)
    found = ask(loading, _labels, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_labels(Console(), found)


def _labels(session: Session, job: Job, asked: LabelsRequest) -> LabelScores:
    from unembed.questions import labels as question

    return question.answer(session, job, asked)


def component(
    loading: Loading,
    prompt: Typed,
    edits: Sequence[str],
    fields: dict[str, Any],
    *,
    html: Path | None,
    as_json: bool,
) -> None:
    """See `unembed component`."""
    if html is not None:
        check_path(html)
    asked = request(ComponentRequest, prompt, edits, **fields)
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    found, page = ask(loading, _component if html is None else _component_page, asked, console)
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_component(Console(), found)
    if html is not None:
        write_whole(html, page)
        console.print(f"Wrote {html.resolve()}.")


def _component(session: Session, job: Job, asked: ComponentRequest) -> tuple[Component, str]:
    from unembed.questions import component as question

    return question.answer(session, job, asked), ""


def _component_page(session: Session, job: Job, asked: ComponentRequest) -> tuple[Component, str]:
    from unembed.questions import component as question

    found = question.answer(session, job, asked)
    return found, question.page(session, job, asked, found)


def generate(
    loading: Loading, prompt: Typed, edits: Sequence[str], fields: dict[str, Any], *, as_json: bool
) -> None:
    """See `unembed generate`."""
    asked = request(GenerateRequest, prompt, edits, **fields)
    found = ask(loading, _generate, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_generation(Console(), found)


def _generate(session: Session, job: Job, asked: GenerateRequest) -> GenerationComparison:
    from unembed.questions import generation

    return generation.answer(session, job, asked)


def doctor(loading: Loading, *, as_json: bool) -> None:
    """See `unembed doctor`."""
    from unembed.cli.report import as_data, print_report

    model = load(loading, Settings.from_environment(), Console(stderr=True), prove=True)
    if as_json:
        print(json.dumps(as_data(model), indent=1))
    else:
        print_report(Console(), as_data(model))
