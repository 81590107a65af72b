"""The options of each question, as rows: what flags, documentation and the app are made from.

Knows no torch and no model; `requests` and its classes are all that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from unembed.options import INT32_MAX, Options, hint, legal_words, schema_of
from unembed.questions.experiment import Experiment

# "span": a first and a last; "text or names": a word, or a list of names; "record": what only a
# body can say
Kind = Literal[
    "integer",
    "number",
    "boolean",
    "choice",
    "text",
    "token",
    "integers",
    "numbers",
    "span",
    "names",
    "text or names",
    "record",
]
_SHARED = (*Experiment.model_fields,)


@dataclass(frozen=True)
class OptionRow:
    """One option of one question."""

    name: str
    kind: Kind
    required: bool
    default: Any
    choices: tuple[str, ...]
    low: float | None
    high: float | None
    above_low: bool  # the least value itself is not legal
    legal: str
    limit: str | None  # the setting that is the largest value, or number of items
    sentence: str
    flag: str

    @property
    def typed_default(self) -> str:
        """The default as a person reads it."""
        if self.required:
            return "required"
        words = {None: "off", True: "yes", False: "no"}
        if isinstance(self.default, bool) or self.default is None:
            return words[self.default]
        empty = isinstance(self.default, list | tuple) and not self.default
        return "none" if empty else f"{self.default}"


def rows_of(request: type[Options]) -> tuple[OptionRow, ...]:
    """The options of a request, without prompt, edits and job; what must be given comes first."""
    properties = schema_of(request)
    names = [name for name in request.model_fields if name not in _SHARED]
    rows = [_row(request, name, properties[name]) for name in names]
    return tuple(sorted(rows, key=lambda row: not row.required))


def _row(request: type[Options], name: str, schema: Mapping[str, Any]) -> OptionRow:
    field = request.model_fields[name]
    parts = [one for one in _alternatives(schema) if one.get("type") != "null"]
    kind = _kind(parts)
    bounds = parts[0] if kind in ("integer", "number") else {}
    low, above, high = (bounds.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    return OptionRow(
        name=name,
        kind=kind,
        required=field.is_required(),
        default=None if field.is_required() else field.default,
        choices=tuple(str(one) for one in parts[0].get("enum", ())),
        low=_bound(low if above is None else above),
        high=_bound(high),
        above_low=above is not None,
        legal=legal_words(request, name),
        limit=hint(field, "limit"),
        sentence=field.description or "",
        flag=hint(field, "flag") or "--" + name.replace("_", "-"),
    )


def _alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Everything that a field may be, however deep a union is written."""
    if "anyOf" not in schema:
        return [schema]
    return [one for part in schema["anyOf"] for one in _alternatives(part)]


def _bound(value: float | None) -> float | None:
    """A bound that says something: those of 32 bits say nothing."""
    return None if value is None or abs(value) >= INT32_MAX else value


def _kind(parts: list[Mapping[str, Any]]) -> Kind:
    kinds = {str(one.get("type")) for one in parts}
    first = parts[0]
    if "enum" in first:
        return "choice"
    if kinds == {"string", "integer"}:
        return "token"
    if "number" in kinds:
        return "number"
    if kinds == {"string", "array"} and _list_kind(parts[-1]) == "names":
        return "text or names"
    if kinds == {"array"}:
        return _list_kind(first)
    plain: dict[str, Kind] = {"integer": "integer", "boolean": "boolean", "string": "text"}
    return plain.get(kinds.pop(), "record") if len(kinds) == 1 else "record"


def _list_kind(schema: Mapping[str, Any]) -> Kind:
    items = schema.get("items", {}).get("type")
    if "number" in {one.get("type") for one in _alternatives(schema.get("items", {}))}:
        return "numbers"
    if items == "string":
        return "names"
    if items != "integer":
        return "record"
    pair = schema.get("minItems") == schema.get("maxItems") == 2
    return "span" if pair else "integers"
