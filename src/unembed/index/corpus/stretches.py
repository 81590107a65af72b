"""A stretch of a build: pieces with their words become sentences as the model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unembed.engine.names.vocabulary import Vocabulary
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.reading import read_sentence
from unembed.index.corpus.rows import Stretch
from unembed.index.corpus.tagging import Sentence


def read_stretch(
    model: Vocabulary,
    numbered: Sequence[tuple[int, Piece]],
    found: Sequence[Sequence[Sentence]],
    longest: int,
) -> Stretch:
    """Sentences of pieces, each with its running number, as the model reads them."""
    rows = [
        (sentence, piece.file, piece.record, number, piece.metadata)
        for (number, piece), own in zip(numbered, found, strict=True)
        for one in own
        for sentence in read_sentence(model, piece.text, one, longest)
    ]
    sentences, files, records, numbers, metadata = zip(*rows, strict=True) if rows else ((),) * 5
    return Stretch(sentences, files, records, numbers, metadata)


def token_rows(stretch: Stretch, first: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(row of its first token, token ids) of each sentence that has any."""
    for sentence in stretch.sentences:
        if sentence.ids:
            yield first, sentence.ids
        first += len(sentence.ids)
