"""The limits of `settings` on a parsed body, each with the field that breaks it.

What only the model knows (its length, its layers) is checked where the model is; this runs first,
on the event loop, so that a request that is too large never waits in the queue.
"""

from __future__ import annotations

from typing import NoReturn

from unembed.errors import EditError, InputError, PromptError, UnembedError
from unembed.server import wire
from unembed.settings import Settings


def check_prompt(prompt: str | list[int], field: str, settings: Settings) -> None:
    """Characters of text, number of ids; raises PromptError."""
    if isinstance(prompt, str):
        size, limit, unit = len(prompt), settings.max_prompt_chars, "characters"
    else:
        size, limit, unit = len(prompt), settings.max_prompt_tokens, "tokens"
    if size > limit:
        message = f"{field} has {size:,} {unit}; the limit is {limit:,}."
        _refuse(PromptError, message, field, size, f"at most {limit:,} {unit}")


def check_experiment(body: wire.Experiment, settings: Settings) -> None:
    """Prompt and edits, and what else can be checked without knowing the tokens."""
    check_prompt(body.prompt, "prompt", settings)
    if len(body.edits) > settings.max_edits:
        message = f"There are {len(body.edits):,} edits; the limit is {settings.max_edits:,}."
        _refuse(EditError, message, "edits", len(body.edits), f"at most {settings.max_edits} edits")
    for index, edit in enumerate(body.edits):
        check_edit(edit, f"edits[{index}]", settings)
    top_k = getattr(body, "top_k", None)
    if top_k is not None and top_k > settings.max_k:
        message = f"top_k is {top_k:,}; the limit is {settings.max_k}."
        _refuse(InputError, message, "top_k", top_k, f"1 to {settings.max_k}")
    for name in ("target", "distractor"):
        token = getattr(body, name, None)
        if isinstance(token, str) and len(token) > 1000:
            _refuse(InputError, f"{name} is longer than any token.", name, token, "one token")


def check_generate(body: wire.GenerateRequest, settings: Settings) -> None:
    """The same, and the number of new tokens."""
    check_experiment(body, settings)
    if body.max_new_tokens > settings.max_new_tokens:
        limit = settings.max_new_tokens
        message = f"max_new_tokens is {body.max_new_tokens:,}; the limit is {limit:,}."
        _refuse(InputError, message, "max_new_tokens", body.max_new_tokens, f"1 to {limit}")


def check_lens(body: wire.LensRequest, settings: Settings) -> None:
    """The same, and the number of positions."""
    check_experiment(body, settings)
    limit, named = settings.max_prompt_tokens, body.positions or []
    if len(named) > limit:
        message = f"positions names {len(named):,} positions; the limit is {limit:,}."
        _refuse(InputError, message, "positions", len(named), f"at most {limit:,} positions")


def check_edit(edit: wire.EditSpec, field: str, settings: Settings) -> None:
    """Sizes of one edit, and that its parts fit its operation; raises EditError."""
    for name, positions in _position_lists(edit):
        limit = settings.max_edit_positions
        if len(positions) > limit:
            message = f"{field}.{name} has {len(positions):,} positions; the limit is {limit:,}."
            _refuse(EditError, message, f"{field}.{name}", len(positions), f"at most {limit:,}")
    if isinstance(edit.value, list) and len(edit.value) > settings.max_edit_value:
        limit = settings.max_edit_value
        message = f"{field}.value has {len(edit.value):,} numbers; the limit is {limit:,}."
        _refuse(EditError, message, f"{field}.value", len(edit.value), f"at most {limit:,} numbers")
    if edit.source is not None:
        check_prompt(edit.source.prompt, f"{field}.source.prompt", settings)
    _check_parts(edit, field)


def _check_parts(edit: wire.EditSpec, field: str) -> None:
    """zero takes nothing, scale a number, set_to and add a number or a vector, patch a source."""
    operation = edit.operation
    if operation == "patch":
        if edit.source is None:
            _refuse(EditError, f"{field}.source is missing: patch needs one.", f"{field}.source")
        if edit.value is not None:
            _refuse(
                EditError, f"{field}.value has no meaning for patch.", f"{field}.value", edit.value
            )
        return
    if edit.source is not None:
        message = f"{field}.source has no meaning for {operation}."
        _refuse(EditError, message, f"{field}.source", legal="only with patch")
    if operation == "zero" and edit.value is not None:
        _refuse(EditError, f"{field}.value has no meaning for zero.", f"{field}.value", edit.value)
    if operation != "zero" and edit.value is None:
        message = f"{field}.value is missing: {operation} needs one."
        _refuse(EditError, message, f"{field}.value", legal="a number, or for a site a vector")
    if operation == "scale" and isinstance(edit.value, list):
        message = f"{field}.value must be one number for scale."
        _refuse(EditError, message, f"{field}.value", edit.value, "one number")


def _position_lists(edit: wire.EditSpec) -> list[tuple[str, list[int]]]:
    lists = [("positions", edit.positions)]
    if edit.source is not None:
        lists.append(("source.positions", edit.source.positions))
    return [(name, positions) for name, positions in lists if positions is not None]


def _refuse(
    kind: type[UnembedError],
    message: str,
    field: str,
    value: object = None,
    legal: str | None = None,
) -> NoReturn:
    raise kind(message, field=field, value=value, legal=legal)
