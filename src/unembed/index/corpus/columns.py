"""What the tokens of a corpus are, held in memory as numbers: a label is a place in a short list.

Read when first needed, 4 bytes for each token and column; the vectors are another matter.
Thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from unembed.errors import InputError
from unembed.index.corpus.metadata import read_metadata
from unembed.index.corpus.options import CorpusFilter
from unembed.index.corpus.rows import LABELS, SENTENCES, TOKENS, Rows
from unembed.index.store import Array, to_numpy

Mask = NDArray[np.bool_]
_FOLDED = ("form", "lemma")  # compared whatever their case, and however accents are written
_SHOWN = 40  # labels that an error names


@dataclass(frozen=True)
class Labels:
    """A column of labels: `names[codes[row]]`."""

    names: tuple[str, ...]
    codes: Array

    def at(self, rows: Array) -> list[str]:
        """The labels of some rows."""
        return [self.names[code] for code in self.codes[rows].tolist()]

    def among(self, wanted: Sequence[str], folded: bool) -> Mask:
        """Rows whose label is one of these; where none is, no row."""
        asked = {_fold(one.strip() or one) for one in wanted} if folded else set(wanted)
        has = [name in asked for name in (self._folded if folded else self.names)]
        found: Mask = np.array(has, bool)[self.codes]
        return found

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return tuple(_fold(name) for name in self.names)


class TokenColumns:
    """The tokens of a corpus, without their vectors."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._lock = threading.RLock()
        self._numbers: dict[str, Array] = {}
        self._labels: dict[str, Labels] = {}

    def read(self, names: Sequence[str]) -> None:
        """Read columns together, which takes hardly longer than one of them."""
        with self._lock:
            known = {*self._numbers, *self._labels}
            missing = [name for name in names if name not in known]
            found = self.rows.whole_columns(TOKENS, missing) if missing else {}
            for name, column in found.items():
                if name in LABELS:
                    self._labels[name] = _labels(column)
                else:
                    self._numbers[name] = to_numpy(column)

    def numbers(self, name: str) -> Array:
        """A column of numbers."""
        self.read([name])
        return self._numbers[name]

    def labels(self, name: str) -> Labels:
        """A column of labels; that of files is by token, too."""
        with self._lock:
            if name == "file" and name not in self._labels:
                known = _labels(self.rows.column(SENTENCES, name))
                self._labels[name] = Labels(known.names, known.codes[self.numbers("sentence")])
            elif name not in self._labels:
                self.read([name])
            return self._labels[name]

    @cached_property
    def n_words(self) -> int:
        """How many tokens of the texts there are."""
        return int(self.words().sum())

    def words(self) -> Mask:
        """Tokens of the texts themselves, without those that were added."""
        found: Mask = self.numbers("special") == 0
        return found

    def mask(self, chosen: CorpusFilter) -> Mask:
        """Tokens that a filter leaves. Raises InputError for a label that no token has."""
        found = self.words()
        columns = {"word": "form"}
        for option in ("word", "lemma", "pos", "tag", "dep", "entity", "file"):
            wanted = getattr(chosen, option)
            if wanted is not None:
                found &= self._one_of(columns.get(option, option), option, wanted)
        if chosen.metadata is not None:
            found &= self._with_metadata(chosen.metadata)
        if chosen.near is not None:
            found &= self._near(self._one_of("form", "near", chosen.near), chosen.reach)
        return found

    def _one_of(self, column: str, option: str, wanted: Sequence[str]) -> Mask:
        labels, folded = self.labels(column), column in _FOLDED
        if not folded:
            for one in wanted:
                check_label(option, one, labels.names)
        return labels.among(wanted, folded)

    def _with_metadata(self, wanted: Sequence[str]) -> Mask:
        """Tokens of records that have one of the values of each field that is named."""
        kept = self._metadata()
        every = [read_metadata(one) for one in kept.names]
        fits = np.ones(len(every), bool)
        for name, values in _by_field(wanted, every).items():
            fits &= np.array([one.get(name) in values for one in every], bool)
        found: Mask = fits[kept.codes][self.numbers("sentence")]
        return found

    def _metadata(self) -> Labels:
        """Of each sentence, as JSON. Raises InputError where none is kept."""
        with self._lock:
            if "metadata" not in self._labels:
                if not self.rows.has_metadata():
                    raise InputError(
                        "this corpus keeps no fields of its records",
                        field="metadata",
                        fix='leave metadata out, or build it anew with metadata=["author"] '
                        "(--metadata author)",
                    )
                self._labels["metadata"] = _labels(self.rows.column(SENTENCES, "metadata"))
            return self._labels["metadata"]

    def _near(self, marked: Mask, reach: int) -> Mask:
        """Tokens with one of another word marked at most `reach` away, in the same sentence."""
        places, rows = np.flatnonzero(marked), np.arange(len(marked))
        sentence = self.numbers("sentence")
        found = np.zeros(len(marked), bool)
        if not len(places):
            return found
        first, end = self._words_around()
        after = np.searchsorted(places, end, "left")
        before = np.searchsorted(places, first, "left") - 1
        for order, exists in ((before, before >= 0), (after, after < len(places))):
            other = places[np.clip(order, 0, len(places) - 1)]
            close = (np.abs(other - rows) <= reach) & (sentence[other] == sentence)
            found |= exists & close
        return found

    def _words_around(self) -> tuple[Array, Array]:
        """Of each token, where the pieces of its word begin, and before where they end."""
        word, sentence = self.numbers("word"), self.numbers("sentence")
        same = (word[1:] == word[:-1]) & (word[1:] >= 0) & (sentence[1:] == sentence[:-1])
        starts = np.flatnonzero(np.concatenate([[True], ~same]))
        of = np.searchsorted(starts, np.arange(len(word)), "right") - 1
        return starts[of], np.append(starts, len(word))[of + 1]


