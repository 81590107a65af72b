"""The stages of a build on this machine: read text, and keep a model's states of its tokens.

Text first, then vectors: whoever stops in between leaves sentences without vectors, which the next
build catches up with. `cluster.py` does the same with many processes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.about import Site
from unembed.index.corpus.files import pieces
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.states import add_states
from unembed.index.corpus.stretches import read_stretch, token_rows
from unembed.index.corpus.tagging import Tagger
from unembed.models.progress import Progress

BATCH_BYTES = 256 * 1024 * 1024  # of states that are held before they are appended


@dataclass(frozen=True)
class Work:
    """What a build is to do: files to be read, and sites whose vectors are kept."""

    model: Model
    options: CorpusOptions
    paths: Sequence[Path]
    sites: Sequence[Site]
    stretch_chars: int  # tagged and appended at once
    cancel: Cancel | None

    @property
    def longest(self) -> int:
        """Tokens of a sentence, at most."""
        return min(self.options.max_tokens, self.model.max_positions)

    @property
    def special(self) -> set[int]:
        """Ids of special tokens."""
        return {int(one) for one in getattr(self.model.tokenizer, "all_special_ids", ())}

    @property
    def whole(self) -> bool:
        """Whether each piece is a sentence."""
        return self.options.split != "sentences"

    def stretches(self, first: int, number: int) -> Iterator[list[tuple[int, Piece]]]:
        """Pieces with their running numbers, from number `first` on, some at a time.

        `number` is that of the first piece of the files.
        """
        column, lines = self.options.column, self.options.split == "lines"
        metadata = self.options.metadata or ()
        held: list[tuple[int, Piece]] = []
        size = 0
        for path in self.paths:
            for piece in pieces(path, column=column, lines=lines, metadata=metadata):
                if self.cancel is not None:
                    self.cancel.check()
                if number >= first:
                    held.append((number, piece))
                    size += len(piece.text)
                number += 1
                if size >= self.stretch_chars:
                    yield held
                    held, size = [], 0
        if held:
            yield held


def without_vectors(rows: Rows, sites: Sequence[Site]) -> list[tuple[int, list[Site]]]:
    """(first row without vectors, the sites that have none from there on), of all that lack some:
    a layer is new, or a build was stopped.
    """
    by_rows: dict[int, list[Site]] = {}
    for site in sites:
        by_rows.setdefault(rows.n_vectors(site), []).append(site)
    return [(first, own) for first, own in sorted(by_rows.items()) if first < rows.n_tokens]


def tokens_held(sites: Sequence[Site]) -> int:
    """Tokens whose states are computed before they are written."""
    return max(1024, BATCH_BYTES // (4 * sum(site.width for site in sites)))


class Stages:
    """Both stages in this process, with the labels of the next stretch made beside."""

    def __init__(self, work: Work, words: Tagger, watch: Watch) -> None:
        self._work, self._words, self._watch = work, words, watch

    def build(self, rows: Rows, n_before: int | None) -> None:
        """Everything that is missing.

        `n_before` pieces are of files that were there, and are not looked at; None: no file is
        read.
        """
        if n_before is None:
            self._watch.ends_at(rows.n_tokens)
        self._catch_up(rows)
        if n_before is not None:
            self._read_on(rows, n_before)

    def _catch_up(self, rows: Rows) -> None:
        """Vectors of sentences that are kept already."""
        for first, sites in without_vectors(rows, self._work.sites):
            self._watch.begin_at(first)
            self._add_states(rows, rows.ids(first), sites)
        self._watch.begin_at(rows.n_tokens)

    def _read_on(self, rows: Rows, n_before: int) -> None:
        """Read the files from the first piece that is not kept: text first, then its vectors."""
        work = self._work
        stretches = work.stretches(rows.n_pieces, n_before)
        ahead = next(stretches, None)
        if ahead is not None:
            self._watch.read(rows.n_tokens)  # labels of the first stretch take their time
            self._words.submit([piece for _, piece in ahead], work.whole)
        while ahead is not None:
            numbered, found = ahead, self._words.result()
            ahead = next(stretches, None)
            if ahead is not None:
                self._words.submit([piece for _, piece in ahead], work.whole)
            stretch = read_stretch(work.model, numbered, found, work.longest)
            first = rows.n_tokens
            if stretch.sentences:
                rows.add_sentences(stretch, work.special)
            if ahead is None:
                self._watch.ends_at(rows.n_tokens)
            if stretch.sentences:
                self._add_states(rows, token_rows(stretch, first), work.sites)

    def _add_states(
        self, rows: Rows, sentences: Iterator[tuple[int, tuple[int, ...]]], sites: Sequence[Site]
    ) -> None:
        """Vectors of sentences that follow one another, as many at once as memory holds."""
        model, cancel, most = self._work.model, self._work.cancel, tokens_held(sites)
        batch: list[tuple[int, ...]] = []
        first, held = 0, 0
        for start, ids in sentences:
            if batch and held + len(ids) > most:
                add_states(model, rows, sites, first, batch, cancel, self._watch.add)
                batch, held = [], 0
            first = start if not batch else first
            batch.append(ids)
            held += len(ids)
        if batch:
            add_states(model, rows, sites, first, batch, cancel, self._watch.add)


class Watch:
    """How far a build is, for the one who watches: tokens, and how many a second.

    What is expected is what is counted, special tokens among it, and is not less than what is done.
    """

    def __init__(self, progress: Progress | None, expected: int, cancel: Cancel | None) -> None:
        self._progress, self._expected, self._cancel = progress, expected, cancel
        self._done = self._kept = 0
        self._since = time.monotonic()

    def read(self, tokens: int) -> None:
        """So many tokens of texts are read, whose vectors come later. Raises CancelledError."""
        if self._cancel is not None:
            self._cancel.check()
        if self._progress is not None:
            self._progress("reading texts", tokens, max(tokens, self._expected))

    def ends_at(self, tokens: int) -> None:
        """So many it is, once all text was read."""
        self._expected = tokens

    def begin_at(self, tokens: int) -> None:
        """Tokens that are kept from before count as done, and for no rate."""
        self._kept = tokens
        self._done = 0
        self._since = time.monotonic()

    def add(self, tokens: int) -> None:
        """So many more are whole. Raises CancelledError."""
        self._done += tokens
        if self._cancel is not None:
            self._cancel.check()
        if self._progress is not None:
            done = self._kept + self._done
            rate = self._done / max(1e-6, time.monotonic() - self._since)
            self._progress(f"{rate:,.0f} tokens a second", done, max(done, self._expected))
