"""What a corpus will take, from samples of its files: tokens, disk, time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.about import Site
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.lists import seconds_of_lists
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece, pieces
from unembed.index.corpus.rows import SENTENCES, TOKENS, Rows
from unembed.index.corpus.states import add_states
from unembed.index.corpus.stretches import read_stretch, token_rows
from unembed.index.corpus.tagging import Sentence, Tagger
from unembed.result import Columns, Result

_FILES, _SHARE_BYTES = 16, 1 << 20
_PIECES = 1200  # of all files, that tokens are counted in; a batch is made of some hundred
WARM_CHARS = 4_000  # of a stretch that is not timed
ROUND_SECONDS = 1.5  # that a stretch should take
LEAST_SECONDS, MOST_ROUNDS = 3.0, 8  # that are timed


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
    each = -(-_PIECES // max(1, len(samples)))
    sampled = [
        piece
        for sample in samples
        for piece in islice(sample.pieces, 0, None, max(1, len(sample.pieces) // each))
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


@dataclass(frozen=True)
class Places:
    """Where a build on Ray runs, one stage after the other; each as fast as this process."""

    cores: int  # each reads texts
    workers: int  # that hold the model


@dataclass(frozen=True)
class _Seconds:
    """Of a token."""

    here: float  # all of it, with texts tagged beside
    reading: float  # what the stages of a build on Ray take, one after the other
    states: float

    def at(self, places: Places | None) -> float:
        """Where a build is to run; None: in this process."""
        if places is None:
            return self.here
        return self.reading / places.cores + self.states / places.workers


def estimate(
    model: Model,
    paths: Sequence[Path],
    sites: Sequence[Site],
    options: CorpusOptions,
    words: Tagger,
    cancel: Cancel | None,
    places: Places | None = None,
) -> CorpusEstimate:
    """See `estimate_corpus`."""
    start = time.perf_counter()
    bare, sampled = _measured(model, paths, options)
    measuring = time.perf_counter() - start  # a build does so, too
    with TemporaryDirectory(prefix="unembed-estimate-") as folder:
        version = Path(folder, "v-estimate")
        version.mkdir()
        rows = Rows(CorpusFolder(Path(folder)), version, writer=True)
        rows.mend()
        trial = _Trial(model, rows, sites, options, words, cancel)
        each = trial.seconds_each(sampled).at(places) if sampled else 0.0
        beside = trial.bytes_beside() if rows.n_tokens else 0.0
    n_special = rows.n_sentences * len(model.tokenizer("", verbose=False)["input_ids"])
    tokens = bare * rows.n_tokens / max(1, rows.n_tokens - n_special)
    size = beside + sum(site.bytes_each for site in sites)
    seconds = measuring + tokens * each
    if tokens > model.settings.exact_search_tokens:
        seconds += sum(seconds_of_lists(site, round(tokens)) for site in sites)
    rate = tokens / seconds if tokens else 0.0
    return CorpusEstimate(round(tokens), round(tokens * size), seconds, rate)


class _Trial:
    """A build of samples: each stretch is read, computed and written while the next is tagged."""

    def __init__(
        self,
        model: Model,
        rows: Rows,
        sites: Sequence[Site],
        options: CorpusOptions,
        words: Tagger,
        cancel: Cancel | None,
    ) -> None:
        self._model, self._rows, self._sites, self._cancel = model, rows, sites, cancel
        self._words, self._whole = words, options.split != "sentences"
        self._longest = min(options.max_tokens, model.max_positions)
        self._reading = self._states = 0.0  # seconds that both took since they were set to 0

    def seconds_each(self, sampled: Sequence[Piece]) -> _Seconds:
        """Seconds of a token, after a first stretch whose time does not count."""
        start = time.perf_counter()
        first = _stretch(sampled, WARM_CHARS)
        self._kept(first, self._tagged(first))
        a_second = sum(len(piece.text) for piece in first) / (time.perf_counter() - start)
        part = _stretch(sampled, max(WARM_CHARS, round(a_second * ROUND_SECONDS)))
        start = time.perf_counter()
        found, n, rounds = self._tagged(part), 0, 0
        tagging, self._reading, self._states = time.perf_counter() - start, 0.0, 0.0
        start = time.perf_counter()
        while rounds < MOST_ROUNDS and time.perf_counter() - start < LEAST_SECONDS:
            self._words.submit(part, self._whole)
            n += self._kept(part, found)
            found = self._words.result()
            rounds += 1
        together, n = time.perf_counter() - start, max(1, n)
        reading = rounds * tagging + self._reading
        start = time.perf_counter()
        for name in (SENTENCES, TOKENS, *(site.name for site in self._sites)):
            self._rows.pack(name)
        packing = (time.perf_counter() - start) / max(1, self._rows.n_tokens)
        return _Seconds(together / n + packing, reading / n, self._states / n)

    def bytes_beside(self) -> float:
        """On disk, of a token: its text, numbers and labels."""
        tables = (Path(self._rows.place(name), "data") for name in (SENTENCES, TOKENS))
        files = (file for table in tables for file in table.iterdir())
        return sum(file.stat().st_size for file in files) / self._rows.n_tokens

    def _tagged(self, part: Sequence[Piece]) -> list[list[Sentence]]:
        self._words.submit(part, self._whole)
        return self._words.result()

    def _kept(self, part: Sequence[Piece], found: Sequence[Sequence[Sentence]]) -> int:
        """Tokens of a stretch that was read and kept."""
        rows, first = self._rows, self._rows.n_tokens
        start = time.perf_counter()
        stretch = read_stretch(self._model, list(enumerate(part)), found, self._longest)
        ids = [own for _, own in token_rows(stretch, first)]
        if stretch.sentences:
            rows.add_sentences(stretch, set())
        read = time.perf_counter()
        if ids:
            add_states(self._model, rows, self._sites, first, ids, self._cancel)
        self._reading += read - start
        self._states += time.perf_counter() - read
        return rows.n_tokens - first


def _stretch(sampled: Sequence[Piece], chars: int) -> list[Piece]:
    """Samples of about so many characters, from all over, or all that there are."""
    step = max(1.0, sum(len(piece.text) for piece in sampled) / chars)
    return [sampled[int(at * step)] for at in range(max(1, int(len(sampled) / step)))]
