"""The limits of `settings` on requests to the index and the workspace; see `limits`."""

from __future__ import annotations

from collections.abc import Iterable

from unembed.errors import InputError
from unembed.server import wire
from unembed.server.limits import check_edits, check_prompt, check_token, refuse
from unembed.settings import Settings

_MAX_WORD_CHARS = 200


def check_count(count: int, field: str, settings: Settings) -> None:
    """How many are asked for at once; raises InputError."""
    if count > settings.max_hits:
        message = f"{field} is {count:,}; the limit is {settings.max_hits}."
        refuse(InputError, message, field, count, f"1 to {settings.max_hits}")


def check_search(body: wire.IndexSearchRequest, settings: Settings) -> None:
    """How many words, how long they are, how many hits; raises InputError."""
    check_count(body.limit, "limit", settings)
    limit = settings.max_words
    if len(body.words) > limit:
        message = f"words has {len(body.words):,} words; the limit is {limit}."
        refuse(InputError, message, "words", len(body.words), f"1 to {limit} words")
    for index, word in enumerate(body.words):
        if len(word) > _MAX_WORD_CHARS:
            field, legal = f"words[{index}]", f"at most {_MAX_WORD_CHARS} characters"
            refuse(InputError, f"{field} is longer than any word.", field, word, legal)


def check_similar(body: wire.IndexSimilarRequest, settings: Settings) -> None:
    """That one thing is named to be similar to, and its sizes; raises InputError."""
    check_count(body.limit, "limit", settings)
    named = [name for name in ("target", "tokens", "state") if getattr(body, name) is not None]
    if len(named) != 1:
        said = " and ".join(named) if named else "none of target, tokens and state"
        legal = "exactly one of target, tokens and state"
        field = named[1] if named else "target"
        refuse(InputError, f"The request has {said}; it must have {legal}.", field, None, legal)
    for index, token in enumerate(body.tokens or []):
        check_token(token, f"tokens[{index}]")
    if body.tokens is not None and body.tokens[0] is None:
        refuse(InputError, "tokens[0] is missing.", "tokens[0]", None, "a token")
    if body.state is not None:
        check_prompt(body.state.prompt, "state.prompt", settings)
        check_edits(body.state.edits, "state.edits", settings)


def check_texts(
    body: wire.Wire, names: Iterable[str], settings: Settings, prefix: str = ""
) -> None:
    """Lengths of what is kept; raises InputError."""
    limit = settings.max_saved_chars
    for name in names:
        size = len(getattr(body, name))
        if size > limit:
            message = f"{prefix}{name} has {size:,} characters; the limit is {limit:,}."
            legal = f"at most {limit:,} characters"
            refuse(InputError, message, prefix + name, size, legal)
