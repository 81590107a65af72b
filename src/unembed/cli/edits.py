"""Edits as they are typed: "zero L9.H6", "scale L12.N512 0 positions=3,4 stage=pre".

An operation of `questions.operations`, a target, and what the operation takes: numbers with commas
between, the prompt to patch from, or pairs as in 14<3,15<3, in whose place "within" or "across" may
stand. `positions=`, `stage=`, for patch `from=`, `take=`, `seed=`, `source=` and `pair=`, for on
`sign=` and for knock_out `renormalise=` follow the target; what has spaces stands in double quotes,
as in source="The house".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from unembed.errors import EditError
from unembed.options import explain
from unembed.questions.experiment import EditSpec
from unembed.questions.operations import BY_NAME, grammar


def parse_edit(text: str, index: int) -> EditSpec:
    """One --edit; raises EditError."""
    field = f"edits[{index}]"
    operation, _, rest = text.strip().partition(" ")
    target, _, rest = rest.strip().partition(" ")
    row = BY_NAME.get(operation)  # type: ignore[call-overload]
    if row is None or not target:
        form = grammar()
        raise EditError(
            f"--edit {text!r} is not an edit; write {form}", field=field, value=text, legal=form
        )
    spec: dict[str, Any] = {"target": target, "operation": operation}
    options, rest = _options(rest.strip(), field)
    sources = options.pop("from", None)
    beside = {name: options.pop(name) for name in _BESIDE if name in options}
    spec |= options
    if row.takes == "source":
        spec["source"] = {"prompt": rest, "positions": sources, **beside}
    elif beside:
        name = next(iter(beside))
        raise EditError(
            f"--edit {text!r}: {name}= has no meaning for {operation}",
            field=f"{field}.source",
            value=text,
            legal="only with patch",
        )
    elif row.takes == "pairs":
        spec |= _pairs(rest, field)
    elif rest:
        spec["value"] = _value(rest, field)
    try:
        return EditSpec.model_validate(spec)
    except ValidationError as error:
        found = explain(error.errors(include_url=False), spec)
        raise EditError(f"--edit {text!r}: {found.message}", field=field, value=text) from None


def _options(rest: str, field: str) -> tuple[dict[str, Any], str]:
    """`name=value` words at the start, and what follows them."""
    options: dict[str, Any] = {}
    while rest:
        word, _, after = rest.partition(" ")
        name, equals, value = word.partition("=")
        if not equals or name not in _READERS:
            break
        if value.startswith('"'):
            value, after = _quoted(rest[len(name) + 1 :], f"{field}.{name}")
        options[name] = _READERS[name](value, f"{field}.{name}")
        rest = after.strip()
    return options, rest


def _quoted(rest: str, field: str) -> tuple[str, str]:
    """The text in double quotes, with backslashes as in JSON, and what follows it."""
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(rest)
    except ValueError:
        raise EditError(
            f"{field} is {rest!r}, whose double quotes do not end",
            field=field,
            value=rest,
            legal='a text in double quotes, such as "The house"',
        ) from None
    return str(value), rest[end:]


def _text(text: str, _: str) -> str:
    return text


def _sign(text: str, _: str) -> int | str:
    """What is neither is refused where the edit is read as a whole."""
    return {"1": 1, "+1": 1, "-1": -1}.get(text, text)


def _integers(text: str, field: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise EditError(
            f"{field} is {text!r}; write integers with commas, such as 3,4,-1",
            field=field,
            value=text,
            legal="integers with commas",
        ) from None


def _integer(text: str, _: str) -> int | str:
    """What is none is refused where the edit is read as a whole."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else text


def _yes(text: str, field: str) -> bool:
    if text not in ("true", "false"):
        raise EditError(
            f"{field} is {text!r}; write true or false",
            field=field,
            value=text,
            legal="true, false",
        )
    return text == "true"


_BESIDE = ("source", "pair", "take", "seed")  # of patch: what goes with the other prompt
_READERS: dict[str, Callable[[str, str], Any]] = {
    "positions": _integers,
    "from": _integers,
    "source": _text,
    "pair": _text,
    "take": _text,
    "seed": _integer,
    "stage": _text,
    "sign": _sign,
    "renormalise": _yes,
}


def _pairs(text: str, field: str) -> dict[str, Any]:
    """Pairs of query and key, or those between two texts; none where the target is one."""
    if text in ("", "within", "across"):
        return {"between": text} if text else {}
    try:
        return {"pairs": [[int(one) for one in pair.split("<")] for pair in text.split(",")]}
    except ValueError:
        raise EditError(
            f"{field}.pairs is {text!r}; write positions of query and key, such as 14<3,15<3",
            field=f"{field}.pairs",
            value=text,
            legal='14<3,15<3, "within" or "across"',
        ) from None


def _value(text: str, field: str) -> float | list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise EditError(
            f"{field}.value is {text!r}; write a number, or several with commas",
            field=f"{field}.value",
            value=text,
            legal="numbers with commas",
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers
