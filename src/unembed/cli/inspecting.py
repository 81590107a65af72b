"""`unembed run`, `labels`, `component`, `generate`, `doctor`: ask once, print a table or JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.cli import options, tables
from unembed.cli.flags import with_options
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


@options.with_loading
@options.with_prompt
@with_options(PredictionsRequest)
def run(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """What a model predicts after a prompt, in every layer, with and without edits."""
    asked = request(PredictionsRequest, prompt, edit, **fields)
    found = ask(loading, _predictions, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_predictions(Console(), found)


def _predictions(session: Session, job: Job, asked: PredictionsRequest) -> Predictions:
    from unembed.questions import predictions  # here, not above: it imports torch

    return predictions.answer(session, job, asked)


@options.with_loading
@options.with_prompt
@with_options(LabelsRequest)
def labels(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """Which labels a model for classification gives, with and without edits."""
    asked = request(LabelsRequest, prompt, edit, **fields)
    found = ask(loading, _labels, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_labels(Console(), found)


def _labels(session: Session, job: Job, asked: LabelsRequest) -> LabelScores:
    from unembed.questions import labels as question

    return question.answer(session, job, asked)


@options.with_loading
@options.with_prompt
@with_options(ComponentRequest)
def component(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    html: options.PageHtml = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """One head, neuron or layer: what it writes on a prompt, and which tokens that promotes."""
    if html is not None:
        check_path(html)
    asked = request(ComponentRequest, prompt, edit, **fields)
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


@options.with_loading
@options.with_prompt
@with_options(GenerateRequest)
def generate(
    *,
    loading: Loading,
    prompt: Typed,
    edit: options.Edits = None,
    as_json: options.Json = False,
    fields: dict[str, Any],
) -> None:
    """How a prompt goes on, with and without edits."""
    asked = request(GenerateRequest, prompt, edit, **fields)
    found = ask(loading, _generate, asked, Console(stderr=True))
    if as_json:
        print_json(found.to_json())
    else:
        tables.print_generation(Console(), found)


def _generate(session: Session, job: Job, asked: GenerateRequest) -> GenerationComparison:
    from unembed.questions import generation

    return generation.answer(session, job, asked)


@options.with_loading
def doctor(*, loading: Loading, as_json: options.Json = False) -> None:
    """What was found out about a model: its anatomy, what works, the self-check, versions."""
    from unembed.cli.report import as_data, print_report

    model = load(loading, Settings.from_environment(), Console(stderr=True), prove=True)
    if as_json:
        print(json.dumps(as_data(model), indent=1))
    else:
        print_report(Console(), as_data(model))
