"""What can be chosen about a question, declared once: the base of every class of options.

A class of options is the Python argument, the body of the HTTP request, and where the command
line's flags, the documentation's table and the app's defaults come from. Each field says its
default, one sentence, its range or choices, and the setting that limits it.

Strict: no "3" for 3, no true for 1, finite numbers, no unknown names. Knows no torch and no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    InstanceOf,
    StrictFloat,
    StrictInt,
    StrictStr,
)
from pydantic import ValidationError as Invalid
from pydantic.fields import FieldInfo
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, PydanticUndefined

from unembed.errors import InputError

FP32_MAX = 3.4028234663852886e38
INT32_MAX = 2**31 - 1

TokenId = Annotated[StrictInt, Field(ge=0, le=INT32_MAX)]
Position = Annotated[StrictInt, Field(ge=-(2**31), le=INT32_MAX)]
Count = Annotated[StrictInt, Field(ge=0, le=INT32_MAX)]
Positive = Annotated[StrictInt, Field(ge=1, le=INT32_MAX)]
Name = Annotated[StrictStr, Field(max_length=64)]
Number = (
    Annotated[StrictFloat, Field(ge=-FP32_MAX, le=FP32_MAX)]
    | Annotated[StrictInt, Field(ge=-int(FP32_MAX), le=int(FP32_MAX))]
)
Factor = Annotated[StrictFloat, Field(ge=0, le=1000)] | Annotated[StrictInt, Field(ge=0, le=1000)]
Temperature = Annotated[StrictFloat, Field(ge=0, le=10)] | Annotated[StrictInt, Field(ge=0, le=10)]
Floor = Annotated[StrictFloat, Field(gt=0, le=1)] | Annotated[StrictInt, Field(ge=1, le=1)]
Positions = Annotated[list[Position], Field(fail_fast=True)]
Numbers = Annotated[list[Number], Field(fail_fast=True)]
TokenRef = Annotated[
    StrictStr | TokenId,
    Field(description="One token: its id, or text that the tokenizer makes exactly one token of."),
]


class Explained:
    """The base of `ue.Objective`: what a target can be in Python beside a token."""


Target = TokenRef | SkipJsonSchema[InstanceOf[Explained]]

_LEGAL = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "int_parsing_size": "an integer",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "bool_type": "true or false",
    "float_type": "a number",
    "finite_number": "a finite number",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "string_pattern_mismatch": "8 to 64 of A-Z a-z 0-9 _ -",
}
_UNIONS = {
    "prompt": f"text, messages, or a list of token ids from 0 to {INT32_MAX}",
    "source": f"text, messages, or a list of token ids from 0 to {INT32_MAX}",
    "target": f"text that is exactly one token, or a token id from 0 to {INT32_MAX}",
    "distractor": f"text that is exactly one token, or a token id from 0 to {INT32_MAX}",
    "decoder": "text of at most 32 characters, or a list of module names",
    "value": "a finite number within ±3.4e38, or a list of such numbers",
}


Chosen = TypeVar("Chosen", bound="Options")


class Options(BaseModel):
    """The base: frozen, strict, no unknown names. Made in Python, it raises InputError."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, strict=True, frozen=True, hide_input_in_errors=True
    )

    def __init__(self, **values: Any) -> None:
        values = {name: _number(value) for name, value in values.items()}
        try:
            super().__init__(**values)
        except Invalid as error:
            raise refusal(type(self), error, values) from None

    # Without this pydantic calls __init__ also for the fields of other models and for bodies of
    # requests, whose errors are to name the place in the whole.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Without the hints that are for people at a terminal."""
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            for name in ("legal", "flag"):
                field.pop(name, None)
        return schema

    def changed(self, **changes: Any) -> Self:
        """These options with some of them changed; raises InputError as the class itself does."""
        return type(self)(**self.values() | changes)

    def values(self) -> dict[str, Any]:
        """Every option by its name, as it is."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    def only(self, kind: type[Chosen]) -> Chosen:
        """The options that a base class has: of a request, those of its analysis."""
        return kind(**{name: getattr(self, name) for name in kind.model_fields})


class Message(Options):
    """One message of a conversation, for the chat template of the model."""

    role: Annotated[StrictStr, Field(max_length=64)] = Field(
        description='Who says it: "system", "user" or "assistant".'
    )
    content: StrictStr = Field(description="What is said.")


Prompt = Annotated[
    StrictStr
    | Annotated[list[TokenId], Field(fail_fast=True)]
    | Annotated[list[Message], Field(fail_fast=True, min_length=1)],
    Field(
        description="Text, which the model's tokenizer splits; token ids used as they are; or "
        "messages, which the chat template of the model makes a text of."
    ),
]


def _number(value: Any) -> Any:
    """A number of NumPy or PyTorch as Python's; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def given(**values: Any) -> dict[str, Any]:
    """Arguments of a call that were not left out: None stands for one that was."""
    return {name: value for name, value in values.items() if value is not None}


