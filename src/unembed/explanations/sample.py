"""The tokens of a corpus that labels are made from, and those that say how well they do.

Whole sentences drawn at random; every other one of them is held out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from unembed.errors import InputError
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.corpus.passes import Span, spans_of
from unembed.index.store import Array

FEWEST = 4  # sentences


@dataclass(frozen=True, eq=False)
class Sample:
    """Tokens that are not special, in the order of the corpus."""

    columns: TokenColumns
    spans: tuple[Span, ...]  # the sentences that were drawn, in the order of the corpus
    rows: Array  # Int[token], of the corpus
    held_out: Mask  # [token]

    @cached_property
    def ids(self) -> Array:
        """Token ids."""
        found: Array = self.columns.numbers("id")[self.rows]
        return found

    @cached_property
    def sentences(self) -> Array:
        """The number of each token's sentence."""
        found: Array = self.columns.numbers("sentence")[self.rows]
        return found

    @cached_property
    def positions(self) -> Array:
        """In the sentence as the model reads it."""
        found: Array = self.columns.numbers("position")[self.rows].astype(np.int64)
        return found

    @cached_property
    def continues(self) -> Mask:
        """Whether a token is of the same word as the one before it."""
        before = np.maximum(self.rows - 1, 0)
        word, sentence = (self.columns.numbers(name) for name in ("word", "sentence"))
        same = (word[self.rows] == word[before]) & (sentence[self.rows] == sentence[before])
        found: Mask = same & (word[self.rows] >= 0) & (self.rows > 0)
        return found

    def neighbours(self, off: int) -> Array:
        """The token id `off` tokens away in the same sentence; -1 where there is none."""
        ids, sentence = (self.columns.numbers(name) for name in ("id", "sentence"))
        words = self.columns.words()
        other = self.rows + off
        inside = (other >= 0) & (other < len(ids))
        other = np.where(inside, other, 0)
        real = inside & words[other] & (sentence[other] == sentence[self.rows])
        found: Array = np.where(real, ids[other], -1).astype(np.int64)
        return found

    def first_of_sentences(self, places: Array, most: int) -> Array:
        """Of places in some order the first of each sentence, the first `most` of these."""
        _, first = np.unique(self.sentences[places], return_index=True)
        found: Array = places[np.sort(first)[:most]]
        return found

    def by_sentence(self) -> Iterator[Array]:
        """The tokens of each sentence, by their places in the sample."""
        starts = np.flatnonzero(np.diff(self.sentences, prepend=-1))
        return iter(np.split(np.arange(len(self.rows)), starts[1:]))


def drawn_from(columns: TokenColumns, tokens: int, seed: int) -> Sample:
    """Sentences with about so many tokens, or all that there are.

    Raises InputError where the corpus has too few to hold half of them out.
    """
    spans = spans_of(columns)
    order = np.random.default_rng(seed).permutation(len(spans))
    words = columns.words()
    before = np.concatenate([[0], np.cumsum(words)])
    counts = np.array([before[first + size] - before[first] for first, size in spans], np.int64)
    some = order[counts[order] > 0]
    wanted = int(np.searchsorted(np.cumsum(counts[some]), tokens)) + 1
    some = some[:wanted]
    if len(some) < FEWEST:
        raise InputError(
            f"{len(some)} sentences are too few: half of them are held out",
            field="corpus",
            value=len(some),
            legal=f"{FEWEST} sentences or more",
            fix='a larger corpus, or one of shorter pieces: split="sentences"',
        )
    apart = {int(at) for at in some[1::2]}
    kept = sorted(int(at) for at in some)
    rows, held_out = [], []
    for at in kept:
        first, size = spans[at]
        own = first + np.flatnonzero(words[first : first + size])
        rows.append(own)
        held_out.append(np.full(len(own), at in apart))
    return Sample(
        columns,
        tuple(spans[at] for at in kept),
        np.concatenate(rows),
        np.concatenate(held_out),
    )
