"""Flags of the commands that ask a question, made from the options of its request."""

from __future__ import annotations

import csv
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, NoReturn

import typer

from unembed.cli.options import signed
from unembed.errors import InputError
from unembed.options import Options
from unembed.questions.described import Kind, OptionRow, rows_of
from unembed.settings import Settings

PANEL = "What is asked"
LAYERS = '"14", "10,14" or "9-11"'
POSITIONS = '"75-100", "0,3,-1" or "0,10-20"'
MOST_NUMBERS = 1_000_000  # named by one range; the settings' own limit speaks below that


def with_options(
    *requests: type[Options],
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command one flag for each option of a request.

    The command gets what was typed, by the names of the request, as one `fields` argument; what
    was not typed is left to the request's own defaults. An option that the command takes itself
    gets no flag. A command that puts one of several requests has the flags of all of them, and none
    that must be given.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters
        rows = [row for row in _rows(requests) if row.name not in own]

        def wrapped(**given: Any) -> None:
            typed = {row.name: given.pop(row.name) for row in rows}
            fields = {
                row.name: _READERS.get(row.kind, _as_typed)(row, typed[row.name])
                for row in rows
                if typed[row.name] is not None
            }
            command(**given, fields=fields)

        flags = [_flag(row) for row in rows]
        kept = [one for one in own.values() if one.name != "fields"]
        return signed(wrapped, command, [*kept, *flags])

    return decorate


def _rows(requests: Sequence[type[Options]]) -> list[OptionRow]:
    """Options that can be typed, each once."""
    found: dict[str, OptionRow] = {}
    for request in requests:
        for row in rows_of(request):
            if row.kind != "record":
                found.setdefault(row.name, row)
    if len(requests) == 1:
        return list(found.values())
    return [replace(row, required=False) for row in found.values()]


_TYPED: dict[Kind, str] = {
    "integers": ' As "0,3" or "9-11", both ends included.',
    "numbers": ' As "1,0.5,-2".',
    "span": ' As "3-9", both included, or "5".',
    "names": " With commas between; one with a comma in it in quotes.",
    "text or names": " Repeated for each name of a list.",
    "token": " Text, or #1234.",
}


def _flag(row: OptionRow) -> inspect.Parameter:
    names = [row.flag] if row.kind == "boolean" else row.flag.split("/")
    if row.kind == "boolean" and "/" not in row.flag:
        names = [f"{row.flag}/--no-{row.flag.removeprefix('--')}"]
    words = row.sentence + _TYPED.get(row.kind, "")
    limit = f"; at most {getattr(Settings(), row.limit):,}" if row.limit else ""
    option = typer.Option(
        *names,
        help=words if row.required else f"{words} (default {row.typed_default}{limit})",
        show_default=False,
        rich_help_panel=PANEL,
    )
    kind = _types().get(row.kind, str) if row.kind != "choice" else Literal[row.choices]
    annotation = Annotated[kind, option] if row.required else Annotated[kind | None, option]
    default = inspect.Parameter.empty if row.required else None
    return inspect.Parameter(
        row.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _types() -> dict[str, type]:
    return {"integer": int, "number": float, "boolean": bool, "text or names": list[str]}


# ---------------------------------------------------------------- what was typed


def _as_typed(_: OptionRow, value: Any) -> Any:
    return value


def token_ref(text: str) -> str | int:
    """A token as typed: digits after # are an id, anything else is text."""
    if text.startswith("#") and text[1:].isascii() and text[1:].isdigit():
        return int(text[1:])
    return text


def parse_layers(text: str) -> list[int]:
    """Layers as typed: numbers and ranges with both ends in them; raises InputError."""
    if "-" in (part.strip()[:1] for part in text.split(",")):
        _refuse("layers", text, f"layers is {text!r}; write {LAYERS}", LAYERS)
    return list(_integers("layers", text, LAYERS))


def parse_positions(text: str) -> list[int]:
    """Positions as typed: numbers and ranges with both ends in them; raises InputError."""
    return list(_integers("positions", text, POSITIONS))


def parse_span(name: str, text: str) -> list[int]:
    """A first and a last as typed: "3-9", both included, or one; raises InputError."""
    match = re.fullmatch(r"\s*([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?\s*", text)
    if match is None:
        _refuse(name, text, f'{name} is {text!r}; write "3-9" or "5"', '"3-9"')
    return [int(match[1]), int(match[2] or match[1])]


def _integers(name: str, text: str, examples: str) -> Iterator[int]:
    for part in text.split(","):
        match = re.fullmatch(r"(-?[0-9]{1,9})(?:-(-?[0-9]{1,9}))?", part.strip())
        if match is None:
            _refuse(name, text, f"{name} is {text!r}; write {examples}", examples)
        first = int(match[1])
        last = first if match[2] is None else int(match[2])
        if last < first or (first < 0) != (last < 0) or last - first >= MOST_NUMBERS:
            message = (
                f"{name} has {part.strip()!r}; a range goes up, and both of its ends count from "
                f"the same side: write {examples}"
            )
            _refuse(name, text, message, examples)
        yield from range(first, last + 1)


def _read_integers(row: OptionRow, text: str) -> list[int]:
    return parse_layers(text) if row.name == "layers" else parse_positions(text)


def _read_numbers(row: OptionRow, text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        examples = '"1,0.5,-2"'
        _refuse(row.name, text, f"{row.name} is {text!r}; write {examples}", examples)


def _read_names(_: OptionRow, text: str) -> list[str]:
    """Names with commas between, as CSV has them: one with a comma in it stands in quotes."""
    try:
        (parts,) = csv.reader([text], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):  # a quote is a name, too
        parts = text.split(",")
    return [part.strip() for part in parts if part.strip()]


_READERS: dict[Kind, Callable[[OptionRow, Any], Any]] = {
    "token": lambda _, text: token_ref(text),
    "integers": _read_integers,
    "numbers": _read_numbers,
    "span": lambda row, text: parse_span(row.name, text),
    "names": _read_names,
    "text or names": lambda _, typed: typed[0] if len(typed) == 1 else typed,
}


def _refuse(field: str, text: str, message: str, legal: str) -> NoReturn:
    raise InputError(message, field=field, value=text, legal=legal)
