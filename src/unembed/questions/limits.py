"""The limits of `settings` on a request, each with the field that breaks it.

A field that names a limit is held to it here, whatever the question. This runs first, for the
command line as for HTTP, so that a request that is too large never waits in the queue. What only
the model knows (its length, its layers, the cost) is checked where the model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unembed.analyses.patching.pairs import PromptPair
from unembed.errors import EditError, InputError, PromptError
from unembed.options import Message, Options, Prompt, hint
from unembed.questions.experiment import EditSpec, Request, refuse
from unembed.settings import Settings

_MAX_TOKEN_CHARS = 1000
_MAX_WORD_CHARS = 200
_TOKENS = ("target", "distractor", "token")


def check(request: Request, settings: Settings) -> None:
    """Raises InputError for what is larger than the settings allow, or does not fit together."""
    _check_experiment(request, "", settings)
    for name in type(request).model_fields:
        _check_field(request, name, settings)
    state = getattr(request, "state", None)
    if state is not None:
        _check_experiment(state, "state.", settings)
    request.check()


def check_prompt(prompt: Prompt, field: str, settings: Settings) -> None:
    """Characters of text or of messages, number of ids; raises PromptError."""
    said = [one.content for one in prompt if isinstance(one, Message)]
    if isinstance(prompt, str) or said:
        size = len(prompt) if isinstance(prompt, str) else sum(len(one) for one in said)
        limit, unit = settings.max_prompt_chars, "characters"
    else:
        size, limit, unit = len(prompt), settings.max_prompt_tokens, "tokens"
    if size > limit:
        message = f"{field} has {size:,} {unit}; the limit is {limit:,}."
        refuse(PromptError, message, field, size, f"at most {limit:,} {unit}")


def check_edits(edits: Sequence[EditSpec], field: str, settings: Settings) -> None:
    """How many, and each of them; raises EditError."""
    if len(edits) > settings.max_edits:
        message = f"There are {len(edits):,} edits; the limit is {settings.max_edits:,}."
        refuse(EditError, message, field, len(edits), f"at most {settings.max_edits} edits")
    for index, edit in enumerate(edits):
        _check_edit(edit, f"{field}[{index}]", settings)


def _check_experiment(request: Options, prefix: str, settings: Settings) -> None:
    for name in ("prompt", "source", "pair", "corrupted", "against"):
        said = getattr(request, name, None)
        if said is not None:
            check_prompt(said, f"{prefix}{name}", settings)
    for order, said in enumerate(getattr(request, "references", ())):
        check_prompt(said, f"{prefix}references[{order}]", settings)
    for order, pair in enumerate(_pairs_of(request)):
        for side in ("clean", "corrupted"):
            check_prompt(getattr(pair, side), f"{prefix}pairs[{order}].{side}", settings)
    edits = getattr(request, "edits", None)
    if edits is not None:
        check_edits(edits, f"{prefix}edits", settings)


def _pairs_of(request: Options) -> Sequence[PromptPair]:
    pairs = getattr(request, "pairs", None)
    return pairs if isinstance(pairs, list) else ()


def _check_field(request: Request, name: str, settings: Settings) -> None:
    value = getattr(request, name)
    if name in _TOKENS:
        _check_length(value, name, _MAX_TOKEN_CHARS, "token")
    elif name in ("tokens", "words") and not isinstance(value, int):
        most, what = (_MAX_TOKEN_CHARS, "token") if name == "tokens" else (_MAX_WORD_CHARS, "word")
        for index, one in enumerate(value or ()):
            _check_length(one, f"{name}[{index}]", most, what)
    limit = hint(type(request).model_fields[name], "limit")
    if limit is not None and value is not None:
        check_limit(name, value, getattr(settings, limit))


def check_limit(name: str, value: Any, limit: int) -> None:
    """A number is at most the limit; a list, or a text, is at most as long."""
    if isinstance(value, int | float):
        size, words, legal = value, f"is {value:,}", f"at most {limit:,}"
    else:
        unit = "characters" if isinstance(value, str) else name
        size, words, legal = len(value), f"has {len(value):,} {unit}", f"at most {limit:,} {unit}"
    if size > limit:
        refuse(InputError, f"{name} {words}; the limit is {limit:,}.", name, size, legal)


def _check_length(text: object, field: str, most: int, what: str) -> None:
    if isinstance(text, str) and len(text) > most:
        message = f"{field} is longer than any {what}."
        refuse(InputError, message, field, text, f"one {what} of at most {most} characters")


def _check_edit(edit: EditSpec, field: str, settings: Settings) -> None:
    """Sizes of one edit, and that its parts fit its operation."""
    lists = [("positions", edit.positions)]
    if edit.source is not None:
        lists.append(("source.positions", edit.source.positions))
    for name, positions in lists:
        limit = settings.max_edit_positions
        if positions is not None and len(positions) > limit:
            message = f"{field}.{name} has {len(positions):,} positions; the limit is {limit:,}."
            refuse(EditError, message, f"{field}.{name}", len(positions), f"at most {limit:,}")
    if edit.pairs is not None and len(edit.pairs) > settings.max_edit_pairs:
        limit = settings.max_edit_pairs
        message = f"{field}.pairs has {len(edit.pairs):,} pairs; the limit is {limit:,}."
        refuse(EditError, message, f"{field}.pairs", len(edit.pairs), f"at most {limit:,} pairs")
    if isinstance(edit.value, list) and len(edit.value) > settings.max_edit_value:
        limit = settings.max_edit_value
        message = f"{field}.value has {len(edit.value):,} numbers; the limit is {limit:,}."
        refuse(EditError, message, f"{field}.value", len(edit.value), f"at most {limit:,} numbers")
    if edit.source is not None:
        _check_experiment(edit.source, f"{field}.source.", settings)
    edit.check(field)
