"""Text in and out of terminals of every encoding: nothing is lost, nothing ends in a traceback."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def prepare_streams() -> None:
    """What the encoding of a terminal or pipe lacks is printed as a question mark."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and not _is_unicode(stream.encoding):
            reconfigure(errors="replace")


def print_json(text: str) -> None:
    """JSON as it is; where the output is not UTF-8, with escapes for all that is not ASCII."""
    if not _is_unicode(sys.stdout.encoding):
        text = _BEYOND_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    print(text)


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Arguments read as UTF-8 where the locale (C, without UTF-8 mode) could not read them."""
    return [_as_typed(one) for one in arguments]


def _as_typed(argument: str) -> str:
    try:
        argument.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(argument).decode()
        except UnicodeError:
            return argument  # no UTF-8 either: the prompt's own check says so
    return argument


def _is_unicode(encoding: str | None) -> bool:
    return (encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")
