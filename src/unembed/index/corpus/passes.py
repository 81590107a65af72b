"""The sentences of a corpus run again, many in one pass, for what is not kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.passes.run import Run
from unembed.engine.sweep import sweep
from unembed.engine.targets import Name
from unembed.index.corpus.columns import TokenColumns
from unembed.index.store import Array
from unembed.models.progress import Progress

Span = tuple[int, int]  # first row of a sentence, and how many tokens it has
AT_ONCE = 2048  # tokens of what is captured together


def spans_of(columns: TokenColumns) -> list[Span]:
    """Every sentence that has tokens."""
    first, sizes = columns.rows.bounds()
    return [(int(at), int(size)) for at, size in zip(first, sizes, strict=True) if size]


def runs_of(
    model: Model,
    columns: TokenColumns,
    spans: Sequence[Span],
    capture: Sequence[Name],
    *,
    at_once: int = AT_ONCE,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Span, Run]]:
    """A run of each sentence that captured `capture`, those of one length together.

    `progress` is called with ("reading the corpus", tokens done, tokens) before each pass.
    """
    ids: Array = columns.numbers("id")
    total, done = sum(size for _, size in spans), 0
    left = sorted(spans, key=lambda span: (-span[1], span[0]))
    while left:
        if progress is not None:
            progress("reading the corpus", done, total)
        n = max(1, at_once // left[0][1])
        together, left = left[:n], left[n:]
        prompts = [ids[first : first + size].tolist() for first, size in together]
        runs = sweep(model, prompts, capture=capture, logits="none", cancel=cancel)
        yield from zip(together, runs, strict=True)
        done += sum(size for _, size in together)
    if progress is not None:
        progress("reading the corpus", total, total)


def drawn(values: Array, wanted: int, seed: int) -> Array:
    """Some of the values at random, in order; all where there are no more."""
    if len(values) <= wanted:
        return values
    chosen = np.random.default_rng(seed).choice(len(values), wanted, replace=False)
    found: Array = values[np.sort(chosen)]
    return found
