"""Puts one question to a model, the very one that HTTP puts, and gives back its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError
from rich.console import Console

from unembed.cli.edits import parse_edit
from unembed.cli.loading import Loading, Typed, load, progress_bar
from unembed.cli.terminal import Terminal
from unembed.errors import PromptError
from unembed.options import explain
from unembed.questions import limits
from unembed.questions.experiment import Experiment, Request
from unembed.questions.overflow import blamed_rightly
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.engine.model import Model
    from unembed.session import Job, Session

Asked = TypeVar("Asked", bound=Experiment)
Put = TypeVar("Put", bound=Request)
Answer = TypeVar("Answer")


def request(kind: type[Asked], prompt: Typed, edits: Sequence[str] | None, **fields: Any) -> Asked:
    """A request, from what was typed; raises InputError."""
    specs = [parse_edit(text, index).values() for index, text in enumerate(edits or ())]
    return validated(kind, prompt.fields() | {"edits": specs} | fields)


def validated(kind: type[Put], data: dict[str, Any]) -> Put:
    """A request from its fields; raises InputError."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise explain(error.errors(include_url=False), data) from None


def ask(
    loading: Loading,
    answer: Callable[[Session, Job, Put], Answer],
    asked: Put,
    console: Console,
    settings: Settings | None = None,
    terminal: Terminal | None = None,
) -> Answer:
    """Load the model, answer on the compute thread, show progress; Ctrl-C cancels.

    What is too large is refused before the model is loaded. Settings left out are those of the
    environment; what the work asks meanwhile is asked at `terminal`.
    """
    settings = Settings.from_environment() if settings is None else settings
    limits.check(asked, settings)
    model = load(loading, settings, console)
    if isinstance(asked, Experiment):
        _print_notes(model, asked, console)
    from unembed.session import Session

    session = Session(model, settings)
    try:
        with progress_bar(console, "Computing") as progress:
            job = session.submit(lambda job: answer(session, job, asked))

            def show() -> None:
                snapshot = job.snapshot()
                progress(snapshot.stage, snapshot.done, snapshot.total)

            job.subscribe(show)
            with blamed_rightly(asked):
                if terminal is not None:
                    terminal.serve(job.future, progress)
                found: Answer = job.future.result()
            return found
    finally:
        session.close()


def _print_notes(model: Model, asked: Experiment, console: Console) -> None:
    """What was done to the prompt: special tokens that are not put there twice."""
    from unembed.questions.tokens import read_of  # here, not above: it imports torch

    with suppress(PromptError):  # the answer raises it, with the field that it is about
        for note in read_of(model, asked).notes:
            console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
