"""Tokens of a corpus in their sentences, as answers list them.

Numbers and labels of all tokens, and the texts, are held in memory where they are small beside what
an index may take (some 60 bytes a token); else those of an answer are read for it, in some thirty
milliseconds, and as many of a processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from unembed.engine.model import Model
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.columns import TokenColumns
from unembed.index.corpus.hits import CorpusHit, CorpusToken
from unembed.index.corpus.metadata import read_metadata
from unembed.index.corpus.rows import LABELS, NUMBERS, SENTENCES, TOKENS, Rows
from unembed.index.store import Array

COLUMNS = (*NUMBERS, *LABELS)
SAID = ("text", "file", "record")  # of a sentence
TEXT_BYTES = 8  # of a token, about
SHARE = 8  # of the memory for an index, one part for them


class Listing:
    """The tokens of a corpus, read when they are asked for. Thread-safe."""

    def __init__(self, model: Model, rows: Rows, columns: TokenColumns, about: CorpusAbout) -> None:
        self._model, self._rows, self._columns, self._about = model, rows, columns, about
        room = model.settings.index_cache_bytes // SHARE
        self._of_sentences = (*SAID, "metadata") if about.metadata else SAID
        self._held = (4 * len(COLUMNS) + TEXT_BYTES) * about.n_tokens <= room

    @cached_property
    def _bounds(self) -> tuple[Array, Array]:
        return self._rows.bounds()

    @property
    def starts(self) -> Array:
        """The first row of each sentence."""
        return self._bounds[0]

    def sentence_of(self, rows: Sequence[int] | Array) -> list[int]:
        """The sentence that each row is in."""
        found: list[int] = (np.searchsorted(self.starts, list(rows), "right") - 1).tolist()
        return found

    # ------------------------------------------------------------ whole sentences

    def sentence(self, number: int) -> tuple[CorpusToken, ...]:
        """The tokens of one; raises InputError where there is none of that number."""
        self._check(number)
        return self.sentences([number])[number]

    def text(self, number: int) -> str:
        """One sentence; raises InputError where there is none of that number."""
        self._check(number)
        text: str = self._said([number])[number][0]
        return text

    def _check(self, number: int) -> None:
        if not 0 <= number < len(self.starts):
            legal = f"0-{len(self.starts) - 1}"
            raise InputError(
                f"sentence {number} is not in {self._about.name!r}: it has {legal}",
                field="sentence",
                value=number,
                legal=legal,
            )

    def sentences(self, numbers: Sequence[int]) -> dict[int, tuple[CorpusToken, ...]]:
        """The tokens of some sentences, by their numbers."""
        starts, sizes = self._bounds
        spans = [(int(starts[one]), int(sizes[one])) for one in numbers]
        rows = [row for start, size in spans for row in range(start, start + size)]
        columns = self._columns_at(np.array(rows, np.int64))
        found, at = {}, 0
        for number, (_, size) in zip(numbers, spans, strict=True):
            own = {name: column[at : at + size] for name, column in columns.items()}
            forms = dict(zip(own["word"], own["form"], strict=True))
            heads = [forms.get(head) if head >= 0 else None for head in own["head"]]
            found[number] = self._made(own, heads)
            at += size
        return found

    def _columns_at(self, rows: Array) -> dict[str, list[Any]]:
        """What is kept of the tokens of some rows, in the order asked for."""
        if not self._held:
            taken = self._rows.take(TOKENS, rows.tolist(), COLUMNS)
            return {name: column.to_pylist() for name, column in taken.items()}
        self._columns.read(COLUMNS)
        own = {name: self._columns.numbers(name)[rows].tolist() for name in NUMBERS}
        return own | {name: self._columns.labels(name).at(rows) for name in LABELS}

    def _made(
        self, own: dict[str, list[Any]], heads: Sequence[str | None]
    ) -> tuple[CorpusToken, ...]:
        """Tokens of their columns; `heads` are the words that theirs depend on."""
        tokens: tuple[Token, ...] = self._model.tokens(own["id"])
        return tuple(
            CorpusToken(
                position=own["position"][at],
                token=token,
                start=None if own["start"][at] < 0 else own["start"][at],
                end=None if own["start"][at] < 0 else own["end"][at],
                word=own["form"][at] or None,
                lemma=own["lemma"][at] or None,
                pos=own["pos"][at] or None,
                tag=own["tag"][at] or None,
                dep=own["dep"][at] or None,
                entity=own["entity"][at] or None,
                head=heads[at],
            )
            for at, token in enumerate(tokens)
        )

    # ------------------------------------------------------------ hits

    def hits(
        self, rows: Array, scores: Array | None, offsets: Sequence[int] = ()
    ) -> tuple[CorpusHit, ...]:
        """Rows as they are listed, in their order, with the tokens at offsets from each.

        Without scores those are None.
        """
        if not len(rows):
            return ()
        numbers = self.sentence_of(rows)
        about = self._said(sorted(set(numbers)))
        tokens = self._tokens_at(rows, numbers, (1, *offsets))
        found, follows = [], self._model.kind == "causal"
        for order, (row, number) in enumerate(zip(rows.tolist(), numbers, strict=True)):
            text, file, record, *metadata = about[number]
            found.append(
                CorpusHit(
                    score=None if scores is None else float(scores[order]),
                    match=tokens[row],
                    next=self._beside(tokens, row, number, 1) if follows else None,
                    text=text,
                    sentence=number,
                    row=row,
                    file=file,
                    record=record,
                    metadata=read_metadata(*metadata) if metadata else {},
                    around=tuple(self._beside(tokens, row, number, one) for one in offsets),
                )
            )
        return tuple(found)

    @cached_property
    def _texts(self) -> dict[str, Any]:
        """What is said of all sentences, where that is held."""
        return self._rows.whole_columns(SENTENCES, self._of_sentences)

    def _said(self, numbers: Sequence[int]) -> dict[int, tuple[Any, ...]]:
        """Text, file and record of some sentences, by their numbers, and metadata that is kept."""
        names = self._of_sentences
        if self._held:
            said = {name: self._texts[name].take(list(numbers)) for name in names}
        else:
            said = self._rows.take(SENTENCES, numbers, names)
        columns = (said[name].to_pylist() for name in names)
        return dict(zip(numbers, zip(*columns, strict=True), strict=True))

    def _beside(
        self, tokens: dict[int, CorpusToken], row: int, number: int, offset: int
    ) -> CorpusToken | None:
        """The token so far from a row; None where that is not in its sentence."""
        return tokens[row + offset] if self._inside(row + offset, number) else None

    def _inside(self, row: int, number: int) -> bool:
        """Whether a row is of that sentence."""
        starts, sizes = self._bounds
        return bool(starts[number] <= row < starts[number] + sizes[number])

    def _tokens_at(
        self, rows: Array, numbers: Sequence[int], offsets: Sequence[int]
    ) -> dict[int, CorpusToken]:
        """The tokens of some rows, and of those so far from them in their sentences."""
        here = rows.tolist()
        if not self._held:
            whole = self.sentences(sorted(set(numbers)))
            first = {number: int(self.starts[number]) for number in whole}
            return {first[n] + at: one for n, own in whole.items() for at, one in enumerate(own)}
        beside = [
            row + offset
            for row, number in zip(here, numbers, strict=True)
            for offset in offsets
            if self._inside(row + offset, number)
        ]
        wanted = np.array(sorted({*here, *beside}))
        own = self._columns_at(wanted)
        made = self._made(
            own, [self._head(*one) for one in zip(own["sentence"], own["head"], strict=True)]
        )
        return dict(zip(wanted.tolist(), made, strict=True))

    def _head(self, sentence: int, head: int) -> str | None:
        """The word of that number in a sentence; none below 0, or of which there is no token."""
        if head < 0:
            return None
        start, size = (int(bounds[sentence]) for bounds in self._bounds)
        places = np.flatnonzero(self._columns.numbers("word")[start : start + size] == head)
        if not len(places):
            return None
        return self._columns.labels("form").at(places[:1] + start)[0]
