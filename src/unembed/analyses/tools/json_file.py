"""Files of JSON that somebody names: read whole, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unembed.errors import InputError

Bad = Callable[[str | Path, str], InputError]
"""The error of a file, by what is wrong with it."""


def text_of(path: str | Path, most: int, bad: Bad) -> str:
    """The text of a file of at most so many bytes. Raises what `bad` gives."""
    path = Path(path).expanduser()
    try:
        if path.stat().st_size > most:
            raise bad(path, f"it is larger than {most:,} bytes")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise bad(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise bad(path, "it is not UTF-8") from None


def data_of(text: str, path: str | Path, bad: Bad) -> Any:
    """What a text of JSON says; `path` is what errors call it. Raises what `bad` gives."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise bad(path, "it is no JSON") from None
