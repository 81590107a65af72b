"""Files as pieces of text, read in stretches: text, JSONL, Parquet, CoNLL-U, data sets on disk.

A piece is short enough to be parsed at once, whatever the file looks like; pieces come in the same
order each time. Knows no model and no spaCy.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unembed.errors import InputError

LONGEST_PIECE = 10_000  # characters
LONGEST_SENTENCE = 1_000_000  # characters of CoNLL-U, with all columns: its words are known, uncut
BATCH_ROWS, BATCH_BYTES = 256, 32 << 20  # of Parquet, at once: a cell may be a book
_STRETCH = 1 << 16  # bytes that are read at once
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s+|[。！？][”’」』）]*")
_SPACE = re.compile(r"\s+")
FORMATS = "text, .jsonl, .parquet, .conllu, or the folder of a data set"


@dataclass(frozen=True)
class Word:
    """A word in its text: [start, end) in characters, and its labels, "" where nobody says."""

    start: int
    end: int
    pos: str = ""
    tag: str = ""
    dep: str = ""
    entity: str = ""
    lemma: str = ""
    head: int = -1  # the word it depends on, by its place among the words; itself at the root


@dataclass(frozen=True)
class Piece:
    """A stretch of a file."""

    file: str
    record: int  # 0-based: paragraph, line, or row
    text: str
    done: float  # which part of the file is read by now
    words: tuple[Word, ...] | None = None  # a sentence whose words are known already


@dataclass(frozen=True)
class Source:
    """One file, and what tells it from another."""

    name: str
    size: int
    digest: str


def sources(files: Sequence[Path | str]) -> tuple[list[Path], tuple[Source, ...]]:
    """The files, each there and not empty; raises InputError."""
    paths = [Path(file).expanduser() for file in files]
    if not paths:
        raise InputError("there is no file to read", field="files", value="[]", legal=FORMATS)
    return paths, tuple(_source(path) for path in paths)


def _source(path: Path) -> Source:
    parts = _arrow_files(path) if path.is_dir() else [path]
    if not parts:
        raise _refused(path, "is a folder without .arrow files")
    try:
        sizes = [part.stat().st_size for part in parts]
        digest = hashlib.sha256()
        for part in parts:
            with part.open("rb") as file:
                digest.update(file.read(_STRETCH))
                file.seek(max(0, part.stat().st_size - _STRETCH))
                digest.update(file.read(_STRETCH))
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error
    return Source(path.name, sum(sizes), digest.hexdigest()[:16])


def pieces(path: Path, *, column: str = "text", lines: bool = False) -> Iterator[Piece]:
    """A file's pieces, in order. Raises InputError for what cannot be read, with the place.

    Args:
        column: where the text is in JSONL, Parquet and data sets.
        lines: whether each line of a text is a piece, in place of a paragraph.
    """
    kind = "dataset" if path.is_dir() else path.suffix.lower()
    readers: dict[str, Callable[[], Iterator[Piece]]] = {
        ".jsonl": lambda: _records(path, _json_lines(path, column), lines),
        ".ndjson": lambda: _records(path, _json_lines(path, column), lines),
        ".parquet": lambda: _records(path, _parquet(path, column), lines),
        ".conllu": lambda: _conllu(path),
        "dataset": lambda: _records(path, _data_set(path, column), lines),
    }
    reader = readers.get(kind, lambda: _lines(path) if lines else _paragraphs(path))
    try:
        yield from reader()
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from error


# ---------------------------------------------------------------- texts


def _decoded(path: Path) -> Iterator[tuple[str, float]]:
    """(characters, part of the file read by now), a stretch at a time."""
    size, read = max(1, path.stat().st_size), 0
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    held = ""  # half of a line's end, whose other half is in the next stretch
    with path.open("rb") as file:
        while stretch := file.read(_STRETCH):
            before, read = read, read + len(stretch)
            try:
                text = held + decoder.decode(stretch, final=read >= size)
            except UnicodeDecodeError as error:
                place = max(0, before + error.start)
                raise _refused(path, f"is no UTF-8 text: byte {place} is wrong") from None
            held = "\r" if text.endswith("\r") and read < size else ""
            yield text.removesuffix(held).replace("\r\n", "\n"), read / size


def _paragraphs(path: Path) -> Iterator[Piece]:
    """Lines up to an empty one, joined by spaces: where a paragraph is wrapped means nothing."""
    record = 0
    for block, done in _blocks(_decoded(path)):
        for paragraph in _PARAGRAPH.split(block):
            text = _SPACE.sub(" ", paragraph).strip()
            if text:
                yield Piece(path.name, record, text, done)
            record += 1


def _lines(path: Path) -> Iterator[Piece]:
    rest, record, done = "", 0, 0.0
    for text, done in _decoded(path):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield from _cut(path, record, line, done)
            record += 1
        while len(rest) > 2 * LONGEST_PIECE:  # a line without an end is not held
            at = _cut_at(rest)
            yield from _cut(path, record, rest[:at], done)
            rest = rest[at:]
    yield from _cut(path, record, rest, done)


def _blocks(stretches: Iterator[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Texts of a piece's length, ended where a paragraph, a sentence or a word ends."""
    held, done = "", 0.0
    for text, done in stretches:
        held += text
        while len(held) > 2 * LONGEST_PIECE:
            at = _cut_at(held)
            yield held[:at], done
            held = held[at:]
    while held:
        at = len(held) if len(held) <= LONGEST_PIECE else _cut_at(held)
        yield held[:at], done
        held = held[at:]


