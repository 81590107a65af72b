"""Saved runs as plain data: what one holds, and whether a file has one. Knows no file, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from unembed.errors import InputError

FORMAT = 1  # of an exported run, or circuit
MAX_SHORT = 500  # characters of a name, a node, an id, a fingerprint: one line


@dataclass(frozen=True)
class RunEntry:
    """A saved run as it stands in a list."""

    id: str
    name: str
    note: str
    saved: str  # ISO 8601, UTC
    summary: str  # one line: the prompt, the edits
    model: str  # name of the model that it was made with
    fingerprint: str


@dataclass(frozen=True)
class SavedRun(RunEntry):
    """A saved run with what reopens it."""

    spec: str  # what the app's address has after #


def imported_run(data: object) -> SavedRun:
    """An exported run, its form checked. Raises InputError, naming the field."""
    names = [field.name for field in fields(SavedRun)]
    found = checked(data, names, "run")
    return SavedRun(**texts_of(found, names, "run"))


def texts_of(found: Mapping[str, object], names: list[str], what: str) -> dict[str, str]:
    """These fields, which are texts, "saved" a time. Raises InputError."""
    texts = {}
    for name in names:
        text = found[name]
        if not isinstance(text, str):
            message = f"{name} of the saved {what} is not a text"
            raise InputError(message, field=name, legal="a text")
        texts[name] = text
    _check_time(texts["saved"])
    return texts


def checked(data: object, names: list[str], what: str) -> Mapping[str, object]:
    """Data of our format with these fields and no others. Raises InputError."""
    if not isinstance(data, Mapping) or "unembed" not in data:
        raise InputError(
            f'this is no saved {what} of Unembed: it has no "unembed" with the format',
            field="unembed",
            legal=str(FORMAT),
        )
    version = data["unembed"]
    if isinstance(version, bool) or version != FORMAT:
        raise InputError(
            f"the saved {what} has format {version!r}; this version of Unembed reads {FORMAT}",
            field="unembed",
            value=version,
            legal=str(FORMAT),
        )
    for name in names:
        if name not in data:
            raise InputError(f"{name} of the saved {what} is missing", field=name)
    strange = [name for name in data if name not in ("unembed", *names)]
    if strange:
        legal = ", ".join(["unembed", *names])
        message = f"the saved {what} has a field {strange[0]!r} that no saved {what} has"
        raise InputError(message, field=str(strange[0]), legal=legal)
    return data


def _check_time(text: str) -> None:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"saved is {text[:40]!r}, which is no time",
            field="saved",
            value=text[:40],
            legal="ISO 8601, as in 2025-01-31T12:00:00+00:00",
        ) from None


def not_there(what: str, own_id: str) -> InputError:
    """No saved run, or circuit, has this id."""
    return InputError(
        f"no saved {what} has the id {own_id[:MAX_SHORT]!r}; it may have been deleted",
        field="id",
        value=own_id[:MAX_SHORT],
        legal=f"an id from the list of saved {what}s",
    )
