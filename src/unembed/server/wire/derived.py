"""Bodies of answers, made from the classes of the results: a result is declared once.

The fields of a body are what `Result.to_dict` writes of its class, with their types, defaults and
sentences. So the OpenAPI schema, and the app's types, follow the results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pydantic
from pydantic import ConfigDict

from unembed.result import TENSORS, written
from unembed.server.wire.base import Wire


class Written(Wire):
    """The base of these bodies: a result writes every field, those with a default too."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


@cache
def body_of(kind: type) -> type[Wire]:
    """The body of a result class, or of a part of one; it has the class's name."""
    hints = get_type_hints(kind, localns=TENSORS, include_extras=True)
    rows = {row.name: row for row in fields(kind)}
    made: dict[str, Any] = {}
    for name in written(kind):
        if name in rows:
            made[name] = _field(hints[name], rows[name])
        else:
            made[name] = _property(getattr(kind, name))
    return pydantic.create_model(kind.__name__, __base__=Written, __doc__=kind.__doc__, **made)


def _field(hint: Any, row: Field[Any]) -> tuple[Any, Any]:
    sentence = next((one for one in _said(hint) if isinstance(one, str)), None)
    if row.default is MISSING:
        return _type(hint), pydantic.Field(description=sentence)
    default = list(row.default) if isinstance(row.default, tuple) else row.default
    return _type(hint), pydantic.Field(default, description=sentence)


def _said(hint: Any) -> tuple[Any, ...]:
    return get_args(hint)[1:] if get_origin(hint) is Annotated else ()


def _property(found: property) -> tuple[Any, Any]:
    hint = get_type_hints(found.fget)["return"]
    return _type(hint), pydantic.Field(description=found.__doc__)


def _type(hint: Any) -> Any:
    """A type as JSON has it: lists for tuples, bodies for dataclasses."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(inner[0])
    if origin is tuple:
        return list[_type(inner[0])]  # type: ignore[misc]
    if origin in (Union, UnionType):
        return Union[tuple(map(_type, inner))]  # noqa: UP007
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return dict[_type(inner[0]), _type(inner[1])]  # type: ignore[misc]
    return body_of(hint) if is_dataclass(hint) and isinstance(hint, type) else hint
