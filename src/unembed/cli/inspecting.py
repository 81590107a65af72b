"""`unembed run` and `unembed doctor`: ask once, print a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.cli import tables
from unembed.cli.loading import Loading, load
from unembed.cli.questions import ask, request, token_ref
from unembed.questions.requests import PredictionsRequest
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.questions.predictions import PredictionsAnswer
    from unembed.session import Job, Session


def run(
    loading: Loading, prompt: str, edits: Sequence[str], fields: dict[str, Any], *, as_json: bool
) -> None:
    """See `unembed run`."""
    fields = fields | {"target": token_ref(fields["target"])}
    asked = request(PredictionsRequest, prompt, edits, **fields)
    found = ask(loading, _predictions, asked, Console(stderr=True))
    if as_json:
        from unembed.server.responses import predictions_on_wire

        print(predictions_on_wire(found).model_dump_json(indent=1))
    else:
        tables.print_predictions(Console(), found)


def _predictions(session: Session, job: Job, asked: PredictionsRequest) -> PredictionsAnswer:
    from unembed.questions import predictions  # here, not above: it imports torch

    return predictions.answer(session, job, asked)


def doctor(loading: Loading, *, as_json: bool) -> None:
    """See `unembed doctor`."""
    from unembed.cli.report import as_data, print_report

    model = load(loading, Settings.from_environment(), Console(stderr=True))
    if as_json:
        print(json.dumps(as_data(model), indent=1))
    else:
        print_report(Console(), as_data(model))
