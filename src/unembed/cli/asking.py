"""Puts one question to a model, the way the server does, and gives back the server's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from rich.console import Console

from unembed.cli.edits import parse_edit
from unembed.cli.loading import Loading, load, progress_bar, read_prompt
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.session import Job, Session

Body = TypeVar("Body", bound=BaseModel)


def request(kind: type[Body], prompt: str, edits: Sequence[str], **fields: Any) -> Body:
    """A body of `wire`, from what was typed; raises InputError."""
    from unembed.server.bodies import explain

    specs = [parse_edit(text, index).model_dump() for index, text in enumerate(edits)]
    data = {"prompt": read_prompt(prompt), "edits": specs, **fields}
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise explain(error.errors(include_url=False), data) from None


def token_ref(text: str | None) -> str | int | None:
    """A token as typed: digits after # are an id, anything else is text."""
    if text is not None and text.startswith("#") and text[1:].isascii() and text[1:].isdigit():
        return int(text[1:])
    return text


def ask(
    loading: Loading, settings: Settings, work: Callable[[Session, Job], Any], console: Console
) -> Any:
    """Load the model, run the work on the compute thread, show progress; Ctrl-C cancels."""
    from unembed.session import Session

    session = Session(load(loading, settings, console), settings)
    try:
        with progress_bar(console, "Computing") as progress:
            job = session.submit(lambda job: work(session, job))

            def show() -> None:
                snapshot = job.snapshot()
                progress(snapshot.stage, snapshot.done, snapshot.total)

            job.subscribe(show)
            return job.future.result()
    finally:
        session.close()
