"""Loads a model for a command, with a progress bar where a person watches."""

from __future__ import annotations

import gc
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from unembed.cli.attaching import attach, say_attached
from unembed.cli.progress_lines import ProgressLines
from unembed.errors import PromptError
from unembed.settings import Settings

if TYPE_CHECKING:
    from unembed.engine.model import Model


@dataclass(frozen=True)
class Typed:
    """What a model is given, as it was typed: the prompt is text, or messages."""

    prompt: str | list[dict[str, Any]]
    source: str | None = None  # for the encoder of an encoder-decoder
    pair: str | None = None  # a second text, for an encoder that reads two

    def fields(self) -> dict[str, Any]:
        """What was typed, by the names of a request."""
        return {name: one for name, one in vars(self).items() if one is not None}


@dataclass(frozen=True)
class Loading:
    """What to load, and how."""

    source: str
    dtype: str | None = None
    device: str | None = None
    revision: str | None = None
    low_memory: bool = False
    stream: bool = False
    trust_remote_code: bool = False
    saes: Sequence[str] = ()


def load(loading: Loading, settings: Settings, console: Console, *, prove: bool = False) -> Model:
    """The model with what is to be attached; what was decided of that is said on `console`.

    Raises LoadError, or InputError for an option that does not exist.
    """
    with progress_bar(console, f"Loading {loading.source}") as progress, uncollected():
        import torch

        from unembed.engine.load import load as load_model

        if settings.threads:
            torch.set_num_threads(settings.threads)
        model = load_model(
            loading.source,
            dtype=loading.dtype,
            device=loading.device or "cpu",
            revision=loading.revision,
            trust_remote_code=loading.trust_remote_code,
            low_memory=loading.low_memory,
            stream=loading.stream,
            prove=prove,
            settings=settings,
            progress=progress,
        )
        model.identity.watched.trust()  # no one else's code writes to weights in this process
        attach(model, loading.saes, progress)
    say_attached(model, console)
    return model


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector, for imports and loading: of the millions of objects that they
    make none can go, and it would walk them all again and again, for a fifth of the time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Bars:
    """Called with (stage, done, total); moves the bar that shows it, or says it in lines."""

    def __init__(self, bars: Progress, title: str) -> None:
        self._bars, self._title = bars, title
        self._task = bars.add_task(title, total=None)
        self._lines = ProgressLines(bars.console) if bars.disable else None

    def __call__(self, stage: str, done: int, total: int) -> None:
        said = f"{self._title}: {stage}"
        self._bars.update(self._task, description=said, completed=done, total=total or None)
        if self._lines is not None:
            self._lines(said, done, total)

    @contextmanager
    def away(self) -> Iterator[None]:
        """The bar is not there, so that a line can be typed."""
        self._bars.stop()
        try:
            yield
        finally:
            self._bars.start()


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Bars]:
    """A bar with stage and time left; a line a minute where the output is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeRemainingColumn(),
    )
    if not console.is_terminal:
        console.print(f"{title} ...", highlight=False)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        yield Bars(bars, title)


def read_prompt(prompt: str, *, chat: bool) -> str | list[dict[str, Any]]:
    """The prompt itself, or standard input for "-"; as messages of a chat if it is one.

    A chat is typed as messages in JSON, or as text, which is then the user's one message.
    """
    text = _standard_input() if prompt == "-" else prompt
    if not chat:
        return text
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if isinstance(read, list) and read and all(isinstance(one, dict) for one in read):
        return read
    return [{"role": "user", "content": text}]


def typed(
    prompt: str | None, *, chat: bool, source: str | None, pair: str | None, needed: bool
) -> Typed | None:
    """What was typed; a source alone is one without a prompt. Raises PromptError for nothing."""
    if prompt is None and source is None and pair is None:
        if needed:
            raise PromptError(
                "the prompt is missing",
                field="prompt",
                fix='"The capital of Japan is"; of an encoder-decoder --source is enough',
            )
        return None
    if source == "-":
        source = _standard_input()
    return Typed(read_prompt(prompt or "", chat=chat and prompt is not None), source, pair)


def _standard_input() -> str:
    """One newline at the end is the terminal's."""
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        raise PromptError(
            f"standard input is not valid UTF-8: byte {error.start} is wrong", field="prompt"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def quiet_libraries() -> None:
    """Warnings of libraries are for developers; what concerns the user, Unembed says itself."""
    for name in ("transformers", "huggingface_hub", "torch"):
        logging.getLogger(name).setLevel(logging.ERROR)
