"""Pieces of text that files are read as: what one is, and where a long text is cut.

A piece is short enough to be parsed at once, whatever the file looks like. Knows no model, no
spaCy and no kind of file (`files.py` does).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unembed.errors import InputError

LONGEST_PIECE = 10_000  # characters
PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]]*\s+|[。！？][”’」』）]*")
SPACE = re.compile(r"\s+")
FORMATS = (
    "text, .jsonl, .csv, .tsv, .conllu (each also .gz, .bz2 or .zst), .parquet, the folder of a "
    "data set, or a folder of such files"
)


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
    metadata: str | None = None  # JSON: fields of its record that are kept; None: none are


def cut_at(text: str, start: int = 0) -> int:
    """Where to end a piece that starts here, of a longer text."""
    for ends in (PARAGRAPH, _SENTENCE_END, SPACE):
        last = 0
        for match in ends.finditer(text, start + LONGEST_PIECE // 2, start + LONGEST_PIECE):
            last = match.end()
        if last:
            return last
    return start + LONGEST_PIECE


def cut(
    path: Path, record: int, text: str, done: float, metadata: str | None = None
) -> Iterator[Piece]:
    """One text as pieces; nothing of an empty one."""
    start = 0
    while start < len(text):  # by places: a copy of what is left for each piece would be quadratic
        end = len(text) if len(text) - start <= LONGEST_PIECE else cut_at(text, start)
        if part := text[start:end].strip():
            yield Piece(path.name, record, part, done, metadata=metadata)
        start = end


def refused(path: Path, why: str, fix: str | None = None, field: str = "files") -> InputError:
    """The error for a file that cannot be read."""
    return InputError(f"{path} {why}", field=field, value=str(path), legal=FORMATS, fix=fix)
