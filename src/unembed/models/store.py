"""Folders on disk that are either whole or absent; knows nothing of what is in them.

`obtain(folder, build)` returns the folder, building it first where it is missing or damaged. It is
built under another name, written through to the disk, and renamed: a kill -9 or a power cut at any
moment leaves the old folder, the new one or none, never a mixture. One process builds at a time; a
lock held by the operating system dies with its process.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from unembed.errors import LoadError
from unembed.models.progress import Progress

MANIFEST = "manifest.json"
WHOLE_BELOW = 64 * 1024 * 1024  # smaller files are hashed whole, larger ones at both ends
EDGE = 1024 * 1024


def obtain(
    folder: Path, build: Callable[[Path], None], progress: Progress, *, bytes_needed: int = 0
) -> Path:
    """`folder`, whole; `build(path)` fills an empty folder. LoadError if it cannot be kept."""
    if is_whole(folder):
        _sweep(folder)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder, progress):
            if not is_whole(folder):  # another process may have built it while we waited
                _remove_drafts(folder)
                _check_room(folder, bytes_needed)
                _build(folder, build, progress)
    except OSError as error:
        raise _not_kept(folder, error.strerror or str(error)) from error
    return folder


def is_whole(folder: Path) -> bool:
    """The manifest is there and every file in it has the size and the content that it states."""
    try:
        stated = json.loads((folder / MANIFEST).read_bytes())["files"]
        return bool(stated) and all(_describe(folder / name) == stated[name] for name in stated)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _build(folder: Path, build: Callable[[Path], None], progress: Progress) -> None:
    draft = Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent))
    try:
        build(draft)
        _seal(draft)
        if folder.exists():  # damaged; a folder cannot be replaced in one step, so aside it goes
            os.replace(folder, Path(tempfile.mkdtemp(prefix=_prefix(folder), dir=folder.parent)))
        os.replace(draft, folder)
        flush(folder.parent)
        progress("saving", 1, 1)
    finally:
        _remove_drafts(folder)


def _seal(draft: Path) -> None:
    """Write the manifest and push everything to the disk: the rename shall publish real bytes."""
    names = sorted(path.name for path in draft.iterdir())
    stated = {name: _describe(draft / name) for name in names}
    (draft / MANIFEST).write_text(json.dumps({"files": stated}, indent=1) + "\n", encoding="utf-8")
    for path in draft.iterdir():
        path.chmod(0o644)
        flush(path)
    draft.chmod(0o755)
    flush(draft)


def _describe(path: Path) -> dict[str, int | str]:
    size = path.stat().st_size
    digest = hashlib.sha256()
    with path.open("rb") as file:
        if size < WHOLE_BELOW:
            digest.update(file.read())
        else:  # enough to see a file cut short or never flushed, in a millisecond
            digest.update(file.read(EDGE))
            file.seek(-EDGE, os.SEEK_END)
            digest.update(file.read())
    return {"size": size, "sha256": digest.hexdigest()}


def flush(path: Path) -> None:
    """A file or folder through to the disk: a name shall not appear before what it names."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folder
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _prefix(folder: Path) -> str:
    return f".{folder.name}.draft-"


def _sweep(folder: Path) -> None:
    """Drafts left by a process killed right after its rename, if no one is at work here."""
    if any(folder.parent.glob(_prefix(folder) + "*")):
        # Not worth an error: the folder itself is whole, and may lie on a read-only disk.
        with suppress(Timeout, OSError), _lock_of(folder).acquire(timeout=0):
            _remove_drafts(folder)


def _remove_drafts(folder: Path) -> None:
    """Drafts of processes that were killed; the caller holds the lock: no one is writing them."""
    for path in folder.parent.glob(_prefix(folder) + "*"):
        shutil.rmtree(path, ignore_errors=True)


def _check_room(folder: Path, bytes_needed: int) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < bytes_needed:
        raise _not_kept(
            folder, f"it needs {bytes_needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free"
        )


def _not_kept(folder: Path, why: str) -> LoadError:
    return LoadError(
        f"{folder} cannot be kept: {why}",
        field="cache_dir",
        value=str(folder.parent),
        fix="set UNEMBED_CACHE_DIR to a folder that can be written and has room",
    )


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder.parent / f".{folder.name}.lock")


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """The lock of one folder; while another process holds it, `progress` hears "waiting"."""
    lock = _lock_of(folder)
    while True:
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            # `progress` may raise, to stop waiting: a cancelled start.
            progress("waiting for another process", 0, 1)
    try:
        yield
    finally:
        lock.release()
