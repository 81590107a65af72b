"""Files that a corpus is read from, and what tells one from another; pieces of each kind.

Pieces come in the same order each time. Knows no model and no spaCy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unembed.errors import InputError
from unembed.index.corpus import conllu, plain_texts, records
from unembed.index.corpus.pieces import FORMATS, Piece, refused
from unembed.index.corpus.records import arrow_files
from unembed.index.corpus.streams import STRETCH, bare_suffix

Reader = Callable[[Path, str, Sequence[str]], Iterator[records.Record]]
_RECORDS: dict[str, Reader] = {
    ".jsonl": records.json_lines,
    ".ndjson": records.json_lines,
    ".json": records.json_lines,
    ".csv": records.csv_rows,
    ".tsv": records.csv_rows,
    ".parquet": records.parquet_rows,
    ".arrow": records.data_set_rows,
}
_CONLLU = (".conllu", ".conll")
_TEXTS = (".txt", ".text")
_IN_FOLDERS = {".jsonl", ".ndjson", ".csv", ".tsv", ".parquet", *_CONLLU, *_TEXTS}


@dataclass(frozen=True)
class Source:
    """One file, and what tells it from another."""

    name: str
    size: int
    digest: str


def sources(files: Sequence[Path | str]) -> tuple[list[Path], tuple[Source, ...]]:
    """The files, each there and not empty; of folders what is in them. Raises InputError."""
    paths = [path for file in files for path in _meant(file)]
    if not paths:
        raise InputError("there is no file to read", field="files", value="[]", legal=FORMATS)
    real = [path.resolve() for path in paths]
    twice = next((path for at, path in enumerate(real) if path in real[:at]), None)
    if twice is not None:
        raise refused(twice, "is given twice", "leave one out")
    return paths, tuple(_source(path) for path in paths)


def _meant(file: Path | str) -> list[Path]:
    """The file itself, or data set; of another folder its files, which are of one kind."""
    if not str(file):
        raise InputError("a file has no name", field="files", value="", legal=FORMATS)
    path = Path(file).expanduser()
    if not path.is_dir() or arrow_files(path):
        return [path]
    every = (one for one in path.rglob("*") if one.is_file() and _is_meant(one.relative_to(path)))
    found: dict[str, list[Path]] = {}
    for one in sorted(every):
        kind = bare_suffix(one)
        found.setdefault("text" if kind in _TEXTS else kind, []).append(one)
    texts = found.pop("text", [])  # a licence beside the data
    if len(found) > 1:
        raise refused(path, f"holds files of several kinds, {', '.join(found)}", "name the files")
    if not found and not texts:
        raise refused(path, "is a folder without files that are known", "name the files")
    return next(iter(found.values()), texts)


def _is_meant(inside: Path) -> bool:
    hidden = any(part.startswith((".", "_")) for part in inside.parts)
    return not hidden and bare_suffix(inside) in _IN_FOLDERS


def _source(path: Path) -> Source:
    parts = arrow_files(path)
    try:
        sizes = [part.stat().st_size for part in parts]
        digest = hashlib.sha256()
        for part in parts:
            with part.open("rb") as file:
                digest.update(file.read(STRETCH))
                file.seek(max(0, part.stat().st_size - STRETCH))
                digest.update(file.read(STRETCH))
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror or error}") from error
    return Source(path.name, sum(sizes), digest.hexdigest()[:16])


def size_of(path: Path) -> int:
    """Bytes of a file, or of a data set."""
    return sum(part.stat().st_size for part in arrow_files(path))


def pieces(
    path: Path, *, column: str = "text", lines: bool = False, metadata: Sequence[str] = ()
) -> Iterator[Piece]:
    """A file's pieces, in order. Raises InputError for what cannot be read, with the place.

    Args:
        column: where the text is in JSONL, CSV, Parquet and data sets; "a.b": in b of a.
        lines: whether each line of a text is a piece, in place of a paragraph.
        metadata: fields of records, or comments of CoNLL-U, that are kept beside their texts.
    """
    kind = ".arrow" if path.is_dir() else bare_suffix(path)
    try:
        if kind in _RECORDS:
            yield from records.pieces_of(path, _RECORDS[kind](path, column, metadata), lines)
        elif kind in _CONLLU:
            yield from conllu.sentences(path, metadata)
        else:
            none = "{}" if metadata else None
            for piece in (plain_texts.lines if lines else plain_texts.paragraphs)(path):
                yield replace(piece, metadata=none)
    except OSError as error:
        raise refused(path, f"cannot be read: {error.strerror or error}") from error
