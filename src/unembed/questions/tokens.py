"""Prompts, positions and tokens of a request, as the model has them.

Every error that the engine raises gets the name of the field of the request that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from unembed.engine.model import Model
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.errors import TargetError, UnembedError
from unembed.options import Message, Prompt
from unembed.questions.experiment import Prompted
from unembed.session import Session


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Errors raised inside are about this field of the request: "prompt[3]" -> "<field>[3]"."""
    try:
        yield
    except UnembedError as error:
        error.field = field + _index(error.field or "")
        raise


def read_of(model: Model, asked: Prompted, within: str = "") -> Read:
    """What a request gives to the model.

    Raises PromptError about `<within>prompt`, `source` or `pair`.
    """
    try:
        source = None if asked.source is None else as_given(asked.source)
        return model.read_prompt(as_given(asked.prompt), source, asked.pair)
    except UnembedError as error:
        named = error.field or ""
        part = next((one for one in ("source", "pair") if named.startswith(one)), "prompt")
        error.field = f"{within}{part}{_index(named)}"
        raise


def _index(named: str) -> str:
    """Which of several a field names: "[3]" of "prompt[3]"."""
    index = re.search(r"\[\d+\]$", named)
    return index[0] if index else ""


def as_given(prompt: Prompt) -> str | list[int] | list[dict[str, str]]:
    """The prompt of a request as the engine takes it: messages are dictionaries there."""
    if isinstance(prompt, str):
        return prompt
    return [one.values() if isinstance(one, Message) else one for one in prompt]  # type: ignore[return-value]  # all of one kind


def position_of(position: int, n_positions: int) -> int:
    """A position counted from the start; raises TargetError."""
    return resolve_position(position, n_positions, "position")


def one_token(session: Session, ref: str | int | None, field: str) -> int:
    """The id of one token; raises TargetError also where none is named."""
    if ref is None:
        raise TargetError(f"{field} is missing", field=field, legal="a token")
    with naming(field):
        return session.model.token_id(ref)