def _cut_at(text: str, start: int = 0) -> int:
    """Where to end a piece that starts here, of a longer text."""
    for ends in (_PARAGRAPH, _SENTENCE_END, _SPACE):
        last = 0
        for match in ends.finditer(text, start + LONGEST_PIECE // 2, start + LONGEST_PIECE):
            last = match.end()
        if last:
            return last
    return start + LONGEST_PIECE


def _cut(path: Path, record: int, text: str, done: float) -> Iterator[Piece]:
    """One text as pieces; nothing of an empty one."""
    start = 0
    while start < len(text):  # by places: a copy of what is left for each piece would be quadratic
        end = len(text) if len(text) - start <= LONGEST_PIECE else _cut_at(text, start)
        if part := text[start:end].strip():
            yield Piece(path.name, record, part, done)
        start = end


# ---------------------------------------------------------------- records

Record = tuple[Any, float]


def _records(path: Path, records: Iterator[Record], lines: bool) -> Iterator[Piece]:
    for record, (text, done) in enumerate(records):
        if not isinstance(text, str):
            raise _refused(path, f"has no text in record {record}, but {type(text).__name__}")
        text = text.encode("utf-8", "replace").decode()  # JSON can hold half a character
        for part in text.split("\n") if lines else (text,):
            yield from _cut(path, record, part, done)


def _json_lines(path: Path, column: str) -> Iterator[Record]:
    size, read = max(1, path.stat().st_size), 0
    with path.open("rb") as file:
        for number, line in enumerate(file):
            read += len(line)
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except ValueError:
                raise _refused(path, f"has no JSON in line {number + 1}") from None
            if not isinstance(found, dict) or column not in found:
                raise _refused(path, f"has no {column!r} in line {number + 1}")
            yield found[column], read / size


def _parquet(path: Path, column: str) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
    except (ValueError, pyarrow.ArrowException) as error:
        raise _refused(path, f"is no Parquet file: {str(error).splitlines()[0]}") from None
    _check_column(path, column, file.schema_arrow.names)
    total, read = max(1, file.metadata.num_rows), 0
    for batch in file.iter_batches(batch_size=_rows_at_once(file, column), columns=[column]):
        read += batch.num_rows
        for text in batch.column(0).to_pylist():
            yield text, read / total


def _rows_at_once(file: Any, column: str) -> int:
    """How many cells of a column are some megabytes, in the mean."""
    groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
    parts = (group.column(at) for group in groups for at in range(group.num_columns))
    own = (part for part in parts if part.path_in_schema.split(".")[0] == column)
    size = sum(int(part.total_uncompressed_size) for part in own)
    return max(1, min(BATCH_ROWS, BATCH_BYTES * int(file.metadata.num_rows) // max(1, size)))


def _data_set(path: Path, column: str) -> Iterator[Record]:
    """What `datasets.save_to_disk` writes: Arrow streams, one folder below for each split."""
    import pyarrow

    files = _arrow_files(path)
    for order, file in enumerate(files):
        try:
            with pyarrow.memory_map(str(file)) as mapped, pyarrow.ipc.open_stream(mapped) as stream:
                _check_column(path, column, stream.schema.names)
                for batch in stream:
                    for text in batch.column(column).to_pylist():
                        yield text, (order + 1) / len(files)
        except pyarrow.ArrowException as error:
            raise _refused(path, f"has a damaged file, {file.name}: {error}") from None


def _arrow_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.arrow"))


def _check_column(path: Path, column: str, names: Sequence[str]) -> None:
    if column not in names:
        known = ", ".join(names)
        raise InputError(
            f"{path.name} has no column {column!r}: it has {known}",
            field="column",
            value=column,
            legal=known,
        )


# ---------------------------------------------------------------- sentences with known words


def _conllu(path: Path) -> Iterator[Piece]:
    """Sentences of Universal Dependencies: their text, words and labels as they are given."""
    rest, record, done = "", 0, 0.0
    for text, done in _decoded(path):
        *whole, rest = re.split(r"\n[^\S\n]*\n", rest + text)
        for block in whole:
            yield from _conllu_sentence(path, record, block, done)
            record += 1
        _check_sentence(path, record, rest)
    yield from _conllu_sentence(path, record, rest, done)


def _check_sentence(path: Path, record: int, block: str) -> None:
    """Raise InputError where a sentence has no end: it would be held, whatever its length."""
    if len(block) > LONGEST_SENTENCE:
        raise _refused(
            path,
            f"has a sentence {record} of more than {LONGEST_SENTENCE:,} characters, with all its "
            "columns: an empty line ends a sentence",
        )


def _conllu_sentence(path: Path, record: int, block: str, done: float) -> Iterator[Piece]:
    rows = [line.split("\t") for line in block.splitlines() if line and not line.startswith("#")]
    if not rows:
        return
    if any(len(row) != 10 for row in rows):
        raise _refused(path, f"has no ten columns in a line of sentence {record}")
    surface = list(_surface(rows))
    stated = re.search(r"^# text = (.*)$", block, re.MULTILINE)
    text = stated[1].strip() if stated else "".join(form + gap for form, gap, _ in surface).strip()
    words: list[Word] = []
    at = 0
    numbers = {row[0]: place for place, (_, _, inside) in enumerate(surface) for row in inside}
    for form, _, inside in surface:
        start = text.find(form, at)
        if start < 0:
            raise _refused(path, f"has a word that is not in the text of sentence {record}: {form}")
        at = start + len(form)
        words.append(_gold_word(start, at, inside[0], numbers, len(words)))
    yield Piece(path.name, record, text, done, tuple(words))


def _surface(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, list[Sequence[str]]]]:
    """(form, space after it, the words in it): "du" is written once, and is two words."""
    last: tuple[str, str, list[Sequence[str]]] | None = None
    until = 0
    for row in rows:
        number = row[0]
        if "." in number:  # a word that was left out of the text
            continue
        gap = "" if "SpaceAfter=No" in row[9] else " "
        if "-" in number:
            until = int(number.partition("-")[2])
            last = (row[1], gap, [])
            continue
        if last is None:
            yield row[1], gap, [row]
            continue
        last[2].append(row)
        if int(number) >= until:
            yield last
            last = None


def _gold_word(
    start: int, end: int, row: Sequence[str], numbers: dict[str, int], place: int
) -> Word:
    _, _, lemma, pos, tag, _, head, dep, _, _ = ("" if cell == "_" else cell for cell in row)
    of = place if head == "0" else numbers.get(head, -1)
    return Word(start, end, pos, tag, dep, "", lemma, of)


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"{path} {why}", field="files", value=str(path), legal=FORMATS)
