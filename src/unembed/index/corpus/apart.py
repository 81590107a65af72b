"""Where the vectors of a build stand: in the folder of the corpus, or in object storage."""

from __future__ import annotations

from pathlib import Path

from unembed.errors import InputError
from unembed.index.bucket import Bucket, look
from unembed.index.corpus.about import CorpusPlan
from unembed.index.corpus.adding import Base
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.rows import Rows
from unembed.index.fragments import copy
from unembed.index.versions import take_over


def place_of(
    folder: CorpusFolder,
    plan: CorpusPlan,
    base: Base | None,
    version: Path | None,
    asked: str | None,
) -> str | None:
    """The URI below which the vectors of a build stand; None: in its folder.

    Args:
        base: a corpus that files are added to; its vectors stay where they are, and so do those of
            `version`, which is published and gets more of them.
        asked: where they are to be; None: where they are, of a draft too.

    Raises InputError where they are elsewhere.
    """
    there = version if base is None else base.version
    if there is None:
        draft = folder.draft_of(plan, None, asked)
        bucket = None if draft is None else folder.bucket(draft)
        return asked if bucket is None else bucket.prefix
    bucket = folder.bucket(there)
    now = None if bucket is None else bucket.prefix
    if asked not in (None, now):
        raise InputError(
            f"the vectors of the corpus {folder.path.name!r} stand in {now or 'its folder'}, and "
            f"not in {asked}",
            field="tables",
            value=asked,
            legal=now or "none",
            fix="leave tables out; or restart=True (--restart), which builds all of it anew there",
        )
    return now


def check_writable(folder: CorpusFolder, version: Path | None, place: str | None) -> None:
    """Raise LoadError where a place cannot be reached, InputError where a version's tables belong
    to the folder that it is a copy of.
    """
    if place is None:
        return
    bucket = None if version is None else folder.bucket(version)
    if bucket is not None and not bucket.is_own:
        raise _copied(bucket)
    look(place, folder.silence)


def _copied(bucket: Bucket) -> InputError:
    folder = bucket.version.parent
    return InputError(
        f"{folder} is a copy: its tables in {bucket.at} belong to the folder that they were built "
        "for, and two builds there would write into each other",
        field="folder",
        value=str(folder),
        legal="the folder that it was built in",
        fix="build there and copy the folder again, or restart=True (--restart), which makes "
        "tables of its own; if the folder was moved and there is no other, set "
        f'"folder" in {bucket.version.name}/tables.json to {bucket.version.stat().st_ino}',
    )


def begin_from(folder: CorpusFolder, base: Base, draft: Path) -> None:
    """Put the tables of a corpus into a draft that grows from it: files of both at once, and in
    object storage copies.
    """
    old, new = Rows(folder, base.version), Rows(folder, draft, writer=True)
    for name in base.tables:
        if not old.stands_apart(name):
            take_over(Path(old.place(name)), Path(new.place(name)))
            continue
        with new.writing():
            copy(old.place(name), new.place(name))
