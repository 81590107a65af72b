"""Sentences of Universal Dependencies (CoNLL-U), with the words and labels that they have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from unembed.index.corpus.metadata import metadata_of
from unembed.index.corpus.pieces import Piece, Word, refused
from unembed.index.corpus.streams import decoded

LONGEST_SENTENCE = 1_000_000  # characters, with all columns: its words are known, so it is not cut
_ID = re.compile(r"\d+([-.]\d+)?")
_COMMENT = re.compile(r"^#([^=\n]+)=([^\n]*)$", re.MULTILINE)
_NO_LABELS = ("_",) * 10


def sentences(path: Path, metadata: Sequence[str] = ()) -> Iterator[Piece]:
    """One piece for each sentence; metadata are comments, "# genre = news"."""
    of_document: dict[str, str] = {}
    for piece, block in _blocks(path):
        comments = {name.strip(): value.strip() for name, value in _COMMENT.findall(block)}
        of_document |= {
            name: value for name, value in comments.items() if name.startswith("newdoc")
        }
        known = of_document | comments
        yield replace(piece, metadata=metadata_of(metadata, known.__getitem__))


def _blocks(path: Path) -> Iterator[tuple[Piece, str]]:
    """Each sentence, and its lines."""
    rest, record, done = "", 0, 0.0
    for text, done in decoded(path):
        *whole, rest = re.split(r"\n[^\S\n]*\n", rest + text)
        for block in whole:
            for piece in _sentence(path, record, block, done):
                yield piece, block
            record += 1
        _check_sentence(path, record, rest)
    for piece in _sentence(path, record, rest, done):
        yield piece, rest


def _check_sentence(path: Path, record: int, block: str) -> None:
    """Raise InputError where a sentence has no end: it would be held, whatever its length."""
    if len(block) > LONGEST_SENTENCE:
        raise refused(
            path,
            f"has a sentence {record} of more than {LONGEST_SENTENCE:,} characters, with all its "
            "columns: an empty line ends a sentence",
        )


def _sentence(path: Path, record: int, block: str, done: float) -> Iterator[Piece]:
    lines = block.split("\n")  # not splitlines: a form may hold what Unicode ends lines with
    rows = [line.split("\t") for line in lines if line.strip() and not line.startswith("#")]
    if not rows:
        return
    _check_rows(path, record, rows)
    surface = list(_surface(rows))
    stated = re.search(r"^# *text *= *(.*)$", block, re.MULTILINE)
    text = stated[1].strip() if stated else "".join(form + gap for form, gap, _ in surface).strip()
    words: list[Word] = []
    at = 0
    numbers = {row[0]: place for place, (_, _, inside) in enumerate(surface) for row in inside}
    for form, _, inside in surface:
        start = text.find(form, at)
        if start < 0:
            raise refused(path, f"has a word that is not in the text of sentence {record}: {form}")
        at = start + len(form)
        first = inside[0] if inside else _NO_LABELS
        words.append(_gold_word(start, at, first, numbers, len(words)))
    yield Piece(path.name, record, text, done, tuple(words))


def _check_rows(path: Path, record: int, rows: Sequence[Sequence[str]]) -> None:
    if any(len(row) != 10 for row in rows):
        raise refused(path, f"has no ten columns in a line of sentence {record}")
    wrong = next((row[0] for row in rows if _ID.fullmatch(row[0]) is None), None)
    if wrong is not None:
        raise refused(path, f"has an ID in sentence {record} that is none: {wrong!r}")


def _surface(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, str, list[Sequence[str]]]]:
    """(form, space after it, the words in it): "du" is written once, and is two words."""
    last: tuple[str, str, list[Sequence[str]]] | None = None
    until = 0
    for row in rows:
        number, _, end = row[0].partition("-")
        if "." in number:  # a word that was left out of the text
            continue
        if last is not None and (end or int(number) > until):
            yield last
            last = None
        gap = "" if "SpaceAfter=No" in row[9].split("|") else " "
        if end:
            last, until = (row[1], gap, []), int(end)
        elif last is not None:
            last[2].append(row)
        else:
            yield row[1], gap, [row]
    if last is not None:
        yield last


def _gold_word(
    start: int, end: int, row: Sequence[str], numbers: dict[str, int], place: int
) -> Word:
    _, form, lemma, pos, tag, _, head, dep, _, _ = row
    lemma = lemma if lemma == form else _given(lemma)  # that of "_" is "_"
    of = place if head == "0" else numbers.get(head, -1)
    return Word(start, end, _given(pos), _given(tag), _given(dep), "", lemma, of)


def _given(cell: str) -> str:
    return "" if cell == "_" else cell
