"""What tokens that were found have in common, beside how common that is in the corpus.

The base rate of a label is its share among all tokens of the texts (of next tokens: among those
that follow another one), special tokens left out; lift is the share among the hits over that. The
interval is Wilson's for the share, at 95%, over the base rate, whose own error is left out. Where
hits are narrowed, a column is counted over those that fit the labels chosen in the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import sqrt

import numpy as np

from unembed.errors import InputError
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.corpus.hits import CorpusHit
from unembed.index.corpus.narrowing import Chosen, Column, fits, token_of
from unembed.index.corpus.options import Of
from unembed.index.corpus.summary import CorpusSummary, LabelShare
from unembed.index.store import Array

SUMMED = ("pos", "tag", "dep", "entity")

_Z = 1.959963984540054  # of 95%


def summed_up(
    columns: TokenColumns, hits: Sequence[CorpusHit], of: Of, chosen: Chosen
) -> CorpusSummary:
    """The labels of the hits' tokens, and how far off attended ones are.

    Args:
        chosen: labels by which the hits are narrowed; each column is counted under the others'.

    Raises InputError where there are no labels.
    """
    known = [name for name in SUMMED if any(columns.labels(name).names)]
    if not known and of != "attended":
        raise InputError(
            "this corpus has no labels",
            field="spacy",
            fix="build it with a pipeline of spaCy, or from .conllu files",
        )
    base = _following(columns) if of == "next" else columns.words()
    items: list[LabelShare] = []
    for name in known:
        labels = columns.labels(name)
        rows = _rows(hits, of, chosen, (of, name))
        counts = np.bincount(labels.codes[base], minlength=len(labels.names))
        found = np.bincount(labels.codes[rows], minlength=len(labels.names))
        items += _shares(name, labels.names, found, counts)
    if of == "attended":
        items += _offsets([hit for hit in hits if fits(hit, chosen, (of, "offset"))])
    return CorpusSummary(of, len(_rows(hits, of, chosen)), tuple(items))


def _rows(
    hits: Sequence[CorpusHit], of: Of, chosen: Chosen, but: Column | None = None
) -> list[int]:
    """Rows of the tokens meant, of the hits that fit; base rates have no special ones, either."""
    pairs = ((hit, token_of(hit, of)) for hit in hits if fits(hit, chosen, but))
    return [
        hit.row + one.position - hit.match.position
        for hit, one in pairs
        if one is not None and not one.token.special
    ]


def _offsets(hits: Sequence[CorpusHit]) -> list[LabelShare]:
    """How far off the attended tokens are, the most frequent first."""
    found = Counter(
        hit.attended.position - hit.match.position for hit in hits if hit.attended is not None
    )
    n, order = found.total(), sorted(found, key=lambda one: (-found[one], one))
    return [
        LabelShare("offset", f"{one:+d}", found[one], n, found[one] / n, None, None, None, None)
        for one in order
    ]


def _following(columns: TokenColumns) -> Mask:
    """Tokens of the texts that follow another one in their sentence."""
    found, sentence = columns.words(), columns.numbers("sentence")
    before = np.concatenate([[False], found[:-1] & (sentence[1:] == sentence[:-1])])
    follows: Mask = found & before
    return follows


def _shares(column: str, names: Sequence[str], found: Array, counts: Array) -> list[LabelShare]:
    n, total = int(found.sum()), int(counts.sum())
    order = sorted(np.flatnonzero(found).tolist(), key=lambda code: (-found[code], names[code]))
    shares = []
    for code in order:
        count, base = int(found[code]), int(counts[code]) / total
        low, high = wilson(count, n)
        lifts = (count / n / base, low / base, high / base) if base else (None, None, None)
        shares.append(LabelShare(column, names[code], count, n, count / n, base, *lifts))
    return shares


def wilson(count: int, n: int) -> tuple[float, float]:
    """The interval of a share of `count` in `n`, at 95% (Wilson, 1927)."""
    share, z = count / n, _Z
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
