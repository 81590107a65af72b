"""What is learnt from: sequences of token ids, from a corpus or from files, and their order.

All ids are held, four bytes each; activations never are but for a block of them. Which sequences
a block has follows from the seed and its number alone, so that training goes on where it stopped
without anything of the texts in a checkpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.errors import InputError
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.files import pieces, sources
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.reading import check_readable, read_sentence
from unembed.index.corpus.tagging import PlainTagger

Array = NDArray[Any]
Source = Corpus | str | Path | Sequence[str | Path]
OFTEN = 500  # sequences
SHARE = 10  # at most one token in so many is held out
_HELD_OUT, _ORDER = 1, 2  # streams of random numbers that have nothing to do with each other


def nothing() -> None:
    """What is called in between where nobody waits."""


@dataclass(frozen=True, eq=False)
class Texts:
    """Sequences one after the other, and which of their tokens are learnt from.

    Args:
        ids: of all tokens.
        starts: the first token of each sequence, and one more: where the last ends.
        own: of each token whether it counts: not the first of its sequence, whose activation is
            like no others, and no special one.
        corpus: the name of the one that they are of, where they are of one.
    """

    words: str
    ids: Array
    starts: Array
    own: Array
    corpus: str | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    def sequence(self, number: int) -> tuple[int, ...]:
        """Its token ids."""
        return tuple(self.ids[self.starts[number] : self.starts[number + 1]].tolist())

    def places(self, number: int) -> Array:
        """The positions in it that are learnt from."""
        return np.flatnonzero(self.own[self.starts[number] : self.starts[number + 1]])

    @property
    def counts(self) -> Array:
        """How many tokens of each sequence are learnt from."""
        before = np.concatenate([[0], np.cumsum(self.own)])
        found: Array = before[self.starts[1:]] - before[self.starts[:-1]]
        return found

    @property
    def digest(self) -> str:
        """What tells them from other texts."""
        held = hashlib.sha256(self.ids.tobytes())
        held.update(self.starts.tobytes())
        return held.hexdigest()[:16]


def source_of(model: Model, source: Source) -> Corpus | list[Path]:
    """A corpus of the model, or the files that there are of what is named.

    Raises:
        InputError: the corpus is of another model, or a file cannot be read.
        IndexMissingError: neither a file nor a corpus has this name.
        CapabilityError: a model whose texts cannot be read token by token.
    """
    check_readable(model)
    if isinstance(source, str) and not Path(source).expanduser().exists():
        source = open_corpus(model, source)
    if isinstance(source, Corpus):
        if source.about.fingerprint != model.fingerprint:
            raise InputError(
                f"the corpus {source.about.name!r} has the token ids of {source.about.model} "
                f"({source.about.fingerprint}), not of {model.name} ({model.fingerprint})",
                field="corpus",
                value=source.about.name,
                legal=f"a corpus of fingerprint {model.fingerprint}",
                fix="index its files with this model, or give the files",
            )
        return source
    return sources([source] if isinstance(source, str | Path) else list(source))[0]


def texts_of(
    model: Model,
    source: Source,
    context: int,
    column: str,
    cancel: Cancel | None = None,
    between: Callable[[], None] = nothing,
    most: int | None = None,
) -> Texts:
    """Sequences of a corpus, of the corpus of a name, or of files; at most so many.

    `between` is called from time to time while they are read. Raises as `source_of` does, and
    InputError where nothing is in them.
    """
    found = source_of(model, source)
    if isinstance(found, Corpus):
        name = found.about.name
        made = _made(model, name, _telling(islice(found.token_ids(), most), between))
        return replace(made, corpus=name)
    named = ", ".join(path.name for path in found[:3]) + (" ..." if len(found) > 3 else "")
    read = _read(model, found, context, column, cancel)
    return _made(model, named, _telling(islice(read, most), between))


def _read(
    model: Model, paths: Sequence[Path], context: int, column: str, cancel: Cancel | None
) -> Iterator[tuple[int, ...]]:
    """Stretches of files, as long as the context where the text is."""
    words, longest = PlainTagger(), min(context, model.max_positions)
    for path in paths:
        for piece in pieces(path, column=column):
            if cancel is not None:
                cancel.check()
            words.submit([piece], True)
            for sentence in words.result()[0]:
                for one in read_sentence(model, piece.text, sentence, longest):
                    yield one.ids


def _telling(
    sequences: Iterable[tuple[int, ...]], between: Callable[[], None]
) -> Iterator[tuple[int, ...]]:
    for number, one in enumerate(sequences):
        if number % OFTEN == 0:
            between()
        yield one


def _made(model: Model, words: str, sequences: Iterable[tuple[int, ...]]) -> Texts:
    special = [int(one) for one in getattr(model.tokenizer, "all_special_ids", ())]
    parts = [np.array(ids, np.int32) for ids in sequences if len(ids) > 1]
    ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    own = ~np.isin(ids, special)
    own[starts[:-1]] = False
    found = Texts(words, ids, starts, own)
    if len(found) < 2 or not own.any():
        raise InputError(
            f"there is nothing to learn from in {words}: it has {len(found)} sequences of two "
            "tokens or more, and one is held out",
            field="corpus",
            value=words,
            legal="two sequences or more",
        )
    return found


def held_out(texts: Texts, wanted: int, seed: int) -> tuple[Array, Array]:
    """(sequences that measures are of, those that are learnt from), drawn by the seed."""
    order = np.random.default_rng([seed, _HELD_OUT]).permutation(len(texts))
    counts = texts.counts[order]
    most = min(wanted, max(1, int(counts.sum()) // SHARE))
    n = int(np.searchsorted(np.cumsum(counts), most)) + 1
    n = min(n, len(texts) - 1)
    return np.sort(order[:n]), np.sort(order[n:])


def blocks(texts: Texts, among: Array, size: int, seed: int, first: int = 0) -> Iterator[list[int]]:
    """The sequences of one block after the other, from number `first` on, without an end.

    Each has `size` tokens that count, or a few more; all sequences come once in an order of their
    own before any comes again.
    """
    counts, number, epoch = texts.counts, 0, 0
    if not counts[among].sum():
        raise InputError(
            f"there is nothing to learn from in {texts.words}: no token of it counts",
            field="corpus",
            value=texts.words,
        )
    block, held = [], 0
    while True:
        for at in np.random.default_rng([seed, _ORDER, epoch]).permutation(among).tolist():
            block.append(at)
            held += int(counts[at])
            if held >= size:
                if number >= first:
                    yield block
                block, held, number = [], 0, number + 1
        epoch += 1
