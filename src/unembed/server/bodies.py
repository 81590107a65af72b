"""Bytes of a request -> a body of `wire`, or an error that names the field and the legal range.

Stricter than JSON parsers are by themselves: UTF-8 only, no byte order mark, no key twice, bounded
nesting; what is not finite or not a number at all is left to `wire`, which knows the field's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from unembed.errors import InputError
from unembed.server.replies import shown

_DIGITS = 40
_MAX_KEYS = 64
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEGAL = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer",
    "string_type": "text",
    "list_type": "a list",
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "string_pattern_mismatch": "8 to 64 of A-Z a-z 0-9 _ -",
}
_UNIONS = {
    "prompt": "text, or a list of token ids from 0 to 2147483647",
    "target": "text that is exactly one token, or a token id from 0 to 2147483647",
    "distractor": "text that is exactly one token, or a token id from 0 to 2147483647",
    "value": "a finite number within ±3.4e38, or a list of such numbers",
}


class BodyError(InputError):
    """The body of a request is not what its route takes."""

    code = "bad_body"


def parse(raw: bytes, max_depth: int) -> object:
    """JSON -> data; raises BodyError."""
    if not raw.strip():
        raise BodyError(
            "The body is empty; it must be a JSON object.", field="body", legal="a JSON object"
        )
    _check_depth(raw, max_depth)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"The body is not valid UTF-8: byte {error.start} is 0x{raw[error.start]:02x}."
        raise BodyError(message, field="body", legal="JSON in UTF-8") from None
    if text.startswith("\ufeff"):
        message = "The body starts with a byte order mark; JSON has none."
        raise BodyError(message, field="body", legal="JSON in UTF-8")
    try:
        data = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        message = f"The body is not JSON: {error.msg} at character {error.pos}."
        raise BodyError(message, field="body", legal="a JSON object") from None
    if not isinstance(data, dict):
        message = f"The body is {_kind(data)}; it must be a JSON object."
        raise BodyError(message, field="body", value=data, legal="a JSON object")
    if b"\\ud" in raw or b"\\uD" in raw:
        _check_surrogates(data)
    return data


def explain(errors: Sequence[Any], body: object) -> BodyError:
    """What pydantic found, as one sentence about the deepest field that it complains of."""
    found = [(_path(error, body), error) for error in errors]
    deepest = max(len(path) for path, _ in found)
    path, error = next(pair for pair in found if len(pair[0]) == deepest)
    field, kind = named(path), error["type"]
    if kind == "missing":
        return BodyError(f"{field} is missing.", field=field)
    if kind == "extra_forbidden":
        message = f"{field} is not a field of this request."
        return BodyError(message, field=field, value=error.get("input"))
    in_union = sum(other == path for other, _ in found) > 1
    legal = _UNIONS.get(str(path[-1])) if in_union and path else None
    legal = legal or _legal(error)
    return BodyError(
        f"{field} must be {legal}.", field=field, value=error.get("input"), legal=legal
    )


def _integer(digits: str) -> int | float:
    """Integers beyond any range become floats: Python refuses, or takes long over, huge ones."""
    return int(digits) if len(digits) <= _DIGITS else float(digits)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > _MAX_KEYS:
        legal = f"at most {_MAX_KEYS} keys"
        message = f"An object of the body has {len(pairs):,} keys."
        raise BodyError(message, field="body", legal=legal)
    data: dict[str, object] = {}
    for key, value in pairs:
        if key in data:
            message = f"The key {shown(key)!r} occurs twice in one object."
            raise BodyError(message, field=key, value=key, legal="each key once")
        data[key] = value
    return data


def _check_surrogates(data: object) -> None:
    """Half a character can be written in JSON, but neither tokenized nor sent back."""
    stack: list[tuple[tuple[str | int, ...], object]] = [((), data)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str) and (half := _SURROGATE.search(value)):
            message = f"{named(path)} has a lone surrogate, half a character, at {half.start()}."
            raise BodyError(message, field=named(path), value=value, legal="whole characters")
        if isinstance(value, dict):
            stack += [((*path, key), child) for key, child in value.items()]
            stack += [((*path, key), key) for key in value]
        elif isinstance(value, list):
            stack += [((*path, at), child) for at, child in enumerate(value)]


def _check_depth(raw: bytes, max_depth: int) -> None:
    """Before parsing: the parser recurses."""
    depth = 0
    for found in _STRUCTURE.finditer(raw):
        mark = found.group()[:1]
        if mark in b"[{":
            depth += 1
            if depth > max_depth:
                legal = f"at most {max_depth} levels"
                message = f"The body is nested deeper than {max_depth} levels."
                raise BodyError(message, field="body", legal=legal)
        elif mark in b"]}":
            depth -= 1


def _path(error: Any, body: object) -> tuple[str | int, ...]:
    """pydantic's location without the names of union branches: only steps that the body has."""
    steps: list[str | int] = []
    here: Any = body
    location = error["loc"][1:] if error["loc"][:1] == ("body",) else error["loc"]
    for step in location:
        inside = (isinstance(here, dict) and isinstance(step, str) and step in here) or (
            isinstance(here, list) and isinstance(step, int) and step < len(here)
        )
        if inside:
            here = here[step]
        elif not (error["type"] == "missing" and step == location[-1]):
            continue
        steps.append(step)
    return tuple(steps)


def named(path: tuple[str | int, ...]) -> str:
    """("edits", 0, "target") -> "edits[0].target"."""
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name or "body"


def _legal(error: Any) -> str:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "greater_than_equal":
        return f"at least {context['ge']}"
    if kind == "less_than_equal":
        return f"at most {context['le']}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters long"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    return _LEGAL.get(kind) or str(error["msg"])


def _kind(data: object) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(data), "a number")
