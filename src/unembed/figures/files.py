"""Files that are whole or not there. Knows nothing of what is in them."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from unembed.errors import InputError

LONGEST_NAME = 100  # characters; most systems take 255 bytes


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file in one step: whoever looks sees the old file or the new one.

    Raises:
        InputError: `path` is a folder, its folder does not exist, or it cannot be written.
    """
    target = check_path(path)
    try:
        _replace(target, text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(target, f"cannot be written: {reason}", "choose another folder") from error


def check_path(path: str | Path) -> Path:
    """Where a file would be written; raises InputError as `write_whole` would, before the work."""
    target = Path(path).expanduser()
    if target.is_dir():
        raise _refused(target, "is a folder", f"name a file in it, such as {target / 'lens.html'}")
    if not target.parent.is_dir():
        raise _refused(
            target,
            f"cannot be written: there is no folder {target.parent}",
            "make the folder first",
        )
    return target


def file_name(title: str) -> str:
    """A title as a name, without its ending, that every system takes for a file."""
    name = re.sub(r"[^\w.,()+-]+", " ", title).strip(" .")
    return name[:LONGEST_NAME].strip(" .") or "figure"


def _replace(target: Path, text: str) -> None:
    target = target.resolve()  # a link stays a link, and what it leads to is replaced
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, _mode(target))
        os.replace(draft, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)


def _mode(target: Path) -> int:
    """Of the file that is replaced; readable by all where there is none."""
    return target.stat().st_mode & 0o777 if target.exists() else 0o644


def _refused(path: Path, reason: str, fix: str) -> InputError:
    return InputError(f"{path} {reason}", field="path", value=str(path), fix=fix)
