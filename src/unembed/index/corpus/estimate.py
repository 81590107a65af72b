"""What a corpus will take, from samples of its files: tokens, disk, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.about import BYTES_BESIDE, Site
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece, pieces
from unembed.index.corpus.reading import read_sentence
from unembed.index.corpus.states import vectors_of
from unembed.index.corpus.tagging import Tagger
from unembed.result import Columns, Result

_FILES, _SHARE_BYTES, _PIECES = 16, 1 << 20, 24
_LEAST_SECONDS = 2.0  # of passes that are timed


@dataclass(frozen=True, repr=False)
class CorpusEstimate(Result):
    """What a corpus will take."""

    tokens: Annotated[int, "Special tokens are among them."]
    bytes: Annotated[int, "On disk."]
    seconds: Annotated[float, "On this machine, as busy as it is now."]
    tokens_per_second: float

    def summary(self) -> str:
        return (
            f"{self.tokens:,} tokens, {self.bytes / 1e6:,.0f} MB, {self.seconds / 60:,.1f} minutes"
        )

    def columns(self) -> Columns:
        """One row."""
        return {name: [value] for name, value in self.to_dict().items()}


@dataclass(frozen=True)
class _Sample:
    """Some pieces of a file, and how many characters of text all of it has, about."""

    pieces: tuple[Piece, ...]
    chars: float


def _sample(path: Path, options: CorpusOptions) -> _Sample:
    """Reads a megabyte at most."""
    size = max(1, _size(path))
    chars, before, kept = 0, [(0.0, 0)], []
    for piece in pieces(path, column=options.column, lines=options.split == "lines"):
        if piece.done != before[-1][0]:
            if before[-1][0] * size > _SHARE_BYTES:
                break
            before.append((piece.done, chars))
        chars += len(piece.text)
        kept.append(piece)
    else:
        return _Sample(tuple(kept), chars)
    done, read = before[-2] if len(before) > 2 else before[-1]
    return _Sample(tuple(kept), chars if not done else read / done)


def _spread(paths: Sequence[Path]) -> list[Path]:
    step = max(1, -(-len(paths) // _FILES))
    return list(paths[::step])


def expected_tokens(model: Model, paths: Sequence[Path], options: CorpusOptions) -> int:
    """About how many tokens the files have."""
    return round(_measured(model, paths, options)[0])


def _measured(
    model: Model, paths: Sequence[Path], options: CorpusOptions
) -> tuple[float, list[Piece]]:
    """Tokens in all, and the pieces that were looked at."""
    samples = [_sample(path, options) for path in _spread(paths)]
    sampled = [
        piece
        for sample in samples
        for piece in islice(sample.pieces, 0, None, max(1, len(sample.pieces) // _PIECES))
    ]
    tokens = chars = 0
    for piece in sampled:
        found = model.tokenizer(piece.text, add_special_tokens=False, verbose=False)
        tokens += len(found["input_ids"])
        chars += len(piece.text)
    share = sum(_size(path) for path in paths) / max(1, sum(_size(path) for path in _spread(paths)))
    return share * sum(sample.chars for sample in samples) * tokens / max(1, chars), sampled


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(part.stat().st_size for part in path.rglob("*.arrow"))
    return path.stat().st_size


def estimate(
    model: Model,
    paths: Sequence[Path],
    sites: Sequence[Site],
    options: CorpusOptions,
    words: Tagger,
    cancel: Cancel | None,
) -> CorpusEstimate:
    """See `estimate_corpus`."""
    bare, sampled = _measured(model, paths, options)
    longest = min(options.max_tokens, model.max_positions)
    start = time.perf_counter()
    words.submit(sampled, options.split != "sentences")
    found = words.result()
    tagged = time.perf_counter() - start
    start = time.perf_counter()
    sentences = [
        sentence.ids
        for piece, own in zip(sampled, found, strict=True)
        for one in own
        for sentence in read_sentence(model, piece.text, one, longest)
        if sentence.ids
    ]
    read = time.perf_counter() - start
    n = max(1, sum(map(len, sentences)))
    n_special = sum(len(model.tokenizer("", verbose=False)["input_ids"]) for _ in sentences)
    tokens = bare * n / max(1, n - n_special)
    each = (read + max(tagged, _timed(model, sentences, sites, cancel))) / n
    size = BYTES_BESIDE + sum(site.bytes_each for site in sites)
    return CorpusEstimate(round(tokens), round(tokens * size), tokens * each, 1 / each)


def _timed(
    model: Model,
    sentences: Sequence[tuple[int, ...]],
    sites: Sequence[Site],
    cancel: Cancel | None,
) -> float:
    """Seconds that the model needs for the sentences, as a build makes its passes."""
    taken: list[float] = []
    begun = time.perf_counter()
    while sentences and len(taken) < 3 and time.perf_counter() - begun < _LEAST_SECONDS:
        start = time.perf_counter()
        vectors_of(model, sentences, sites, cancel)
        taken.append(time.perf_counter() - start)
    return min(taken, default=0.0)
