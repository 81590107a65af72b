"""Prompts, positions and tokens of a request, as the model has them.

Every error that the engine raises gets the name of the field of the request that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from unembed.engine.names.sites import resolve_position
from unembed.errors import TargetError, UnembedError
from unembed.options import Message, Prompt
from unembed.session import Session


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Errors raised inside are about this field of the request: "prompt[3]" -> "<field>[3]"."""
    try:
        yield
    except UnembedError as error:
        index = re.search(r"\[\d+\]$", error.field or "")
        error.field = field + (index[0] if index else "")
        raise


def ids_of(session: Session, prompt: Prompt, field: str = "prompt") -> tuple[int, ...]:
    """The tokens of a prompt; raises PromptError."""
    with naming(field):
        return session.model.tokenize(as_given(prompt))


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
