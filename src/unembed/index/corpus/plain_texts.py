"""Texts as pieces: paragraphs, or lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unembed.index.corpus.pieces import LONGEST_PIECE, PARAGRAPH, SPACE, Piece, cut, cut_at
from unembed.index.corpus.streams import decoded


def paragraphs(path: Path) -> Iterator[Piece]:
    """Lines up to an empty one, joined by spaces: where a paragraph is wrapped means nothing."""
    record = 0
    for block, done in _blocks(decoded(path)):
        for paragraph in PARAGRAPH.split(block):
            text = SPACE.sub(" ", paragraph).strip()
            if text:
                yield Piece(path.name, record, text, done)
            record += 1


def lines(path: Path) -> Iterator[Piece]:
    rest, record, done = "", 0, 0.0
    for text, done in decoded(path):
        *whole, rest = (rest + text).split("\n")
        for line in whole:
            yield from cut(path, record, line, done)
            record += 1
        while len(rest) > 2 * LONGEST_PIECE:  # a line without an end is not held
            at = cut_at(rest)
            yield from cut(path, record, rest[:at], done)
            rest = rest[at:]
    yield from cut(path, record, rest, done)


def _blocks(stretches: Iterator[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """Texts of a piece's length, ended where a paragraph, a sentence or a word ends."""
    held, done = "", 0.0
    for text, done in stretches:
        held += text
        while len(held) > 2 * LONGEST_PIECE:
            at = cut_at(held)
            yield held[:at], done
            held = held[at:]
    while held:
        at = len(held) if len(held) <= LONGEST_PIECE else cut_at(held)
        yield held[:at], done
        held = held[at:]
