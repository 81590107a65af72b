"""The tables of one version of a corpus: sentences, their tokens, and vectors of each site.

A stretch of sentences is appended table by table: tokens first, then the sentences, then vectors.
What counts is the sentences: after a kill, `mend` drops rows that they do not speak of, and
vectors that are missing are computed from the tokens that are kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from unembed.index.bucket import look
from unembed.index.corpus.about import Counts, Site
from unembed.index.corpus.reading import NOWHERE, ReadSentence
from unembed.index.store import Array, Column, Store, to_array, to_numpy

SENTENCES, TOKENS = "sentences", "tokens"
NUMBERS = ("sentence", "position", "id", "start", "end", "word", "head")
LABELS = ("form", "lemma", "pos", "tag", "dep", "entity")
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Stretch:
    """Some sentences of a corpus, and where each comes from."""

    sentences: tuple[ReadSentence, ...]
    files: tuple[str, ...]  # of each sentence
    records: tuple[int, ...]
    pieces: tuple[int, ...]  # running numbers over all files
    metadata: tuple[str | None, ...]  # JSON of text; None where none is kept


@dataclass(frozen=True)
class StretchColumns:
    """Rows of the two tables of text, whose rows and sentences are counted from 0."""

    sentences: Mapping[str, Column]
    tokens: Mapping[str, Column]

    @classmethod
    def of(cls, stretch: Stretch, special: set[int]) -> StretchColumns:
        """Of sentences; `special` are the ids of special tokens."""
        sizes = [len(one.ids) for one in stretch.sentences]
        sentences: dict[str, Column] = {
            "text": [one.text for one in stretch.sentences],
            "file": stretch.files,
            "record": np.array(stretch.records, np.int64),
            "piece": np.array(stretch.pieces, np.int64),
            "first": np.array([*accumulate(sizes[:-1], initial=0)][: len(sizes)], np.int64),
            "n": np.array(sizes, np.int32),
            "whole": np.array([one.whole for one in stretch.sentences], np.int8),
        }
        if any(one is not None for one in stretch.metadata):
            sentences["metadata"] = [one or "{}" for one in stretch.metadata]
        return cls(sentences, _token_columns(stretch, special))


class Rows(Store):
    """The tables of one version of a corpus.

    Whoever writes calls `mend` first; from then on `n_sentences`, `n_tokens` and `n_pieces` say how
    much is whole: sentences, their tokens, and pieces of the files that they came from.
    """

    # vectors: texts, lists of like tokens and examples are small, and stay in the folder
    apart = re.compile(r"L\d+\.(resid_post|resid_pre|z)")

    n_sentences: int
    n_tokens: int
    n_pieces: int

    def mend(self) -> None:
        """Drop what an interrupted append left beyond the last whole sentence."""
        self.unpack()
        self.n_sentences = self.count(SENTENCES)
        self.n_tokens = self.n_pieces = 0
        if self.n_sentences:
            starts, sizes = self.bounds()
            self.n_tokens = int(starts[-1] + sizes[-1])
            self.n_pieces = self.last_piece() + 1
        if self.count(TOKENS) > self.n_tokens:
            self.cut(TOKENS, "row", self.n_tokens)

    def last_piece(self) -> int:
        """The number of the piece that the last sentence is of."""
        return int(to_numpy(self.column(SENTENCES, "piece"))[-1])

    def bounds(self) -> tuple[Array, Array]:
        """The first row of each sentence, and how many it has."""
        first, n = (to_numpy(self.column(SENTENCES, name)) for name in ("first", "n"))
        return first, n

    def has_metadata(self) -> bool:
        """Whether fields of records are kept."""
        with self.reading():
            return "metadata" in self._open(SENTENCES).schema.names

    def check_apart(self, sites: Sequence[Site], n: int) -> None:
        """Raise LoadError unless the tables in a bucket can be reached, and have n rows each."""
        if self.bucket is None:
            return
        look(self.bucket.at, self.folder.silence)
        for site in sites:
            found = self.count(site.name)
            if found != n:
                where = f"{site.name} in {self.bucket.at}"
                said = f"has {found:,} of {n:,} rows" if found else "is missing"
                raise self.folder.damaged(f"{where} {said}")

    def sizes_apart(self, sites: Sequence[Site]) -> dict[str, int]:
        """Bytes of each table in a bucket."""
        apart = (site.name for site in sites if self.stands_apart(site.name))
        return {name: self.size(name) for name in apart}

    def counts(self) -> Counts:
        """How much there is."""
        _, sizes = self.bounds()
        whole = to_numpy(self.column(SENTENCES, "whole"))
        return Counts(
            len(sizes), int(sizes.sum()), int((whole == 0).sum()), int((sizes == 0).sum())
        )

    # ------------------------------------------------------------ writing

    def add_sentences(self, stretch: Stretch, special: set[int]) -> None:
        """Append sentences and their tokens."""
        self.add_columns(StretchColumns.of(stretch, special))

    def add_columns(self, columns: StretchColumns) -> None:
        """Append sentences and their tokens, behind those that there are."""
        sentences, tokens = dict(columns.sentences), dict(columns.tokens)
        sizes, pieces = to_array(sentences["n"]), to_array(sentences["piece"])
        if len(to_array(tokens["row"])):
            tokens["row"] = to_array(tokens["row"]) + self.n_tokens
            tokens["sentence"] = to_array(tokens["sentence"]) + np.int32(self.n_sentences)
            self.add(TOKENS, tokens)
        sentences["first"] = to_array(sentences["first"]) + self.n_tokens
        self.add(SENTENCES, sentences)
        self.n_sentences += len(sizes)
        self.n_tokens += int(sizes.sum())
        self.n_pieces = int(pieces[-1]) + 1

    def add_vectors(self, site: Site, first: int, vectors: Array, lengths: Array) -> None:
        """Append directions [rows, width] and lengths [rows, heads] of tokens from row `first`."""
        self.add(site.name, vector_columns(first, vectors, lengths))

    def begin_vectors(self, site: Site) -> None:
        """Make the table of a site, without rows, if there is none."""
        if not self.has(site.name):
            none = np.empty((0, site.width)), np.empty((0, site.heads))
            self.add(site.name, vector_columns(0, *none))

    def n_vectors(self, site: Site) -> int:
        """Tokens whose vectors are kept: up to the last whole sentence of them."""
        n = self.count(site.name)
        if not n:
            return 0
        starts, sizes = self.bounds()
        ends = starts + sizes
        whole = int(ends[ends <= n].max(initial=0))
        if whole < n:
            self.cut(site.name, "row", whole)
        return whole

    # ------------------------------------------------------------ reading

    def ids(self, first: int) -> Iterator[tuple[int, tuple[int, ...]]]:
        """(row of its first token, token ids) of each sentence from row `first` on."""
        starts, sizes = self.bounds()
        wanted = np.flatnonzero((starts >= first) & (sizes > 0))
        held, at, reader = np.empty(0, np.int32), first, None
        for sentence in wanted:
            start, size = int(starts[sentence]), int(sizes[sentence])
            reader = reader or self.stretches(TOKENS, ["id"], ROWS_AT_ONCE, first)
            while at + len(held) < start + size:
                held = np.concatenate([held, to_numpy(next(reader)["id"])])
            own = held[start - at : start - at + size]
            held, at = held[start - at + size :], start + size
            yield start, tuple(int(one) for one in own)

    def vectors(self, site: Site, rows_at_once: int) -> Iterator[Array]:
        """The directions of a site, in order, some [rows, width] at a time."""
        for part in self.stretches(site.name, ["vector"], rows_at_once):
            yield to_numpy(part["vector"])

    def take_vectors(self, site: Site, rows: Sequence[int]) -> Array:
        """The directions of some rows."""
        return to_numpy(self.take(site.name, rows, ["vector"])["vector"])


def vector_columns(first: int, vectors: Array, lengths: Array) -> dict[str, Column]:
    """Rows of a table of vectors: of tokens from row `first` on."""
    return {
        "row": np.arange(first, first + len(vectors), dtype=np.int64),
        "vector": vectors.astype(np.float16),
        "length": lengths.astype(np.float32),
    }


def _token_columns(stretch: Stretch, special: set[int]) -> dict[str, Column]:
    """One row for each token."""
    numbers: dict[str, list[int]] = {name: [] for name in (*NUMBERS, "special")}
    labels: dict[str, list[str]] = {name: [] for name in LABELS}
    for order, sentence in enumerate(stretch.sentences):
        n = len(sentence.ids)
        numbers["sentence"] += [order] * n
        numbers["position"] += range(n)
        numbers["id"] += sentence.ids
        numbers["start"] += [start for start, _ in sentence.spans]
        numbers["end"] += [end for _, end in sentence.spans]
        numbers["word"] += sentence.word_of
        added = [span == NOWHERE for span in sentence.spans]
        numbers["special"] += [
            here or one in special for here, one in zip(added, sentence.ids, strict=True)
        ]
        _add_words(sentence, numbers["head"], labels)
    columns: dict[str, Column] = {
        name: np.array(values, np.int8 if name == "special" else np.int32)
        for name, values in numbers.items()
    }
    rows = np.arange(len(numbers["id"]), dtype=np.int64)
    return {"row": rows, **columns, **labels}


def _add_words(sentence: ReadSentence, heads: list[int], labels: dict[str, list[str]]) -> None:
    """The word of each token, and what it is."""
    for place in sentence.word_of:
        word = sentence.words[place] if place >= 0 else None
        heads.append(-1 if word is None else word.head)
        labels["form"].append("" if word is None else sentence.text[word.start : word.end])
        for name in LABELS[1:]:
            labels[name].append("" if word is None else getattr(word, name))
