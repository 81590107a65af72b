"""Records with a text in one of their columns: JSON lines, CSV, Parquet, data sets on disk.

A record without a text (null, or empty) has no piece; its number is counted all the same.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from unembed.errors import InputError
from unembed.index.corpus.metadata import metadata_of
from unembed.index.corpus.pieces import Piece, cut, refused
from unembed.index.corpus.streams import bare_suffix, decoded, lines_of, opened

BATCH_ROWS, BATCH_BYTES = 256, 32 << 20  # of a table, at once: a cell may be a book
ONE_A_LINE = "one record a line: jq -c '.[]' FILE > FILE.jsonl makes that of a list"

# what stands in the column, which part of the file is read by now, and the metadata
Record = tuple[Any, float, str | None]


def pieces_of(path: Path, records: Iterator[Record], lines: bool) -> Iterator[Piece]:
    """The texts of records as pieces, each line of them one if `lines`."""
    for record, (text, done, metadata) in enumerate(records):
        if text is None:
            continue
        if not isinstance(text, str):
            raise refused(path, f"has no text in record {record}, but {type(text).__name__}")
        text = text.encode("utf-8", "replace").decode()  # JSON can hold half a character
        for part in text.split("\n") if lines else (text,):
            yield from cut(path, record, part, done, metadata)


def json_lines(path: Path, column: str, metadata: Sequence[str]) -> Iterator[Record]:
    """One record a line. "body.text" is `text` within `body`, unless a column is called that."""
    for number, (line, done) in enumerate(lines_of(path), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except ValueError:
            raise refused(path, f"has no JSON in line {number}", ONE_A_LINE) from None
        if not isinstance(found, dict):
            said = f"has a {type(found).__name__} in line {number}, and no record"
            raise refused(path, said, ONE_A_LINE)
        try:
            text = _within(found, column)
        except KeyError:
            raise _no_column(path, column, found, number) from None
        yield text, done, metadata_of(metadata, partial(_within, found))


def _no_column(path: Path, column: str, record: Mapping[str, Any], number: int) -> InputError:
    known = ", ".join(_names(record))
    return InputError(
        f"{path} has no {column!r} in line {number}: it has {known or 'nothing'}",
        field="column",
        value=column,
        legal=known,
        fix="name the column that the text is in",
    )


def _names(record: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _names(value, f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _within(record: Mapping[str, Any], column: str) -> Any:
    """What stands in a column; "a.b" is b within a, and nothing where a is. Raises KeyError."""
    if column in record:
        return record[column]
    value: Any = record
    for step in column.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise KeyError(column)
        value = value[step]
    return value


def csv_rows(path: Path, column: str, metadata: Sequence[str]) -> Iterator[Record]:
    """Rows of CSV, or with tabs of .tsv; the first row has the names of the columns."""
    import pyarrow
    from pyarrow import csv as arrow_csv

    tabs = "\t" if bare_suffix(path) == ".tsv" else ","
    _check_columns(path, column, metadata, _first_row(path, tabs))
    wanted = list(dict.fromkeys((column, *metadata)))
    try:
        with opened(path) as (file, told):
            stream = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(block_size=BATCH_BYTES),
                parse_options=arrow_csv.ParseOptions(delimiter=tabs, newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    include_columns=wanted, column_types=dict.fromkeys(wanted, pyarrow.string())
                ),
            )
            for batch in stream:
                for row in batch.to_pylist():
                    yield row[column], told(), metadata_of(metadata, row.__getitem__)
    except pyarrow.ArrowException as error:
        raise refused(path, f"cannot be read as CSV: {str(error).splitlines()[0]}") from None


def _first_row(path: Path, delimiter: str) -> list[str]:
    text, _ = next(decoded(path), ("", 0.0))
    return next(csv.reader(io.StringIO(text), delimiter=delimiter), [])


def parquet_rows(path: Path, column: str, metadata: Sequence[str]) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (ValueError, pyarrow.ArrowException) as error:
        raise refused(path, f"is no Parquet file: {str(error).splitlines()[0]}") from None
    _check_columns(path, column, metadata, list(_fields(file.schema_arrow)))
    total, read = max(1, file.metadata.num_rows), 0
    wanted, at_once = list(dict.fromkeys((column, *metadata))), _rows_at_once(file, column)
    for batch in file.iter_batches(batch_size=at_once, columns=wanted):
        read += batch.num_rows
        for row in batch.to_pylist():
            beside = metadata_of(metadata, partial(_within, row))
            yield _within(row, column), read / total, beside


def _rows_at_once(file: Any, column: str) -> int:
    """How many cells of a column are some megabytes, in the mean."""
    groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
    parts = (group.column(at) for group in groups for at in range(group.num_columns))
    own = (part for part in parts if f"{part.path_in_schema}.".startswith(f"{column}."))
    size = sum(int(part.total_uncompressed_size) for part in own)
    return max(1, min(BATCH_ROWS, BATCH_BYTES * int(file.metadata.num_rows) // max(1, size)))


def data_set_rows(path: Path, column: str, metadata: Sequence[str]) -> Iterator[Record]:
    """What `datasets.save_to_disk` writes, one folder below for each split; or one Arrow file."""
    import pyarrow

    files = arrow_files(path)
    wanted = list(dict.fromkeys(name.split(".")[0] for name in (column, *metadata)))
    for order, file in enumerate(files):
        try:
            with pyarrow.memory_map(str(file)) as mapped, _arrow_stream(mapped) as stream:
                _check_columns(path, column, metadata, list(_fields(stream.schema)))
                for batch in stream:
                    for row in batch.select(wanted).to_pylist():
                        beside = metadata_of(metadata, partial(_within, row))
                        yield _within(row, column), (order + 1) / len(files), beside
        except pyarrow.ArrowException as error:
            raise refused(path, f"has a damaged file, {file.name}: {error}") from None


@contextmanager
def _arrow_stream(mapped: Any) -> Iterator[Any]:
    """The batches of either format of Arrow: `datasets` writes streams, others files, too."""
    import pyarrow

    try:
        stream = pyarrow.ipc.open_stream(mapped)
    except pyarrow.ArrowInvalid:
        mapped.seek(0)
        file = pyarrow.ipc.open_file(mapped)
        stream = pyarrow.RecordBatchReader.from_batches(
            file.schema, (file.get_batch(at) for at in range(file.num_record_batches))
        )
    with stream:
        yield stream


def arrow_files(path: Path) -> list[Path]:
    """The Arrow files of a data set, without what `datasets` remembers of its own `map`s there."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*.arrow") if not file.name.startswith("cache-"))


def _fields(schema: Any, before: str = "") -> Iterator[str]:
    """Columns, and the fields of those that have some: "doc", "doc.text"."""
    import pyarrow

    for field in schema:
        yield before + field.name
        if pyarrow.types.is_struct(field.type):
            yield from _fields(field.type, f"{before}{field.name}.")


def _check_columns(path: Path, column: str, metadata: Sequence[str], names: Sequence[str]) -> None:
    for option, wanted in (("column", column), *(("metadata", one) for one in metadata)):
        if wanted not in names:
            known = ", ".join(names)
            raise InputError(
                f"{path.name} has no column {wanted!r}: it has {known or 'none'}",
                field=option,
                value=wanted,
                legal=known,
            )
