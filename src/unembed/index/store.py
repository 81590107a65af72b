"""LanceDB tables as arrays: appended to, read back, checked.

LanceDB and Arrow are imported when first needed, which takes seconds. Every table is written by
appends that are whole or absent. Some stand in object storage, where a folder says so (`bucket`).
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unembed.index.bucket import WRITER, reaching, reader
from unembed.index.connecting import lancedb
from unembed.index.versions import VersionedFolder, bytes_of

Array = NDArray[Any]
Column = Array | Sequence[str] | Any  # of Arrow, as it is read back
AHEAD = 2  # stretches that one query asks for
WRITERS_CACHE = 1 << 20  # bytes of each kind: Lance's own 7 GB fill up with every append
PACKED_ROWS = 65_536  # of a fragment: while it is written, each column has a buffer
LOOSE = 8  # fragments beyond twice as many as rows fill: more make a table worth packing
PACKED, WORN = "packed", "worn"  # tables that `pack` makes, and puts away
_READ_BYTES = 8 << 20  # that a table is packed in


class Store:
    """The tables of one version of a folder.

    A `writer` keeps little of what it has opened: it looks at each file once.
    """

    apart: ClassVar[re.Pattern[str]] = re.compile("(?!)")  # tables that stand in a bucket, if any

    def __init__(
        self, folder: VersionedFolder[Any, Any], version: Path, *, writer: bool = False
    ) -> None:
        self.folder = folder
        self.version = version
        self.bucket = folder.bucket(version)
        self._writer = writer
        self._connect()

    def _connect(self) -> None:
        held = WRITERS_CACHE if self._writer else None
        self._session = lancedb().Session(held, held)
        self._here = lancedb().connect(str(self.version), session=self._session)
        self._apart: Any = None  # connected when it is first asked: that reaches for the network

    def stands_apart(self, name: str) -> bool:
        """Whether a table stands in object storage."""
        return self.bucket is not None and self.apart.fullmatch(name) is not None

    def _database(self, name: str) -> Any:
        """Where a table stands, as LanceDB has it."""
        return self._there() if self.stands_apart(name) else self._here

    def _there(self) -> Any:
        """The tables in object storage, where there are any."""
        if self._apart is None and self.bucket is not None:
            held = WRITERS_CACHE if self._writer else None
            how = WRITER if self._writer else reader(self.folder.silence)
            self._apart = self.bucket.connect(how, lancedb().Session(held, held))
        return self._apart

    def _called(self, name: str) -> str:
        """What a table is called where it stands."""
        if self.bucket is not None and self.stands_apart(name):
            return self.bucket.called(name)
        return name

    def _open(self, name: str) -> Any:
        return self._database(name).open_table(self._called(name))

    def add(self, name: str, columns: Mapping[str, Column]) -> None:
        """Append rows to a table, which is made if there is none: all, or after an error none."""
        with self.writing():
            table = self._table_to_append(columns)
            if self.has(name):
                # by several writers at once, rows would be in no order
                self._open(name).add(table, write_parallelism=1)
            else:
                self._create(name, table)

    def _table_to_append(self, columns: Mapping[str, Column]) -> Any:
        return to_arrow(columns)

    def write(self, name: str, columns: Mapping[str, Column]) -> None:
        """A whole table; one of that name is replaced."""
        with self.writing():
            table = to_arrow(columns)
            if self.has(name):
                self._database(name).create_table(self._called(name), table, mode="overwrite")
            else:
                self._create(name, table)

    def read(self, name: str, columns: Sequence[str]) -> dict[str, Array] | None:
        """A whole table; None where there is none, or where writing it was cut short."""
        if not self._place(name).is_dir():
            return None
        try:
            table = query(self._open(name), list(columns)).to_arrow()
        except (OSError, RuntimeError, ValueError):
            return None
        return {column: to_numpy(table[column]) for column in columns}

    def count(self, name: str) -> int:
        """How many rows a table has; 0 where there is none."""
        with self.reading():
            return int(self._open(name).count_rows()) if self.has(name) else 0

    def cut(self, name: str, column: str, end: int) -> None:
        """Drop the rows whose number in a column is `end` or more."""
        with self.writing():
            if self.has(name):
                self._open(name).delete(f"{column} >= {end}")

    def stretches(
        self, name: str, columns: Sequence[str], rows_at_once: int, first: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Columns as Arrow arrays, in order, some rows at a time, from row `first` on.

        Lance reads up to 2 GB ahead of who is slower than the disk: so a query asks for a few.
        """
        with self.reading():
            table = self._open(name)
            for start in range(first, table.count_rows(), AHEAD * rows_at_once):
                asked = query(table, columns).offset(start).limit(AHEAD * rows_at_once)
                for batch in asked.to_batches(rows_at_once):
                    yield {column: batch.column(column) for column in columns}

    def take(self, name: str, rows: Sequence[int], columns: Sequence[str]) -> dict[str, Any]:
        """Columns of some rows as Arrow arrays, in the order asked for."""
        wanted = sorted({int(row) for row in rows})
        with self.reading():
            table = self._open(name)
            found = table.take_offsets(wanted).select(list(columns)).to_arrow()
            order = np.searchsorted(wanted, np.asarray(rows, np.int64))
            return {column: found[column].take(order) for column in columns}

    def column(self, name: str, column: str) -> Any:
        """A whole column as an Arrow array."""
        return self.whole_columns(name, [column])[column]

    def whole_columns(self, name: str, columns: Sequence[str]) -> dict[str, Any]:
        """Whole columns as Arrow arrays."""
        with self.reading():
            found = query(self._open(name), columns).to_arrow()
            return {column: found[column].combine_chunks() for column in columns}

    def pack(self, name: str, *, always: bool = False) -> None:
        """Put a table's many appends together, with memory for some megabytes of it; `always`: of a
        table of few, too, which leaves files behind that a kill kept from being committed.

        Lance's own compaction holds more the larger a table is. What is packed stands beside until
        it is whole. It then takes the place of the table, in two renames (see `unpack`), or in a
        bucket by being meant instead. Where the disk has no room for both, a table stays as it is.
        """
        with self.writing():
            loose = self.has(name) and (always or self._is_loose(name))
            if not loose or not self._has_room(name):
                return
            if self.bucket is not None and self.stands_apart(name):
                before = self._called(name)
                packed = name if before != name else f"{name}.{PACKED}"
                self._write_packed(name, packed)
                self.bucket = self.bucket.renamed(name, packed)
                self._database(name).drop_table(before)
            else:
                packed = f"{name}.{PACKED}"
                self._write_packed(name, packed)
                self._place(name).rename(self._place(f"{name}.{WORN}"))
                self._place(packed).rename(self._place(name))
                self._remove(f"{name}.{WORN}")
            self._connect()  # versions are counted anew, and the old ones are remembered by number

    def _write_packed(self, name: str, packed: str) -> None:
        """All rows of a table into another one where it stands."""
        database = self._database(name)
        database.drop_table(packed, ignore_missing=True)
        for order, (batches, schema) in enumerate(self._groups(name)):
            reader = _arrow().RecordBatchReader.from_batches(schema, batches)
            if order:
                database.open_table(packed).add(reader, write_parallelism=1)
            else:
                database.create_table(packed, reader)

    def unpack(self) -> None:
        """Undo, or finish, what a kill left of `pack`: a table is put away once all is packed."""
        with self.writing():
            for worn in self.version.glob(f"*.{WORN}.lance"):
                name = worn.name.removesuffix(f".{WORN}.lance")
                if not self._place(name).exists():
                    self._place(f"{name}.{PACKED}").rename(self._place(name))
                shutil.rmtree(worn, ignore_errors=True)
            for packed in self.version.glob(f"*.{PACKED}.lance"):
                shutil.rmtree(packed, ignore_errors=True)
            for called in self._tables_apart():
                if self._called(called.removesuffix(f".{PACKED}")) != called:
                    self._there().drop_table(called)

    def _tables_apart(self) -> list[str]:
        """What the tables in object storage are called there."""
        found: list[str] = []
        page, more = None, self.bucket is not None
        while more:
            said = self._there().list_tables(page_token=page)
            found += said.tables
            page = said.page_token
            more = bool(page)
        return found

    def _is_loose(self, name: str) -> bool:
        """Whether a table is small, or has many more fragments than its rows fill."""
        table = self._open(name)
        n = int(table.stats()["fragment_stats"]["num_fragments"])
        full = 1 + int(table.count_rows()) // PACKED_ROWS
        return n > 1 and (full <= LOOSE or n > 2 * full + LOOSE)

    def _has_room(self, name: str) -> bool:
        """Whether a table can stand twice where it stands."""
        if self.stands_apart(name):
            return True
        return shutil.disk_usage(self.version).free > bytes_of(self.version, [name])

    def _groups(self, name: str) -> Iterator[tuple[Iterator[Any], Any]]:
        """The rows of each fragment to come, as batches, and their schema."""
        table = self._open(name)
        schema, n = table.schema, table.count_rows()
        at_once = max(256, min(PACKED_ROWS, _READ_BYTES // _bytes_of_row(schema)))
        for start in range(0, max(1, n), PACKED_ROWS):
            yield _batches(table, start, min(n, start + PACKED_ROWS), at_once), schema

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what LanceDB says of damaged or vanished files into one error."""
        try:
            with self._reached():
                yield
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise self.folder.unread(self.version, str(error).splitlines()[0][:200]) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turns what LanceDB says of a disk or a bucket that refuses into one error."""
        with self.folder.writing(), self._reached():
            yield

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Turns what LanceDB says of a bucket, where there is one, into one error."""
        with nullcontext() if self.bucket is None else reaching(self.bucket.at):
            yield

    def place(self, name: str) -> str:
        """Where a table is, as Lance takes it."""
        if self.bucket is not None and self.stands_apart(name):
            return f"{self.bucket.at}/{self._called(name)}.lance"
        return str(self._place(name))

    def size(self, name: str) -> int:
        """Bytes of a table's data."""
        with self.reading():
            return int(self._open(name).stats()["total_bytes"])

    def _place(self, name: str) -> Path:
        return self.version / f"{name}.lance"

    def _remove(self, name: str) -> None:
        shutil.rmtree(self._place(name), ignore_errors=True)

    def has(self, name: str) -> bool:
        """Whether a table was ever committed: a kill may leave the folder of one that was not.

        Raises LoadError where a bucket cannot be reached.
        """
        if not self.stands_apart(name):
            return any((self._place(name) / "_versions").glob("*.manifest"))
        with self._reached():
            try:
                self._open(name)
            except ValueError as error:
                if "was not found" not in str(error):
                    raise
                return False
        return True

    def _create(self, name: str, table: Any) -> None:
        if self.stands_apart(name):
            self._database(name).drop_table(self._called(name), ignore_missing=True)
        else:
            self._remove(name)  # cut short by a kill
        self._database(name).create_table(self._called(name), table)


def _batches(table: Any, start: int, end: int, at_once: int) -> Iterator[Any]:
    """Rows from `start` to `end`, in order."""
    for at in range(start, end, at_once):
        asked = query(table, table.schema.names).offset(at).limit(min(at_once, end - at))
        yield from asked.to_batches(at_once)


def _bytes_of_row(schema: Any) -> int:
    """About what a row takes in memory."""
    sizes = (getattr(one, "list_size", 1) for one in schema.types)
    widths = (getattr(one, "value_type", one) for one in schema.types)
    return sum(
        size * (each.bit_width // 8 if _arrow().types.is_primitive(each) else 32)
        for size, each in zip(sizes, widths, strict=True)
    )


def query(table: Any, columns: Sequence[str]) -> Any:
    """Every row of some columns."""
    return table.search().select(list(columns))


def to_arrow(columns: Mapping[str, Column]) -> Any:
    """Arrays [rows] or [rows, size], lists of text, and columns of Arrow, as a table."""
    return _arrow().table({name: _arrow_column(column) for name, column in columns.items()})


def _arrow_column(column: Column) -> Any:
    if hasattr(column, "type"):
        return column
    if not isinstance(column, np.ndarray):
        return _arrow().array(column, _arrow().string())
    flat = _arrow().array(np.ascontiguousarray(column).reshape(-1))
    if column.ndim == 1:
        return flat
    return _arrow().FixedSizeListArray.from_arrays(flat, column.shape[1])


def to_numpy(column: Any) -> Array:
    """A column as an array of its own: [rows], or [rows, size] for lists."""
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    parts = []
    for chunk in chunks:
        if hasattr(chunk.type, "list_size"):
            parts.append(chunk.flatten().to_numpy().reshape(-1, chunk.type.list_size))
        else:
            parts.append(chunk.to_numpy())
    return np.concatenate(parts) if len(parts) != 1 else np.array(parts[0])


def to_array(column: Column) -> Array:
    """A column of numbers as an array."""
    return column if isinstance(column, np.ndarray) else to_numpy(column)


def _arrow() -> Any:
    import pyarrow

    return pyarrow
