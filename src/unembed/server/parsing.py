"""Bytes of a request -> data, or an error that names the field and the legal range.

Stricter than JSON parsers are by themselves: UTF-8 only, no byte order mark, no key twice, bounded
nesting; what is not finite or not a number at all is left to the class of the request, which
knows the field's name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from unembed.errors import InputError
from unembed.options import explain, field_name
from unembed.server.error_responses import shown

_DIGITS = 40
_MAX_KEYS = 64
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


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


def explained(errors: Sequence[Any], body: object) -> InputError:
    """What pydantic found, as one sentence about the deepest field that it complains of."""
    return explain(errors, body, BodyError)


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
            message = (
                f"{field_name(path)} has a lone surrogate, half a character, at {half.start()}."
            )
            raise BodyError(message, field=field_name(path), value=value, legal="whole characters")
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


def _kind(data: object) -> str:
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(data), "a number")