def option(
    default: Any = PydanticUndefined,
    sentence: str | None = None,
    *,
    limit: str | None = None,
    legal: str | None = None,
    flag: str | None = None,
    **constraints: Any,
) -> Any:
    """A field of a class of options.

    Args:
        default: left out: the field must be given.
        sentence: what it means, in one sentence.
        limit: the setting that is the largest value, or the largest number of items.
        legal: what is legal, in words; made from type and constraints if left out.
        flag: what it is called on the command line, where that is not its name: "--top-k/-k".
        constraints: as of pydantic's Field: ge, gt, le, lt, min_length, max_length.
    """
    hints: dict[str, Any] = {
        name: hint for name, hint in (("limit", limit), ("legal", legal), ("flag", flag)) if hint
    }
    return Field(default, description=sentence, json_schema_extra=hints or None, **constraints)


def hint(field: FieldInfo, name: str) -> str | None:
    """What `option` was told about a field: its "limit", what is "legal", its "flag"."""
    extra = field.json_schema_extra
    found = extra.get(name) if isinstance(extra, dict) else None
    return found if isinstance(found, str) else None


# ---------------------------------------------------------------- what is wrong, in words


def refusal(kind: type[Options], error: Invalid, values: Mapping[str, Any]) -> InputError:
    """What is wrong with options made in Python: "k is 0; it must be an integer from 1"."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    fields = kind.model_fields
    if first["type"] == "extra_forbidden":
        names = ", ".join(fields)
        message = f"there is no option {name!r}; there are {names}"
        return InputError(message, field=name, value=values.get(name), legal=names)
    if first["type"] == "missing":
        return InputError(f"{name} is missing", field=name)
    value = values.get(name)
    item = next((step for step in first["loc"][1:] if isinstance(step, int)), None)
    if item is not None or first["type"] in ("too_short", "too_long"):
        wrong, shown, legal = _in_list(name, item), first["input"], _legal(first)
    else:
        wrong, shown, legal = name, value, legal_words(kind, name)
    return InputError(
        f"{wrong} is {shown!r}; it must be {legal}", field=name, value=value, legal=legal
    )


def _in_list(name: str, item: int | None) -> str:
    return name if item is None else f"{name}[{item}]"


def legal_words(kind: type[Options], name: str) -> str:
    """What a field may be, in words: "an integer from 1", '"first" or "whole"'."""
    said = hint(kind.model_fields[name], "legal")
    return said or _in_words(schema_of(kind)[name])


@cache
def schema_of(kind: type[Options]) -> Mapping[str, Any]:
    """What JSON schema says of each field. It is made once: a command has it read for each flag."""
    properties: Mapping[str, Any] = kind.model_json_schema()["properties"]
    return properties


def _in_words(schema: Mapping[str, Any]) -> str:
    choices = schema.get("enum")
    if choices is not None:
        named = [f'"{one}"' if isinstance(one, str) else str(one) for one in choices]
        return " or ".join(named) if len(named) < 3 else f"one of {', '.join(named)}"
    if "anyOf" in schema:
        parts = [one for one in schema["anyOf"] if one.get("type") != "null"]
        kinds = {one.get("type") for one in parts}
        if "number" in kinds:  # an integer is a number, too
            parts = [one for one in parts if one.get("type") != "integer"]
        return " or ".join(_in_words(one) for one in parts)
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return ("an integer" if kind == "integer" else "a number") + _between(schema)
    words = {"boolean": "true or false", "string": "text", "array": "a list", "object": "an object"}
    return words.get(str(kind), "as documented")


def _between(schema: Mapping[str, Any]) -> str:
    low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    words = f" above {above:g}" if above is not None else ""
    if low is not None and low > -INT32_MAX:
        words = f" from {low:g}"
    if high is not None and high < INT32_MAX:
        words += f" to {high:g}" if low is not None else f", at most {high:g}"
    return words


def explain(errors: Sequence[Any], body: object, kind: type[InputError] = InputError) -> InputError:
    """What pydantic found in a request, as one sentence about the deepest field it complains of."""
    found = [(_path(error, body), error) for error in errors]
    deepest = max(len(path) for path, _ in found)
    path, error = next(pair for pair in found if len(pair[0]) == deepest)
    field = field_name(path)
    if error["type"] == "missing":
        return kind(f"{field} is missing.", field=field)
    if error["type"] == "extra_forbidden":
        message = f"{field} is not a field of this request."
        return kind(message, field=field, value=error.get("input"))
    in_union = sum(other == path for other, _ in found) > 1
    legal = _UNIONS.get(str(path[-1])) if in_union and path else None
    legal = legal or _legal(error)
    return kind(f"{field} must be {legal}.", field=field, value=error.get("input"), legal=legal)


def field_name(path: tuple[str | int, ...]) -> str:
    """("edits", 0, "target") -> "edits[0].target"."""
    name = ""
    for step in path:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else step
    return name or "body"


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


def _legal(error: Any) -> str:
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "greater_than_equal":
        return f"at least {context['ge']}"
    if kind == "less_than_equal":
        return f"at most {context['le']}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters long"
    if kind == "string_too_short":
        return _at_least(context["min_length"], "character") + " long"
    if kind == "too_short":
        return "a list of " + _at_least(context["min_length"], "item")
    if kind == "too_long":
        return f"a list of at most {context['max_length']:,} items"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    return _LEGAL.get(kind) or str(error["msg"])


def _at_least(n: int, what: str) -> str:
    return f"at least {n} {what}{'' if n == 1 else 's'}"
