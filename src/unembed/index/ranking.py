"""How well a vector answers a search for words. docs/guides/vector-index.md has the formulas.

Works on the stored lists of one side: the tokens that a vector promotes most, or suppresses most,
with scores made positive. Knows arrays only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.index.words import Term

Array = NDArray[Any]
K1 = 1.2  # of BM25; b does not matter, since all lists are equally long


@dataclass(frozen=True, eq=False)
class Found:
    """What one word is worth to every vector."""

    best: Array  # score of its best token as a share of the vector's best score; 0: not listed
    count: Array  # how many of its tokens are listed
    weight: Array  # what they are worth together, as a share of the whole list


class Postings:
    """For every token, the vectors that list it and how strongly."""

    def __init__(self, ids: Array, scores: Array, vocab_size: int) -> None:
        """`ids` and `scores` are [vectors, k], best first; scores below zero are not listed."""
        self.n, k = ids.shape
        top = scores[:, :1]
        share = np.divide(scores, top, out=np.zeros_like(scores), where=top > 0)
        share[scores <= 0] = 0
        flat = ids.reshape(-1)
        order = np.argsort(flat, kind="stable")
        self._rows = (order // k).astype(np.int32)
        self._shares = share.reshape(-1)[order]
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=vocab_size))])
        self._totals = share.sum(1)

    def find(self, tokens: Array) -> Found:
        """What a set of tokens is worth to every vector."""
        spans = [np.arange(self._starts[one], self._starts[one + 1]) for one in np.unique(tokens)]
        places = np.concatenate(spans) if spans else np.empty(0, np.int64)
        rows, shares = self._rows[places], self._shares[places]
        rows, shares = rows[shares > 0], shares[shares > 0]
        best = np.zeros(self.n, np.float32)
        np.maximum.at(best, rows, shares)
        weight = np.bincount(rows, weights=shares, minlength=self.n)
        total = np.where(self._totals > 0, self._totals, 1)
        return Found(best, np.bincount(rows, minlength=self.n), weight / total)

    def strength(self, terms: Sequence[Term], *, every: bool) -> Array:
        """The default ranking, 0 to 1 for each vector; 0 where it is no answer."""
        presence = [self._presence(term) for term in terms]
        held = _held(presence, every)
        tokens = np.concatenate([group for term in terms for group in term.groups])
        focus = self.find(tokens).weight
        return np.where(held, np.mean(presence, axis=0) * focus, 0.0)

    def bm25(self, terms: Sequence[Term], *, every: bool) -> Array:
        """Okapi BM25, each list a document and each word a term; 0 where it is no answer."""
        scores = np.zeros(self.n)
        presence = []
        for term in terms:
            for group in term.groups:
                count = self.find(group).count
                listing = int((count > 0).sum())
                idf = np.log(1 + (self.n - listing + 0.5) / (listing + 0.5))
                scores += idf * count * (K1 + 1) / (count + K1)
            presence.append(self._presence(term))
        return np.where(_held(presence, every), scores, 0.0)

    def _presence(self, term: Term) -> Array:
        """How strongly a word is listed; of a word in pieces, all of them count alike."""
        found: Array = np.mean([self.find(group).best for group in term.groups], axis=0)
        return found


def _held(presence: Sequence[Array], every: bool) -> Array:
    """Which vectors answer: those that list any of the words, or every one."""
    listed = np.array(presence) > 0
    return np.asarray(listed.all(0) if every else listed.any(0))
