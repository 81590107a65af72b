"""Prompts are files: those of the package, or the same names in a folder of one's own.

What is put into them is written as JSON, so that nothing in a text can end what it is quoted in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from unembed.errors import InputError


def prompt_texts(own: Path, names: Sequence[str], folder: Path | str | None) -> dict[str, str]:
    """The prompts by name, of `folder`, or of the package's `own`.

    Raises InputError where one is missing or no UTF-8.
    """
    place = own if folder is None else Path(folder).expanduser()
    return {name: _read(place / f"{name}.txt", own, names) for name in names}


def _read(path: Path, own: Path, names: Sequence[str]) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        legal = ", ".join(f"{name}.txt" for name in names)
        raise InputError(
            f"the prompt {path} cannot be read: {error}",
            field="prompts",
            value=str(path),
            legal=f"a folder with {legal} in UTF-8",
            fix=f"copy those of {own} and change them",
        ) from error


def filled(text: str, fields: Mapping[str, str]) -> str:
    """A prompt with {name} replaced, once: what a field has in it is not looked at again."""
    names = "|".join(map(re.escape, fields))
    return re.sub(rf"\{{({names})\}}", lambda found: fields[found[1]], text)


def quoted(value: object) -> str:
    """Anything as JSON on one line."""
    return json.dumps(value, ensure_ascii=False)
