"""Files that clients send piece by piece, for corpora to be built from. Thread-safe.

They lie in a temporary folder, one below it for each upload, and go with the session. All together
have a limit: what was touched longest ago, and is not being read, makes room for more. Where a file
lies, no client says: the name of an upload is a job's, that of a file has no folder in it.
"""

from __future__ import annotations

import shutil
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from unembed.errors import InputError, LoadError, TooLargeError

_LONGEST_NAME = 255  # bytes, as file systems have it
_LEGAL_NAME = "a file's name without a folder: no / \\ : or control characters"
_MOST_FILES = 10_000  # of one upload


class Uploads:
    """Uploads by name, and how many bytes of each file are there."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._folder: TemporaryDirectory[str] | None = None
        self._sizes: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._reading: Counter[str] = Counter()  # by how many
        self._lock = threading.Lock()

    def add(self, upload: str, file: str, offset: int, data: bytes) -> int:
        """Append to a file, from byte 0 anew; gives how many bytes are there by now.

        Raises InputError for a name that is none or a piece that does not follow the last one,
        TooLargeError where there is no room, LoadError where the disk refuses.
        """
        _check_name(file)
        with self._lock:
            sizes = self._sizes.setdefault(upload, {})
            self._sizes.move_to_end(upload)
            there = sizes.get(file, 0)
            if offset not in (0, there):
                raise InputError(
                    f"offset is {offset:,}, and {there:,} bytes of {file} are here",
                    field="offset",
                    value=offset,
                    legal=f"0, to send the file anew, or {there}",
                )
            if self._reading[upload]:
                raise InputError(
                    f"{upload} is being read", field="upload", value=upload, legal="another name"
                )
            if file not in sizes and len(sizes) >= _MOST_FILES:
                message = f"{upload} has {len(sizes):,} files already"
                legal = f"at most {_MOST_FILES:,}"
                raise InputError(message, field="file", value=file, legal=legal)
            self._make_room(upload, offset + len(data) - there, file)
            self._write(upload, file, offset, data)
            sizes[file] = offset + len(data)
            return sizes[file]

    @contextmanager
    def reading(self, upload: str, files: Sequence[str]) -> Iterator[list[Path]]:
        """Where files lie, which nothing removes meanwhile; raises InputError for one missing."""
        with self._lock:
            sizes = self._sizes.get(upload, {})
            missing = next((file for file in files if file not in sizes), None)
            if missing is not None or self._folder is None:
                here = ", ".join(sorted(sizes)) or "none"
                raise InputError(
                    f"there is no {missing} here: it was never sent, or made room for others",
                    field="files",
                    value=missing,
                    legal=here[:500],
                    fix="send it again: POST /api/corpus/upload",
                )
            self._sizes.move_to_end(upload)
            self._reading[upload] += 1
            paths = [Path(self._folder.name, upload, file) for file in files]
        try:
            yield paths
        finally:
            with self._lock:
                self._reading[upload] -= 1

    def forget(self, upload: str) -> None:
        """Remove the files of one upload, unless they are being read."""
        with self._lock:
            if not self._reading[upload]:
                self._drop(upload)

    def close(self) -> None:
        """Remove all."""
        with self._lock:
            self._sizes.clear()
            if self._folder is not None:
                self._folder.cleanup()
                self._folder = None

    def _make_room(self, upload: str, more: int, file: str) -> None:
        others = [one for one in self._sizes if one != upload and not self._reading[one]]
        while self._bytes() + more > self._most:
            if not others:
                raise TooLargeError(
                    f"files that are sent may have {self._most:,} bytes together, and with {file} "
                    "they have more",
                    field="file",
                    value=file,
                    legal=f"at most {self._most:,} bytes",
                    fix="build it where the server runs (unembed index corpus), or raise "
                    "max_upload_bytes",
                )
            self._drop(others.pop(0))

    def _bytes(self) -> int:
        return sum(sum(sizes.values()) for sizes in self._sizes.values())

    def _drop(self, upload: str) -> None:
        if self._sizes.pop(upload, None) is not None and self._folder is not None:
            shutil.rmtree(Path(self._folder.name, upload), ignore_errors=True)

    def _write(self, upload: str, file: str, offset: int, data: bytes) -> None:
        try:
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix="unembed-uploads-")
            path = Path(self._folder.name, upload, file)
            path.parent.mkdir(exist_ok=True)
            with path.open("ab" if offset else "wb") as opened:
                opened.truncate(offset)  # what a disk that was full left of the last try
                opened.write(data)
        except OSError as error:
            raise LoadError(
                f"{file} cannot be kept: {error.strerror or error}",
                field="file",
                value=file,
                fix="make room where temporary files are, or set TMPDIR to another folder",
            ) from error


def _check_name(file: str) -> None:
    good = (
        file not in ("", ".", "..")
        and len(file.encode()) <= _LONGEST_NAME
        and not any(one in "/\\:" or not one.isprintable() for one in file)
    )
    if not good:
        message = f"file is {file[:100]!r}; it must be {_LEGAL_NAME}"
        raise InputError(message, field="file", value=file[:100], legal=_LEGAL_NAME)
    if file.lower().endswith(".arrow"):
        raise InputError(
            f"{file} is a part of a data set, which is a folder",
            field="file",
            value=file,
            legal="text, .jsonl, .csv, .parquet or .conllu",
            fix="build it where the server runs: unembed index corpus MODEL FOLDER --name NAME",
        )
