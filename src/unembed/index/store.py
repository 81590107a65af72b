"""LanceDB tables as arrays: appended to, read back, checked.

The only file that knows LanceDB; it and Arrow are imported when first needed, which takes
seconds. Every table is written by appends that are whole or absent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.errors import InputError
from unembed.index.versions import VersionedFolder

Array = NDArray[Any]
Column = Array | Sequence[str] | Any  # of Arrow, as it is read back
AHEAD = 2  # stretches that one query asks for


class Store:
    """The tables of one version of a folder."""

    def __init__(self, folder: VersionedFolder[Any, Any], version: Path) -> None:
        self.folder = folder
        self.version = version
        self._database = _lancedb().connect(str(version))

    def add(self, name: str, columns: Mapping[str, Column]) -> None:
        """Append rows to a table, which is made if there is none: all, or after an error none."""
        with self.folder.writing():
            table = self._table_to_append(columns)
            if self.has(name):
                self._database.open_table(name).add(table)
            else:
                self._create(name, table)

    def _table_to_append(self, columns: Mapping[str, Column]) -> Any:
        return to_arrow(columns)

    def write(self, name: str, columns: Mapping[str, Column]) -> None:
        """A whole table; one of that name is replaced."""
        with self.folder.writing():
            table = to_arrow(columns)
            if self.has(name):
                self._database.create_table(name, table, mode="overwrite")
            else:
                self._create(name, table)

    def read(self, name: str, columns: Sequence[str]) -> dict[str, Array] | None:
        """A whole table; None where there is none, or where writing it was cut short."""
        if not (self.version / f"{name}.lance").is_dir():
            return None
        try:
            table = query(self._database.open_table(name), list(columns)).to_arrow()
        except (OSError, RuntimeError, ValueError):
            return None
        return {column: to_numpy(table[column]) for column in columns}

    def count(self, name: str) -> int:
        """How many rows a table has; 0 where there is none."""
        with self.reading():
            return int(self._database.open_table(name).count_rows()) if self.has(name) else 0

    def cut(self, name: str, column: str, end: int) -> None:
        """Drop the rows whose number in a column is `end` or more."""
        with self.folder.writing():
            if self.has(name):
                self._database.open_table(name).delete(f"{column} >= {end}")

    def stretches(
        self, name: str, columns: Sequence[str], rows_at_once: int, first: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Columns as Arrow arrays, in order, some rows at a time, from row `first` on.

        Lance reads up to 2 GB ahead of who is slower than the disk: so a query asks for a few.
        """
        with self.reading():
            table = self._database.open_table(name)
            for start in range(first, table.count_rows(), AHEAD * rows_at_once):
                asked = query(table, columns).offset(start).limit(AHEAD * rows_at_once)
                for batch in asked.to_batches(rows_at_once):
                    yield {column: batch.column(column) for column in columns}

    def take(self, name: str, rows: Sequence[int], columns: Sequence[str]) -> dict[str, Any]:
        """Columns of some rows as Arrow arrays, in the order asked for."""
        wanted = sorted({int(row) for row in rows})
        with self.reading():
            table = self._database.open_table(name)
            found = table.take_offsets(wanted).select(list(columns)).to_arrow()
            order = np.searchsorted(wanted, np.asarray(rows, np.int64))
            return {column: found[column].take(order) for column in columns}

    def column(self, name: str, column: str) -> Any:
        """A whole column as an Arrow array."""
        return self.whole_columns(name, [column])[column]

    def whole_columns(self, name: str, columns: Sequence[str]) -> dict[str, Any]:
        """Whole columns as Arrow arrays."""
        with self.reading():
            found = query(self._database.open_table(name), columns).to_arrow()
            return {column: found[column].combine_chunks() for column in columns}

    def optimise(self, name: str) -> None:
        """Put a table's many appends together, and drop what it was before them."""
        with self.folder.writing():
            if self.has(name):
                table = self._database.open_table(name)
                table.optimize(cleanup_older_than=timedelta(milliseconds=1), delete_unverified=True)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what LanceDB says of damaged or vanished files into one error."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise self.folder.damaged(str(error).splitlines()[0][:200]) from error

    def place(self, name: str) -> str:
        """Where a table is, as Lance takes it."""
        return str(self.version / f"{name}.lance")

    def has(self, name: str) -> bool:
        """Whether a table was ever committed: a kill may leave the folder of one that was not."""
        return any((self.version / f"{name}.lance" / "_versions").glob("*.manifest"))

    def _create(self, name: str, table: Any) -> None:
        shutil.rmtree(self.version / f"{name}.lance", ignore_errors=True)  # cut short by a kill
        self._database.create_table(name, table)


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


def _lancedb() -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise InputError(
            "an index needs LanceDB, which is not installed",
            fix="pip install 'unembed[index]'",
        ) from error
    return lancedb


def _arrow() -> Any:
    import pyarrow

    return pyarrow
