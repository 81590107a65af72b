"""The limits of `settings` on a parsed body, each with the field that breaks it.

What only the model knows (its length, its layers) is checked where the model is; this runs first,
on the event loop, so that a request that is too large never waits in the queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from unembed.errors import EditError, InputError, PromptError, UnembedError
from unembed.server import wire
from unembed.settings import Settings

_MAX_TOKEN_CHARS = 1000


def check_prompt(prompt: str | list[int], field: str, settings: Settings) -> None:
    """Characters of text, number of ids; raises PromptError."""
    if isinstance(prompt, str):
        size, limit, unit = len(prompt), settings.max_prompt_chars, "characters"
    else:
        size, limit, unit = len(prompt), settings.max_prompt_tokens, "tokens"
    if size > limit:
        message = f"{field} has {size:,} {unit}; the limit is {limit:,}."
        refuse(PromptError, message, field, size, f"at most {limit:,} {unit}")


def check_experiment(body: wire.Experiment, settings: Settings) -> None:
    """Prompt and edits, and what else can be checked without knowing the tokens."""
    check_prompt(body.prompt, "prompt", settings)
    check_edits(body.edits, "edits", settings)
    top_k = getattr(body, "top_k", None)
    if top_k is not None and top_k > settings.max_k:
        message = f"top_k is {top_k:,}; the limit is {settings.max_k}."
        refuse(InputError, message, "top_k", top_k, f"1 to {settings.max_k}")
    for name in ("target", "distractor"):
        check_token(getattr(body, name, None), name)


def check_token(token: str | int | None, field: str) -> None:
    """A token as text is short; raises InputError."""
    if isinstance(token, str) and len(token) > _MAX_TOKEN_CHARS:
        refuse(InputError, f"{field} is longer than any token.", field, token, "one token")


def check_edits(edits: Sequence[wire.EditSpec], field: str, settings: Settings) -> None:
    """How many, and each of them; raises EditError."""
    if len(edits) > settings.max_edits:
        message = f"There are {len(edits):,} edits; the limit is {settings.max_edits:,}."
        refuse(EditError, message, field, len(edits), f"at most {settings.max_edits} edits")
    for index, edit in enumerate(edits):
        check_edit(edit, f"{field}[{index}]", settings)


def check_predictions(body: wire.PredictionsRequest, settings: Settings) -> None:
    """The same, and how many neurons and heads of each layer are shown."""
    check_experiment(body, settings)
    limit = settings.max_sub_updates
    if body.sub_updates > limit:
        message = f"sub_updates is {body.sub_updates:,}; the limit is {limit}."
        refuse(InputError, message, "sub_updates", body.sub_updates, f"0 to {limit}")


def check_generate(body: wire.GenerateRequest, settings: Settings) -> None:
    """The same, and the number of new tokens."""
    check_experiment(body, settings)
    if body.max_new_tokens > settings.max_new_tokens:
        limit = settings.max_new_tokens
        message = f"max_new_tokens is {body.max_new_tokens:,}; the limit is {limit:,}."
        refuse(InputError, message, "max_new_tokens", body.max_new_tokens, f"1 to {limit}")


def check_lens(body: wire.LensRequest, settings: Settings) -> None:
    """The same, and the number of positions."""
    check_experiment(body, settings)
    limit, named = settings.max_prompt_tokens, body.positions or []
    if len(named) > limit:
        message = f"positions names {len(named):,} positions; the limit is {limit:,}."
        refuse(InputError, message, "positions", len(named), f"at most {limit:,} positions")


def check_edit(edit: wire.EditSpec, field: str, settings: Settings) -> None:
    """Sizes of one edit, and that its parts fit its operation; raises EditError."""
    for name, positions in _position_lists(edit):
        limit = settings.max_edit_positions
        if len(positions) > limit:
            message = f"{field}.{name} has {len(positions):,} positions; the limit is {limit:,}."
            refuse(EditError, message, f"{field}.{name}", len(positions), f"at most {limit:,}")
    if isinstance(edit.value, list) and len(edit.value) > settings.max_edit_value:
        limit = settings.max_edit_value
        message = f"{field}.value has {len(edit.value):,} numbers; the limit is {limit:,}."
        refuse(EditError, message, f"{field}.value", len(edit.value), f"at most {limit:,} numbers")
    if edit.source is not None:
        check_prompt(edit.source.prompt, f"{field}.source.prompt", settings)
    _check_parts(edit, field)


def _check_parts(edit: wire.EditSpec, field: str) -> None:
    """scale takes a number, set_to and add a number or a vector, patch a source, others nothing."""
    operation = edit.operation
    if operation == "patch":
        if edit.source is None:
            refuse(EditError, f"{field}.source is missing: patch needs one.", f"{field}.source")
        if edit.value is not None:
            refuse(
                EditError, f"{field}.value has no meaning for patch.", f"{field}.value", edit.value
            )
        return
    if edit.source is not None:
        message = f"{field}.source has no meaning for {operation}."
        refuse(EditError, message, f"{field}.source", legal="only with patch")
    takes_value = operation in ("scale", "set_to", "add")
    if not takes_value and edit.value is not None:
        message = f"{field}.value has no meaning for {operation}."
        refuse(EditError, message, f"{field}.value", edit.value)
    if takes_value and edit.value is None:
        message = f"{field}.value is missing: {operation} needs one."
        refuse(EditError, message, f"{field}.value", legal="a number, or for a site a vector")
    if operation == "scale" and isinstance(edit.value, list):
        message = f"{field}.value must be one number for scale."
        refuse(EditError, message, f"{field}.value", edit.value, "one number")
    if operation in ("on", "lmd_on", "lmd_off", "cut") and edit.stage != "post":
        message = f"{field}.stage has no meaning for {operation}, which says itself where it acts."
        refuse(EditError, message, f"{field}.stage", edit.stage, "left out")

    if operation == "cut" and edit.positions is not None and len(edit.positions) != 1:
        message = f"{field}.positions must name one position: cut acts at the graph's."
        legal = "one position, or left out for the last one"
        refuse(EditError, message, f"{field}.positions", edit.positions, legal)


def _position_lists(edit: wire.EditSpec) -> list[tuple[str, list[int]]]:
    lists = [("positions", edit.positions)]
    if edit.source is not None:
        lists.append(("source.positions", edit.source.positions))
    return [(name, positions) for name, positions in lists if positions is not None]


def refuse(
    kind: type[UnembedError],
    message: str,
    field: str,
    value: object = None,
    legal: str | None = None,
) -> NoReturn:
    """Raise the error of a limit."""
    raise kind(message, field=field, value=value, legal=legal)