def check_label(option: str, label: str, names: Sequence[str]) -> None:
    """Raise InputError for a label that no token has, with the nearest that there is."""
    known = sorted(name for name in names if name)
    if label in known:
        return
    folded = {name.casefold(): name for name in known}
    near = [folded[one] for one in get_close_matches(label.casefold(), folded, n=3, cutoff=0.6)]
    shown = ", ".join(known[:_SHOWN]) or "no labels"
    more = f" and {len(known) - _SHOWN:,} more" if len(known) > _SHOWN else ""
    nearest = f"; nearest is {' or '.join(near)}" if near else ""
    raise InputError(
        f"no token of this corpus has {option} {label!r}{nearest}; it has {shown}{more}",
        field=option,
        value=label,
        legal=f"{shown}{more}",
        fix=f"write {near[0]}" if near else None,
    )


def _fold(text: str) -> str:
    """A text whatever its case, and however its accents are written (canonical in Unicode)."""
    if text.isascii():
        return text.casefold()
    return normalize("NFC", normalize("NFD", text).casefold())


def _by_field(wanted: Sequence[str], every: Sequence[Mapping[str, str]]) -> dict[str, set[str]]:
    """The values that are asked for, by field; raises InputError for what no record has."""
    found: dict[str, set[str]] = {}
    for one in wanted:
        name, _, value = one.partition("=")
        known = sorted({record[name] for record in every if name in record})
        if value not in known:
            fields = sorted({name for record in every for name in record})
            has = f"{name} {', '.join(known)}" if known else f"the fields {', '.join(fields)}"
            raise InputError(
                f"no record of this corpus has metadata {one!r}: it has {has[:500]}",
                field="metadata",
                value=one,
                legal='as "author=Austen"',
            )
        found.setdefault(name, set()).add(value)
    return found


def _labels(column: Any) -> Labels:
    """An Arrow array of text by dictionary."""
    coded = column.dictionary_encode()
    return Labels(tuple(coded.dictionary.to_pylist()), coded.indices.to_numpy())
