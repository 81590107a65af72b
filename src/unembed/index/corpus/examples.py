"""Where in a corpus a node, or a direction, is strongest; where it is middling; and anywhere.

One pass over the corpus; of each node the strongest token of some sentences is kept, some counts,
and its values at tokens that were drawn before, whatever the size of the corpus. Quantiles are
those of the tokens drawn: of all, where the corpus has no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from unembed.engine.cancel import Cancel
from unembed.index.corpus.alike import Correlations
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples_result import (
    AlikeNode,
    CorpusExample,
    CorpusExamples,
    Group,
    Histogram,
)
from unembed.index.corpus.measures import Measures, Nodes
from unembed.index.corpus.options import ExamplesOptions
from unembed.index.corpus.passes import drawn, runs_of, spans_of
from unembed.index.store import Array
from unembed.models.progress import Progress

DEFAULTS = ExamplesOptions()
QUANTILES = (0.99, 0.9, 0.75, 0.5)
BINS = 30  # of a histogram
DRAWN = 20_000  # tokens whose values are kept, of each node


def find_examples(
    corpus: Corpus,
    nodes: Nodes,
    *,
    options: ExamplesOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> tuple[CorpusExamples, ...]:
    """The tokens of a corpus where nodes are strongest, at quantiles, and at random; one pass.

    Args:
        nodes: "L12.N512", "L9.H6", "L6.F77" ..., or ("L6.resid_post", a vector): one or several. Of
            a neuron or latent its activation counts, of other nodes the norm of what they write, of
            a direction the residual stream's share along it.
        options: how many of each, and from where on a token counts as active.
        cancel: checked before every layer.
        progress: called with ("reading the corpus", tokens done, tokens).

    Of the strongest, each sentence is listed once, with its strongest token; special tokens count
    nowhere. Sentences are run as they were read when the corpus was built.

    Raises:
        TargetError, CapabilityError: no such node.
        InputError: a node at one position, a vector that does not fit, weights changed since.
    """
    asked = options.changed(**changes)
    measures = Measures(corpus.model, nodes)
    corpus.check_current()
    columns = corpus.columns
    words = columns.words()
    sample = drawn(np.flatnonzero(words), DRAWN, asked.seed)
    found = [_Found(asked, np.zeros(len(sample))) for _ in measures.nodes]
    correlations = Correlations()
    spans = spans_of(columns)
    for (first, size), run in runs_of(
        corpus.model, columns, spans, measures.capture, cancel=cancel, progress=progress
    ):
        own = np.flatnonzero(words[first : first + size])
        low, high = np.searchsorted(sample, [first, first + size])
        each, wholes = measures.seen(run)
        for kept, values in zip(found, each, strict=True):
            kept.add(values, first, own, sample[low:high], slice(low, high))
        if asked.alike:
            correlations.add(wholes, own)
    chosen = [_chosen(kept, sample) for kept in found]
    items = _items(corpus, measures, chosen, cancel)
    alike = correlations.nearest(asked.alike)
    return tuple(
        _listed(corpus, measures, order, kept, items[order], alike.get(order, ()))
        for order, kept in enumerate(found)
    )


# ---------------------------------------------------------------- what is kept of a pass


@dataclass
class _Found:
    """What one node was at the tokens so far: as much however many there were."""

    asked: ExamplesOptions
    drawn: Array  # values at the tokens drawn
    n: int = 0
    active: int = 0
    total: float = 0.0
    least: float = np.inf
    most: float = -np.inf
    top: list[tuple[float, int]] = field(default_factory=list)  # (-value, row)

    def add(self, values: Array, first: int, own: Array, sample: Array, at: slice) -> None:
        """The values of one sentence; `own` are its tokens that are not special."""
        self.drawn[at] = values[sample - first]
        if not len(own):
            return
        here = values[own]
        self.n += len(here)
        self.active += int((here > self.asked.threshold).sum())
        self.total += float(here.sum())
        self.least, self.most = min(self.least, here.min()), max(self.most, here.max())
        best = int(here.argmax())
        self.top.append((-float(here[best]), first + int(own[best])))
        if len(self.top) > 4 * self.asked.top + 64:
            self.cut()

    def cut(self) -> None:
        """Only the strongest, the first of equals."""
        self.top = sorted(self.top)[: self.asked.top]


_Place = tuple[Group, float | None, float, int]


def _chosen(kept: _Found, sample: Array) -> list[_Place]:
    """(group, quantile, value, row) of each example."""
    kept.cut()
    found: list[_Place] = [("top", None, -value, row) for value, row in kept.top]
    order = np.argsort(kept.drawn, kind="stable")
    n, each = len(order), kept.asked.each
    for quantile in QUANTILES if each else ():
        middle = round(quantile * (n - 1))
        first = max(0, min(middle - each // 2, n - each))
        for at in order[first : first + each][::-1].tolist():
            found.append(("quantile", quantile, float(kept.drawn[at]), int(sample[at])))
    some = np.random.default_rng(kept.asked.seed + 1).permutation(n)[: kept.asked.random]
    found += [("random", None, float(kept.drawn[at]), int(sample[at])) for at in some.tolist()]
    return found


def _items(
    corpus: Corpus, measures: Measures, chosen: list[list[_Place]], cancel: Cancel | None
) -> list[tuple[CorpusExample, ...]]:
    """The examples of each node: every sentence is run once, whatever nodes it is listed of."""
    rows = sorted({row for places in chosen for *_, row in places})
    whole = {one.row: one for one in corpus.sentences(rows).items} if rows else {}
    spans = {one.row - one.position: len(one.tokens) for one in whole.values()}
    wanted: dict[int, set[int]] = {first: set() for first in spans}
    for order, places in enumerate(chosen):
        for *_, row in places:
            wanted[row - whole[row].position].add(order)
    values: dict[tuple[int, int], tuple[float, ...]] = {}
    for (first, _), run in runs_of(
        corpus.model, corpus.columns, list(spans.items()), measures.capture, cancel=cancel
    ):
        seen = measures.values(run)
        values |= {(order, first): tuple(seen[order].tolist()) for order in wanted[first]}
    return [
        tuple(
            CorpusExample(
                group, quantile, value, row, one.sentence, one.position, one.text, one.tokens,
                values[order, row - one.position],
            )
            for group, quantile, value, row in places
            for one in (whole[row],)
        )
        for order, places in enumerate(chosen)
    ]  # fmt: skip


def _histogram(kept: _Found) -> Histogram | None:
    active = kept.drawn[kept.drawn > kept.asked.threshold]
    if not len(active):
        return None
    counts, edges = np.histogram(active, bins=BINS)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


def _listed(
    corpus: Corpus,
    measures: Measures,
    order: int,
    kept: _Found,
    items: tuple[CorpusExample, ...],
    alike: tuple[AlikeNode, ...],
) -> CorpusExamples:
    return CorpusExamples(
        corpus=corpus.about.name,
        node=measures.names[order],
        measured=measures.words[order],
        n=kept.n,
        density=kept.active / kept.n if kept.n else 0.0,
        threshold=float(kept.asked.threshold),
        mean=kept.total / kept.n if kept.n else 0.0,
        least=float(kept.least) if kept.n else 0.0,
        most=float(kept.most) if kept.n else 0.0,
        n_drawn=len(kept.drawn),
        histogram=_histogram(kept),
        alike=alike,
        items=items,
    )
