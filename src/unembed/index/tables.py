"""LanceDB tables as arrays: writing them layer by layer, reading them back, checked.

The only file that knows LanceDB and Arrow; both are imported when first needed, which takes
seconds. Every table is written by appends that are whole or absent.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.errors import InputError
from unembed.index.about import Plan
from unembed.index.folder import IndexFolder

Array = NDArray[Any]
VECTORS, TOKENS = "vectors", "tokens"
LISTS = ("top_ids", "top_scores", "bottom_ids", "bottom_scores")
COLUMNS = ("layer", "neuron", "norm", *LISTS)


class Tables:
    """The tables of one version of an index."""

    def __init__(self, folder: IndexFolder, version: Path) -> None:
        self.folder = folder
        self.version = version
        self._database = _lancedb().connect(str(version))

    # ------------------------------------------------------------ value vectors

    def rows_kept(self) -> list[int]:
        """The layer of every vector that was appended so far."""
        with self.folder.writing():
            if not self._has(VECTORS):
                return []
            column = _query(self._database.open_table(VECTORS), ["layer"]).to_arrow()["layer"]
            return [int(layer) for layer in column.to_numpy()]

    def append(self, columns: dict[str, Array]) -> None:
        """Add the vectors of one layer: all of them, or after an error none."""
        with self.folder.writing():
            table = self._table_to_append(columns)
            if self._has(VECTORS):
                self._database.open_table(VECTORS).add(table)
            else:
                self._database.create_table(VECTORS, table)

    def _table_to_append(self, columns: dict[str, Array]) -> Any:
        return _to_arrow(columns)

    def columns(self, plan: Plan) -> dict[str, Array]:
        """Everything but the vectors themselves, in order. Raises LoadError on any mismatch."""
        with self.reading():
            table = _query(self._database.open_table(VECTORS), COLUMNS).to_arrow()
            columns = {name: _to_numpy(table[name]) for name in COLUMNS}
        neurons = [np.arange(width, dtype=np.int32) for width in plan.widths]
        expected = {
            "layer": np.repeat(np.array(plan.layers, np.int32), plan.widths),
            "neuron": np.concatenate(neurons),
        }
        if any(not np.array_equal(columns[name], array) for name, array in expected.items()):
            raise self.folder.damaged("its vectors are not the ones that its plan names")
        return columns

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        """The vectors, in order, some [rows, d] at a time."""
        with self.reading():
            table = self._database.open_table(VECTORS)
            for batch in _query(table, ["vector"]).to_batches(rows_at_once):
                yield _to_numpy(batch.column("vector"))

    def take(self, rows: Sequence[int]) -> Array:
        """The vectors of some rows [rows, d], in the order asked for."""
        wanted = sorted({int(row) for row in rows})
        with self.reading():
            table = self._database.open_table(VECTORS)
            found = table.take_offsets(wanted).select(["vector"]).to_arrow()["vector"]
            return _to_numpy(found)[np.searchsorted(wanted, np.asarray(rows))]

    # ------------------------------------------------------------ other tables

    def write_texts(self, texts: Sequence[str]) -> None:
        """The text of every token, by id."""
        table = _arrow().table({"text": list(texts)})
        with self.folder.writing():
            self._replace(TOKENS, table)

    def texts(self) -> list[str]:
        """The text of every token, by id."""
        with self.reading():
            found = _query(self._database.open_table(TOKENS), ["text"]).to_arrow()["text"]
            texts: list[str] = found.to_pylist()
            return texts

    def write(self, name: str, columns: dict[str, Array]) -> None:
        """A whole table; one of that name is replaced."""
        with self.folder.writing():
            self._replace(name, _to_arrow(columns))

    def read(self, name: str, columns: Sequence[str]) -> dict[str, Array] | None:
        """A whole table; None where there is none, or where writing it was cut short."""
        if not (self.version / f"{name}.lance").is_dir():
            return None
        try:
            table = _query(self._database.open_table(name), list(columns)).to_arrow()
        except (OSError, RuntimeError, ValueError):
            return None
        return {column: _to_numpy(table[column]) for column in columns}

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what LanceDB says of damaged or vanished files into one error."""
        try:
            yield
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise self.folder.damaged(str(error).splitlines()[0][:200]) from error

    def _replace(self, name: str, table: Any) -> None:
        if self._has(name):
            self._database.create_table(name, table, mode="overwrite")
            return
        shutil.rmtree(self.version / f"{name}.lance", ignore_errors=True)  # cut short by a kill
        self._database.create_table(name, table)

    def _has(self, name: str) -> bool:
        """Whether a table was ever committed: a kill may leave the folder of one that was not."""
        return any((self.version / f"{name}.lance" / "_versions").glob("*.manifest"))


def _query(table: Any, columns: Sequence[str]) -> Any:
    return table.search().select(list(columns))


def _to_arrow(columns: dict[str, Array]) -> Any:
    return _arrow().table({name: _arrow_column(array) for name, array in columns.items()})


def _arrow_column(array: Array) -> Any:
    flat = _arrow().array(np.ascontiguousarray(array).reshape(-1))
    if array.ndim == 1:
        return flat
    return _arrow().FixedSizeListArray.from_arrays(flat, array.shape[1])


def _to_numpy(column: Any) -> Array:
    """A column as an array of its own: [rows], or [rows, size] for lists."""
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    parts = []
    for chunk in chunks:
        if hasattr(chunk.type, "list_size"):
            parts.append(chunk.flatten().to_numpy().reshape(-1, chunk.type.list_size))
        else:
            parts.append(chunk.to_numpy())
    return np.concatenate(parts) if len(parts) != 1 else np.array(parts[0])


def _lancedb() -> Any:
    try:
        import lancedb
    except ImportError as error:
        raise InputError(
            "the vector index needs LanceDB, which is not installed",
            fix="pip install 'unembed[index]'",
        ) from error
    return lancedb


def _arrow() -> Any:
    import pyarrow

    return pyarrow
