"""A folder that holds versions of something, of which one is published, and who may write.

    <path>/
        current.json       names the version that is published; replaced in one step
        v-3f9c…/           a version; one that is not named is a draft, and is built on or removed
            plan.json      what it is to hold
            about.json     written last: what it holds, and the size of every file
            tables.json    where some tables stand, where that is in object storage
            ….lance

A kill -9 at any moment leaves what was published or nothing, and a draft that the next build goes
on with. The lock is held by the operating system and dies with its process.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from filelock import FileLock, Timeout

from unembed.errors import LoadError
from unembed.index.bucket import TABLES, Bucket, bucket_of, drop_tables, new_bucket
from unembed.index.whole import write_whole
from unembed.models.progress import Progress
from unembed.models.store import flush
from unembed.settings import Settings

POINTER, PLAN, ABOUT = "current.json", "plan.json", "about.json"
BASE = "base"  # in a draft's plan.json: the version that it began with


class Planned(Protocol):
    """What is to be stored: a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def expected_bytes(self) -> int:
        """About what it takes on disk."""


PlanT = TypeVar("PlanT", bound=Planned)
AboutT = TypeVar("AboutT")


class VersionedFolder(Generic[PlanT, AboutT]):
    """The base: a class says what its plans and abouts are, and how errors speak of them."""

    what: ClassVar[str]  # "the index"
    field: ClassVar[str]  # that errors are about
    rebuild: ClassVar[str]  # how to build it again
    kept: ClassVar[str]  # what an interrupted build leaves
    format: ClassVar[int]

    def __init__(self, path: Path, silence: float = Settings.storage_seconds) -> None:
        """`silence`: seconds that object storage may leave a reader without an answer."""
        self.path, self.silence = path, silence
        self._lock = FileLock(path / ".lock", thread_local=False)

    def plan_from(self, data: Mapping[str, Any]) -> PlanT:
        """Read back from JSON; raises KeyError, TypeError or ValueError where it is not one."""
        raise NotImplementedError

    def about_from(self, plan: PlanT, size: int, facts: Mapping[str, Any]) -> AboutT:
        """What a version of `size` bytes says of itself; raises as `plan_from` does."""
        raise NotImplementedError

    # ------------------------------------------------------------ reading

    def published(self) -> Path | None:
        """The version that is published, or None. Raises LoadError if the pointer is damaged."""
        try:
            text = (self.path / POINTER).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self.damaged(error.strerror or str(error)) from error
        try:
            name = json.loads(text)["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise self.damaged(f"{POINTER} cannot be read") from error
        if not isinstance(name, str) or not name.startswith("v-") or Path(name).name != name:
            raise self.damaged(f"{POINTER} names no version")
        return self.path / name

    def read(self, version: Path) -> tuple[PlanT, AboutT]:
        """What a version holds, every file of it there; raises LoadError where it is damaged."""
        try:
            data = json.loads((version / ABOUT).read_bytes())
            if data["plan"]["format"] != self.format:
                raise self._other_format(data["plan"]["format"])
            plan = self.plan_from(data["plan"])
            stated = {str(name): int(size) for name, size in data["files"].items()}
            about = self.about_from(plan, sum(stated.values()), data)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self.damaged(f"{ABOUT} cannot be read") from error
        sizes = _sizes(version)
        wrong = next((name for name, size in stated.items() if sizes.get(name) != size), None)
        if wrong is not None:
            raise self.damaged(f"{wrong} is missing or cut short")
        return plan, about

    def damaged(self, why: str) -> LoadError:
        """The error for files that cannot be what was written."""
        return LoadError(
            f"{self.what} in {self.path} is damaged: {why}",
            field=self.field,
            value=str(self.path),
            fix=f"build it again with {self.rebuild}",
        )

    def unread(self, version: Path, why: str) -> LoadError:
        """The error for an opened version that cannot be read: replaced since, or damaged."""
        if (version / PLAN).exists() or self.published() == version:
            return self.damaged(why)
        return LoadError(
            f"{self.what} in {self.path} was built anew since it was opened, and what it was then "
            "is gone",
            field=self.field,
            value=str(self.path),
            fix="open it again",
        )

    def _other_format(self, found: object) -> LoadError:
        return LoadError(
            f"{self.what} in {self.path} was written by another version of Unembed (format "
            f"{found}; this one reads {self.format})",
            field=self.field,
            value=str(self.path),
            fix=f"build it again with {self.rebuild}",
        )

    # ------------------------------------------------------------ writing

    @contextmanager
    def locked(self, progress: Progress | None = None) -> Iterator[None]:
        """The only writer; while another process is, `progress` hears so and may raise."""
        with self.writing():
            self.path.mkdir(parents=True, exist_ok=True)
            self._acquire(progress)
        try:
            yield
        finally:
            self._lock.release()

    def _acquire(self, progress: Progress | None) -> None:
        while True:
            try:
                self._lock.acquire(timeout=0.2)
                return
            except Timeout:
                if progress is not None:
                    progress("waiting for another process", 0, 1)

    def draft(
        self,
        plan: PlanT,
        base: Path | None = None,
        begin: Callable[[Path], None] | None = None,
        tables: str | None = None,
    ) -> Path:
        """The draft of this plan, made if there is none; other drafts are removed.

        Args:
            base: a version that is published, which the draft grows from.
            begin: puts into a draft that is made what it begins with.
            tables: the URI below which some of its tables stand; None: in its folder, or where
                those of a draft are that is there.
        """
        with self.writing():
            keep = self.draft_of(plan, base, tables)
            for path in self._drafts():
                if path != keep:
                    _remove(path, self.silence)
            return self._new_draft(plan, base, begin, tables) if keep is None else keep

    def draft_of(self, plan: PlanT, base: Path | None, tables: str | None) -> Path | None:
        """The draft that `draft` would go on with."""
        fitting = (path for path in self._drafts() if self._plan_of(path) == plan)
        return next(
            (
                path
                for path in fitting
                if _base_of(path) == (base and base.name) and self._stands(path, tables)
            ),
            None,
        )

    def _stands(self, draft: Path, tables: str | None) -> bool:
        """Whether a draft's tables are where they are to be, and its own."""
        try:
            bucket = bucket_of(draft)
        except ValueError:
            return False
        if bucket is None:
            return tables is None
        return bucket.is_own and tables in (None, bucket.prefix)

    def _new_draft(
        self,
        plan: PlanT,
        base: Path | None,
        begin: Callable[[Path], None] | None,
        tables: str | None,
    ) -> Path:
        self.check_room(plan.expected_bytes)
        path = self.path / f"v-{secrets.token_hex(8)}"
        path.mkdir()
        if tables is not None:
            new_bucket(path, tables)
        if begin is not None:
            begin(path)
        begun = {} if base is None else {BASE: base.name}
        write_whole(path / PLAN, asdict(plan) | begun)  # last: without it a kill leaves no draft
        return path

    def bucket(self, version: Path) -> Bucket | None:
        """Where tables of a version stand, where that is in object storage."""
        try:
            return bucket_of(version)
        except ValueError as error:
            raise self.damaged(str(error)) from error

    def check_room(self, needed: int) -> None:
        """Raise LoadError where the disk has less free."""
        free = shutil.disk_usage(self.path).free
        if free < needed:
            digits = 0 if needed >= 1e7 else 1 if needed >= 1e6 else 3
            said = (f"{size / 1e6:,.{digits}f} MB" for size in (needed, free))
            short = "it needs {} and {} are free".format(*said)
            raise self._not_kept(short)

    def forget_broken_pointer(self) -> None:
        """A pointer that cannot be read would stand in the way of building anew."""
        try:
            self.published()
        except LoadError:
            with self.writing():
                (self.path / POINTER).unlink()

    def drop_drafts(self) -> None:
        """Forget what was not finished."""
        for path in self._drafts():
            _remove(path, self.silence)

    def drop_replaced(self) -> None:
        """Finish what a kill right after `publish` left: versions that were published before this
        one. What is still being built stays.
        """
        now = self.published()
        made = None if now is None else _made(now)
        for path in self._drafts():
            before = _made(path)
            if not (path / PLAN).exists() or (before and made and before < made):
                _remove(path, self.silence)

    def publish(self, draft: Path, plan: PlanT, facts: Mapping[str, Any]) -> None:
        """Make a finished draft what counts; what was before it is removed after that.

        A version that is published already says anew what it holds.
        """
        with self.writing():
            made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            said = {"plan": asdict(plan), "made": made, **facts}
            _flush_all(draft)
            write_whole(draft / ABOUT, {**said, "files": _sizes(draft)})
            write_whole(self.path / POINTER, {"version": draft.name})
        self.drop_drafts()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns what a disk (or LanceDB, in its own words) refuses into one error."""
        try:
            yield
        except (OSError, RuntimeError, ValueError) as error:
            raise self._not_kept(_in_short(error)) from error

    def _not_kept(self, why: str) -> LoadError:
        return LoadError(
            f"{self.what} cannot be kept in {self.path}: {why}; {self.kept}",
            field="cache_dir",
            value=str(self.path),
            fix="make room there, or set UNEMBED_CACHE_DIR to a folder that can be written",
        )

    def drafts(self) -> list[tuple[Path, PlanT]]:
        """What interrupted builds left, and what each was to become."""
        plans = ((path, self._plan_of(path)) for path in self._drafts())
        return [(path, plan) for path, plan in plans if plan is not None]

    def _drafts(self) -> list[Path]:
        current = self.published()
        found = (path for path in self.path.glob("v-*") if path.is_dir())
        return sorted(path for path in found if path != current)

    def _plan_of(self, draft: Path) -> PlanT | None:
        try:
            return self.plan_from(json.loads((draft / PLAN).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None


def _remove(version: Path, silence: float) -> None:
    """What it is goes first: a kill then leaves nothing that could be taken for a draft.

    What it has in a bucket that cannot be reached is removed by the next build: until then the
    folder says where that is.
    """
    with suppress(OSError):
        (version / PLAN).unlink()
    if drop_tables(version, silence):
        shutil.rmtree(version, ignore_errors=True)


def _made(version: Path) -> str | None:
    """When a version was whole; None: it is not."""
    try:
        return str(json.loads((version / ABOUT).read_bytes())["made"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _base_of(draft: Path) -> str | None:
    """The version that a draft began with."""
    try:
        found = json.loads((draft / PLAN).read_bytes()).get(BASE)
    except (OSError, ValueError, AttributeError):
        return None
    return None if found is None else str(found)


def take_over(table: Path, to: Path) -> None:
    """The files of a table, which are only ever added to or removed: in both folders at once."""
    for file in sorted(table.rglob("*")):
        copy = to / file.relative_to(table)
        if file.is_dir():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, copy)
        except OSError:  # a file system without links
            shutil.copyfile(file, copy)


def bytes_of(version: Path, tables: Sequence[str]) -> int:
    """What tables of a version take in its folder."""
    files = (file for name in tables for file in (version / f"{name}.lance").rglob("*"))
    return sum(file.stat().st_size for file in files if file.is_file())


def _in_short(error: Exception) -> str:
    """The first line, without the place in LanceDB's source that it came from."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if "No space left" in text:
        return "No space left on device"
    return text.splitlines()[0][:200]


def _sizes(version: Path) -> dict[str, int]:
    """The size of every file that was there when the version was published."""
    files = (path for path in version.rglob("*") if path.is_file())
    files = (path for path in files if path.name not in (ABOUT, TABLES))  # which are written anew
    return {path.relative_to(version).as_posix(): path.stat().st_size for path in files}


def _flush_all(version: Path) -> None:
    for path in [*version.rglob("*"), version]:
        flush(path)
