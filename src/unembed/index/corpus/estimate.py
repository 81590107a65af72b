"""What a corpus will take, from samples of its files: tokens, disk, time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.about import Site
from unembed.index.corpus.collecting import NOTHING, cost, kinds_of, tables_of
from unembed.index.corpus.files import pieces, size_of
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.corpus.lists import seconds_of_lists
from unembed.index.corpus.options import CorpusOptions
from unembed.index.corpus.pieces import Piece
from unembed.index.corpus.rows import Rows
from unembed.index.corpus.stretches import read_stretch
from unembed.index.corpus.tagging import PlainTagger, Tagger
from unembed.index.corpus.trial import Places, Seconds, Trial, clock, stretch_of
from unembed.result import Columns, Result

_FILES, _SAMPLE_BYTES = 16, 16 << 20  # files that are looked into, and how far into all of them
_PART_CHARS = 60_000  # that are read as a build reads them, to know how many tokens are added
_PIECES = 1200  # of all files, that tokens are counted in; a batch is made of some hundred


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


def _sample(path: Path, options: CorpusOptions, most: int) -> _Sample:
    """Reads so many bytes at most, or a little more."""
    size = max(1, size_of(path))
    chars, before, kept = 0, [(0.0, 0)], []
    every = pieces(
        path,
        column=options.column,
        lines=options.split == "lines",
        metadata=options.metadata or (),
    )
    for piece in every:
        if piece.done != before[-1][0]:
            if before[-1][0] * size > most or chars > most:  # packed files have more than they take
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
    """About how many tokens the files have, without those that a tokenizer adds."""
    return round(_measured(model, paths, options).tokens)


def expected_rows(model: Model, paths: Sequence[Path], options: CorpusOptions) -> int:
    """About how many tokens a corpus of the files has: those around each sentence, or part of one,
    are among them. Exact of some pages whose sentences are not spaCy's to find.
    """
    found = _measured(model, paths, options)
    part = _part(found.sampled)
    words = PlainTagger()
    words.submit(part, options.split != "sentences")
    longest = min(options.max_tokens, model.max_positions)
    stretch = read_stretch(model, list(enumerate(part)), words.result(), longest)
    kept = sum(len(sentence.ids) for sentence in stretch.sentences)
    return round(found.tokens * kept / max(1, _tokens_in(model, part)))


def _part(sampled: Sequence[Piece]) -> Sequence[Piece]:
    """All where they are short, else some of each length, none longer than all may be."""
    if sum(len(piece.text) for piece in sampled) <= _PART_CHARS:
        return sampled
    return [
        replace(piece, text=piece.text[:_PART_CHARS]) if len(piece.text) > _PART_CHARS else piece
        for piece in stretch_of(sampled, _PART_CHARS)
    ]


def _tokens_in(model: Model, some: Sequence[Piece]) -> int:
    """Without special ones."""
    return sum(
        len(model.tokenizer(piece.text, add_special_tokens=False, verbose=False)["input_ids"])
        for piece in some
    )


@dataclass(frozen=True)
class _Measured:
    """Tokens of all files, about, without special ones; and the pieces that were looked at."""

    tokens: float
    sampled: list[Piece]


def _measured(model: Model, paths: Sequence[Path], options: CorpusOptions) -> _Measured:
    some = _spread(paths)
    samples = [_sample(path, options, _SAMPLE_BYTES // len(some)) for path in some]
    each = -(-_PIECES // max(1, len(samples)))
    sampled = [
        piece
        for sample in samples
        for piece in islice(sample.pieces, 0, None, max(1, len(sample.pieces) // each))
    ]
    share = sum(size_of(path) for path in paths) / max(1, sum(size_of(path) for path in some))
    chars = share * sum(sample.chars for sample in samples)
    each_char = _tokens_in(model, sampled) / max(1, sum(len(piece.text) for piece in sampled))
    return _Measured(chars * each_char, sampled)


def estimate(
    model: Model,
    paths: Sequence[Path],
    sites: Sequence[Site],
    options: CorpusOptions,
    words: Tagger,
    stretch_chars: int,
    cancel: Cancel | None,
    places: Places | None = None,
) -> CorpusEstimate:
    """See `estimate_corpus`."""
    start = clock()
    measured = _measured(model, paths, options)
    bare, sampled = measured.tokens, measured.sampled
    measuring = clock() - start  # a build does so, too
    with TemporaryDirectory(prefix="unembed-estimate-") as folder:
        version = Path(folder, "v-estimate")
        version.mkdir()
        rows = Rows(CorpusFolder(Path(folder)), version, writer=True)
        rows.mend()
        trial = Trial(model, rows, sites, options, words, stretch_chars, cancel)
        each = trial.seconds_each(sampled) if sampled else Seconds(0.0, 0.0, 0.0)
        beside = trial.bytes_beside() if rows.n_tokens else 0.0
        n_special = rows.n_sentences * len(model.tokenizer("", verbose=False)["input_ids"])
        tokens = bare * rows.n_tokens / max(1, rows.n_tokens - n_special)
        layers = sorted({site.layer for site in sites})
        tables = tables_of(model, layers, kinds_of(options.examples))
        examples = cost(model, rows, tables, tokens, cancel) if tables and sampled else NOTHING
    size = beside + sum(site.bytes_each for site in sites)
    seconds = measuring + words.ready_in + each.of(tokens, places) + examples.seconds
    if tokens > model.settings.exact_search_tokens:
        seconds += sum(seconds_of_lists(site, round(tokens)) for site in sites)
    rate = tokens / seconds if tokens else 0.0
    return CorpusEstimate(round(tokens), round(tokens * size) + examples.bytes, seconds, rate)
