"""How well every vector of an index answers a search for words, by its stored lists.

What that takes, the vocabulary and the postings of a side, is made when it is first asked for and
held. Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.index.matrix import IndexTables
from unembed.index.options import SearchOptions, Side
from unembed.index.ranking import Postings
from unembed.index.rows import Rows
from unembed.index.words import Vocabulary, listed

Array = NDArray[Any]


class WordSearch:
    """Words, looked up in the lists of the rows of an index."""

    def __init__(self, model: Model, tables: IndexTables, rows: Rows, vocab_size: int) -> None:
        self._model = model
        self._tables = tables
        self._rows = rows
        self._vocab_size = vocab_size
        self._lock = threading.RLock()
        self._vocabulary: Vocabulary | None = None
        self._postings: dict[str, Postings] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that can be searched for. Raises InputError without a tokenizer."""
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._read_vocabulary()
            return self._vocabulary

    def rank(
        self, words: str | Sequence[str], asked: SearchOptions, sides: Sequence[Side]
    ) -> tuple[Array, Array]:
        """Scores [rows], 0 where it is no answer, and the tokens that the words stand for.

        Of several sides the better one counts.
        """
        terms = [self.vocabulary.term(word, asked.match) for word in listed(words)]
        every = asked.combine == "all"
        ranked = []
        for side in sides:
            postings = self.postings(side)
            rank = postings.strength if asked.ranking == "strength" else postings.bm25
            ranked.append(rank(terms, every=every))
        tokens = np.concatenate([group for term in terms for group in term.groups])
        return np.max(ranked, axis=0), tokens

    def postings(self, side: str) -> Postings:
        """For every token, the vectors that list it on this side."""
        with self._lock:
            if side not in self._postings:
                ids, scores = self._rows.lists(side)
                signed = scores if side == "promoted" else -scores
                self._postings[side] = Postings(ids, signed, self._vocab_size)
            return self._postings[side]

    def _read_vocabulary(self) -> Vocabulary:
        model = self._model
        if model.tokenizer is None:
            raise InputError(
                f"{model.name} was loaded without a tokenizer: its tokens have no words",
                field="words",
                fix="load it with its tokenizer",
            )
        return Vocabulary(self._tables.texts(), partial(_split, model))


def _split(model: Model, word: str) -> list[str]:
    """The texts that the tokenizer cuts a word into: inside a sentence, if that is shorter."""
    ways = [
        model.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        for text in (f" {word}", word)
    ]
    return [token.text for token in model.tokens(min(ways, key=len))]
