"""A build of samples, timed: what each step of a build takes, of a token.

As a build does, text of a whole stretch is tagged, read and written at once, and sentences of like
length go through the model together: with fewer at once there would be more padding. Of those
batches only some are computed, evenly from the longest to the shortest, while a process beside
tags as much of the text. Nothing that is done for the first time counts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.about import Site
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows
from unembed.index.corpus.stages import tokens_held
from unembed.index.corpus.states import batches, vectors_of
from unembed.index.corpus.stretches import read_stretch, token_rows
from unembed.index.corpus.tagging import Sentence, Tagger
from unembed.index.store import Array

WARM_CHARS = 4_000  # of a stretch that is not timed
LEAST_SECONDS, MOST_ROUNDS = 3.0, 8  # that the model is timed
clock = time.perf_counter

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Places:
    """Where a build on Ray runs, one stage after the other; each as fast as this process."""

    cores: int  # each reads texts
    workers: int  # that hold the model


@dataclass(frozen=True)
class Seconds:
    """Of a token, but for `first`."""

    here: float  # all of it, with texts tagged beside
    reading: float  # what the stages of a build on Ray take, one after the other
    states: float
    first: float = 0.0  # while the first stretch is tagged, nothing else is done

    def of(self, tokens: float, places: Places | None) -> float:
        """Of so many tokens, where a build is to run; None: in this process."""
        if places is None:
            return self.first + tokens * self.here
        return tokens * (self.reading / places.cores + self.states / places.workers)


class Trial:
    """A build of some pieces."""

    def __init__(
        self,
        model: Model,
        rows: Rows,
        sites: Sequence[Site],
        options: CorpusOptions,
        words: Tagger,
        stretch_chars: int,
        cancel: Cancel | None,
    ) -> None:
        self._model, self._rows, self._sites, self._cancel = model, rows, sites, cancel
        self._words, self._whole = words, options.split != "sentences"
        self._longest = min(options.max_tokens, model.max_positions)
        self._chars = stretch_chars

    def seconds_each(self, sampled: Sequence[Piece]) -> Seconds:
        """What steps take, of sampled pieces."""
        speed = self._warm_up(stretch_of(sampled, WARM_CHARS))
        part = stretch_of(sampled, self._chars)
        start = clock()
        found = self._tagged(part)
        tagged = clock()
        ids = self._read(part, found)
        reading = clock() - tagged
        tagging, n = tagged - start, max(1, sum(map(len, ids)))
        if not ids:
            return Seconds(0.0, (tagging + reading) / n, 0.0, tagging)
        states, beside, vectors = self._computed(part, ids, speed)
        writing = self._written(vectors, n) / n
        return Seconds(
            here=max(states + reading / n + writing, beside) + self._packed(),
            reading=(tagging + reading) / n,
            states=states + writing,
            first=tagging,
        )

    def bytes_beside(self) -> float:
        """On disk, of a token: its text, numbers and labels."""
        tables = (Path(self._rows.place(name), "data") for name in (SENTENCES, TOKENS))
        files = (file for table in tables for file in table.iterdir())
        return sum(file.stat().st_size for file in files) / self._rows.n_tokens

    # ------------------------------------------------------------ steps

    def _warm_up(self, part: Sequence[Piece]) -> float:
        """Every step once; how many tokens a second the model then reads, about."""
        ids = self._read(part, self._tagged(part))
        if not ids:
            return 1.0
        self._written(vectors_of(self._model, ids, self._sites, self._cancel), sum(map(len, ids)))
        start = clock()
        vectors_of(self._model, ids, self._sites, self._cancel)
        return sum(map(len, ids)) / max(1e-6, clock() - start)

    def _tagged(self, part: Sequence[Piece]) -> list[list[Sentence]]:
        self._words.submit(part, self._whole)
        return self._words.result()

    def _read(self, part: Sequence[Piece], found: Sequence[Sequence[Sentence]]) -> list[Ids]:
        """The token ids of sentences that are read and kept; no more than vectors are held of."""
        stretch = read_stretch(self._model, list(enumerate(part)), found, self._longest)
        ids = [own for _, own in token_rows(stretch, 0)]
        if stretch.sentences:
            self._rows.add_sentences(stretch, set())
        ends = np.cumsum([len(own) for own in ids])
        return ids[: max(1, int(np.searchsorted(ends, tokens_held(self._sites), "right")))]

    def _computed(
        self, part: Sequence[Piece], ids: Sequence[Ids], speed: float
    ) -> tuple[float, float, dict[Site, tuple[Array, Array]]]:
        """Seconds of a token in the model, the same with what is tagged beside it, and vectors."""
        some = self._evenly(ids, speed * LEAST_SECONDS)
        n, rounds = sum(map(len, some)), 0
        texts = part[:: max(1, round(sum(map(len, ids)) / n))]
        states, start = 0.0, clock()
        vectors: dict[Site, tuple[Array, Array]] = {}
        while not rounds or (rounds < MOST_ROUNDS and clock() - start < LEAST_SECONDS):
            before = clock()
            self._words.submit(texts, self._whole)
            vectors = vectors_of(self._model, some, self._sites, self._cancel)
            states += clock() - before
            self._words.result()
            rounds += 1
        return states / (n * rounds), (clock() - start) / (n * rounds), vectors

    def _evenly(self, ids: Sequence[Ids], tokens: float) -> list[Ids]:
        """Sentences of about so many tokens: whole batches, evenly from the longest on."""
        every = list(batches(self._model, ids, [site.name for site in self._sites]))
        n = sum(map(len, ids))
        some = max(1, round(len(every) * min(1.0, tokens / n)))
        chosen = [every[int((at + 0.5) * len(every) / some)] for at in range(some)]
        return [ids[one] for batch in chosen for one in batch]

    def _written(self, vectors: dict[Site, tuple[Array, Array]], n: int) -> float:
        """Seconds that n rows of each site take to append; the vectors are repeated as needed."""
        filled = {
            site: (np.resize(own, (n, own.shape[1])), np.resize(lengths, (n, lengths.shape[1])))
            for site, (own, lengths) in vectors.items()
        }
        start = clock()
        for site, (own, lengths) in filled.items():
            self._rows.add_vectors(site, 0, own, lengths)
        return clock() - start

    def _packed(self) -> float:
        """Seconds of a token to put tables together."""
        start = clock()
        for name in (SENTENCES, TOKENS, *(site.name for site in self._sites)):
            self._rows.pack(name)
        return (clock() - start) / max(1, self._rows.n_tokens)


def stretch_of(sampled: Sequence[Piece], chars: int) -> list[Piece]:
    """Samples of about so many characters, of each length as many as there are, or all."""
    ranked = sorted(sampled, key=lambda piece: len(piece.text))
    step = max(1.0, sum(len(piece.text) for piece in sampled) / chars)
    n = max(1, int(len(ranked) / step))
    return [ranked[min(len(ranked) - 1, int((at + 0.5) * step))] for at in range(n)]
