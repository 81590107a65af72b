"""`unembed run` and `unembed doctor`: ask once, print a table or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from unembed.cli import tables
from unembed.cli.asking import ask, request, token_ref
from unembed.cli.loading import Loading, load
from unembed.server import wire
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.session import Job, Session


def run(
    loading: Loading, prompt: str, edits: Sequence[str], fields: dict[str, Any], *, as_json: bool
) -> None:
    """See `unembed run`."""
    settings = Settings.from_environment()
    fields = fields | {"target": token_ref(fields["target"])}
    body = request(wire.PredictionsRequest, prompt, edits, **fields)

    def work(session: Session, job: Job) -> wire.PredictionsResponse:
        from unembed.server import answers, limits

        limits.check_predictions(body, settings)
        return answers.predictions(session, job, body)

    answer = ask(loading, settings, work, Console(stderr=True))
    if as_json:
        print(answer.model_dump_json(indent=1))
    else:
        tables.print_predictions(Console(), answer)


def doctor(loading: Loading, *, as_json: bool) -> None:
    """See `unembed doctor`."""
    from unembed.cli.report import as_data, print_report

    model = load(loading, Settings.from_environment(), Console(stderr=True))
    if as_json:
        print(json.dumps(as_data(model), indent=1))
    else:
        print_report(Console(), as_data(model))
