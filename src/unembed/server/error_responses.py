"""Errors as they cross the wire: one shape for every status, whoever raises them.

Promises that whatever is shown of a request (a field, a value) is short, printable and valid UTF-8.
Knows no route and no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from starlette.responses import Response

from unembed.errors import UnembedError
from unembed.server.wire import ErrorBody, ErrorResponse

JSON = "application/json"
_SHOWN = 80
FAILURE = ("internal", "The server failed on this request; its log says how.")


def shown(value: object) -> str:
    """A value as an error may repeat it: shortened, escapes for what does not print."""
    text = value if isinstance(value, str) else _represented(value)
    text = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def _represented(value: object) -> str:
    if isinstance(value, list | tuple | dict) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):  # an integer of thousands of digits, a deep list
        return type(value).__name__


def sentence(message: str, field: str | None) -> str:
    """A message with a capital and a full stop, unless it starts with the name of the field."""
    names = re.findall(r"\w+", field or "")
    first = re.match(r"[a-z]+(?=[ ,])", message)
    if first and first[0] not in names:
        message = message[0].upper() + message[1:]
    return message if message.endswith((".", "?", "!")) else message + "."


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    field: str | None = None,
    value: object = None,
    legal: str | None = None,
    fix: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The one error shape, ready to send."""
    body = error_body(code, message, field=field, value=value, legal=legal, fix=fix)
    content = ErrorResponse(error=body).model_dump_json(exclude_none=True).encode()
    return Response(content, status, dict(headers or {}), JSON)


def error_body(
    code: str,
    message: str,
    *,
    field: str | None = None,
    value: object = None,
    legal: str | None = None,
    fix: str | None = None,
) -> ErrorBody:
    """What went wrong, fit to be sent."""
    return ErrorBody(
        code=code,
        message=sentence(_clean(message), field),
        field=None if field is None else shown(field),
        value=None if value is None else shown(value),
        legal=None if legal is None else _clean(legal),
        fix=None if fix is None else _clean(fix),
    )


def response_of(error: UnembedError) -> Response:
    """An error raised on purpose, with the parts that mend it."""
    content = ErrorResponse(error=body_of(error)).model_dump_json(exclude_none=True).encode()
    headers = {"Retry-After": "1"} if error.status == 503 else {}
    return Response(content, error.status, headers, JSON)


def body_of(error: UnembedError) -> ErrorBody:
    """An error raised on purpose, as events carry it once an answer has begun."""
    return error_body(
        error.code,
        error.message,
        field=error.field,
        value=error.value,
        legal=error.legal,
        fix=error.fix,
    )


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
