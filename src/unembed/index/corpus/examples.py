"""Where in a corpus a node, or a direction, is strongest; where it is middling; and anywhere.

One pass over the corpus; of each node the strongest token of some sentences is kept, some counts,
and its values at tokens that were drawn before, whatever the size of the corpus. Quantiles are
those of the tokens drawn: of all, where the corpus has no more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.passes.run import Run
from unembed.index.corpus.alike import Correlations
from unembed.index.corpus.collected import QUANTILES, Found, Place
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples_result import (
    AlikeNode,
    CorpusExample,
    CorpusExamples,
    Histogram,
)
from unembed.index.corpus.measures import HEAD, Measures, Nodes
from unembed.index.corpus.options import ExamplesOptions
from unembed.index.corpus.passes import AT_ONCE, Span, drawn, runs_of, spans_of
from unembed.index.corpus.sentences import CorpusSentence
from unembed.index.store import Array
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float

DEFAULTS = ExamplesOptions()
BINS = 30  # of a histogram
DRAWN, FEWEST_DRAWN = 20_000, 500  # tokens whose values are kept, of each node
DRAWN_BYTES = 512 * 1024 * 1024  # of all nodes, about
PASS_BYTES = 128 * 1024 * 1024  # of values of one pass
PATTERNS_AT_ONCE = 512  # tokens: whole patterns are large
SENTENCES_HELD = 64  # before their strongest tokens are compared


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

    Neurons and heads whose examples were kept when the corpus was built (`examples="both"`) take no
    pass where the options are those that they were kept with: the defaults.

    Of the strongest, each sentence is listed once, with its strongest token; special tokens count
    nowhere. Sentences are run as they were read when the corpus was built.

    Raises:
        TargetError, CapabilityError: no such node.
        InputError: a node at one position, a vector that does not fit, weights changed since.
    """
    asked = options.changed(**changes)
    measures = Measures(corpus.model, nodes)
    corpus.check_current()
    found = corpus.collected.of(measures.targets, asked)
    if found is None:
        (found,) = looked_for(corpus.model, corpus.columns, [measures], asked, cancel, progress)
    items = _items(corpus, measures, [one.places for one in found], cancel)
    return tuple(
        _listed(corpus, measures, order, asked, one, items[order])
        for order, one in enumerate(found)
    )


def looked_for(
    model: Model,
    columns: TokenColumns,
    measured: Sequence[Measures],
    asked: ExamplesOptions,
    cancel: Cancel | None,
    progress: Progress | None,
    *,
    spans: Sequence[Span] | None = None,
    n_nodes: int = 0,
) -> list[list[Found]]:
    """What is kept of each node of some groups, from one pass for all of them.

    Of many nodes fewer tokens are drawn; each group has a sample of its own.

    Args:
        spans: sentences that are looked at; absent: all.
        n_nodes: draw as few tokens as if a group had so many.
    """
    words = columns.words()
    groups = [_Group(one, asked, words, max(n_nodes, len(one))) for one in measured]
    for (first, size), run in runs_of(
        model,
        columns,
        spans_of(columns) if spans is None else spans,
        tuple(dict.fromkeys(name for one in measured for name in one.capture)),
        at_once=max(1, min(AT_ONCE, PASS_BYTES // (8 * max(1, sum(map(len, measured)))))),
        cancel=cancel,
        progress=progress,
    ):
        own = np.flatnonzero(words[first : first + size])
        for group in groups:
            group.add(run, first, size, own)
    return [group.found() for group in groups]


# ---------------------------------------------------------------- what is kept of a pass


class _Group:
    """Nodes that share a sample of tokens."""

    def __init__(
        self, measures: Measures, asked: ExamplesOptions, words: Mask, n_nodes: int
    ) -> None:
        most = min(DRAWN, max(FEWEST_DRAWN, DRAWN_BYTES // (8 * max(1, n_nodes))))
        self._measures, self._asked = measures, asked
        self._sample = drawn(np.flatnonzero(words), most, asked.seed)
        self._seen = _Seen(asked, len(measures), len(self._sample))
        self._correlations = Correlations()

    def add(self, run: Run, first: int, size: int, own: Array) -> None:
        """One sentence; `own` are its tokens that are not special."""
        low, high = np.searchsorted(self._sample, [first, first + size])
        values, wholes = self._measures.seen(run)
        self._seen.add(values, first, own, self._sample[low:high], slice(low, high))
        if self._asked.alike:
            self._correlations.add(wholes, own)

    def found(self) -> list[Found]:
        """What is kept of each."""
        alike = self._correlations.nearest(self._asked.alike)
        return [
            self._seen.found(order, self._sample, alike.get(order, ()))
            for order in range(len(self._measures))
        ]


class _Seen:
    """What nodes were at the tokens so far: as much however many tokens there were."""

    def __init__(self, asked: ExamplesOptions, n_nodes: int, n_drawn: int) -> None:
        self._asked = asked
        self._drawn = np.zeros((n_nodes, n_drawn))  # values at the tokens drawn
        self._n = 0
        self._active = np.zeros(n_nodes, np.int64)
        self._total = np.zeros(n_nodes)
        self._least, self._most = np.full(n_nodes, np.inf), np.full(n_nodes, -np.inf)
        # [node, sentence], of the strongest token of each: its value times -1, and its row
        self._top = np.empty((n_nodes, 0)), np.empty((n_nodes, 0), np.int64)
        self._new: list[tuple[Array, Array]] = []

    def add(self, values: Array, first: int, own: Array, sample: Array, at: slice) -> None:
        """The values [node, token] of one sentence; `own` are its tokens that are not special."""
        self._drawn[:, at] = values[:, sample - first]
        if not len(own):
            return
        here = values[:, own]
        self._n += here.shape[1]
        self._active += (here > self._asked.threshold).sum(1)
        self._total += here.sum(1)
        np.minimum(self._least, here.min(1), out=self._least)
        np.maximum(self._most, here.max(1), out=self._most)
        best = here.argmax(1)
        self._new.append((-here[np.arange(len(here)), best], first + own[best]))
        if len(self._new) > SENTENCES_HELD:
            self._cut()

    def _cut(self) -> None:
        """Only the strongest, the first of equals."""
        if not self._new:
            return
        values, rows = (
            np.concatenate([old, *(one[side][:, None] for one in self._new)], axis=1)
            for side, old in enumerate(self._top)
        )
        order = np.lexsort((rows, values))[:, : self._asked.top]
        self._top = np.take_along_axis(values, order, 1), np.take_along_axis(rows, order, 1)
        self._new = []

    def found(self, node: int, sample: Array, alike: tuple[AlikeNode, ...]) -> Found:
        """What is kept of one node."""
        self._cut()
        top = zip(*(side[node].tolist() for side in self._top), strict=True)
        places: list[Place] = [("top", None, -value, row) for value, row in top]
        values = self._drawn[node]
        places += _middling(self._asked, values, sample)
        return Found(
            self._n,
            int(self._active[node]),
            float(self._total[node]),
            float(self._least[node]),
            float(self._most[node]),
            len(sample),
            tuple(places),
            _histogram(values, self._asked.threshold),
            alike,
        )


def _middling(asked: ExamplesOptions, values: Array, sample: Array) -> list[Place]:
    """Tokens of the sample at quantiles, and some at random."""
    order = np.argsort(values, kind="stable")
    n, each = len(order), asked.each
    found: list[Place] = []
    for quantile in QUANTILES if each else ():
        middle = round(quantile * (n - 1))
        first = max(0, min(middle - each // 2, n - each))
        for at in order[first : first + each][::-1].tolist():
            found.append(("quantile", quantile, float(values[at]), int(sample[at])))
    some = np.random.default_rng(asked.seed + 1).permutation(n)[: asked.random]
    return found + [("random", None, float(values[at]), int(sample[at])) for at in some.tolist()]


def _items(
    corpus: Corpus, measures: Measures, chosen: Sequence[Sequence[Place]], cancel: Cancel | None
) -> list[tuple[CorpusExample, ...]]:
    """The examples of each node: every sentence is run once, whatever nodes it is listed of."""
    rows = sorted({row for places in chosen for *_, row in places})
    whole = {one.row: one for one in corpus.sentences(rows).items} if rows else {}
    spans = {one.row - one.position: len(one.tokens) for one in whole.values()}
    wanted: dict[int, set[tuple[int, int]]] = {first: set() for first in spans}
    for order, places in enumerate(chosen):
        for *_, row in places:
            wanted[row - whole[row].position].add((order, row))
    patterns = {
        order: f"{target.stem}.pattern"
        for order, target in enumerate(measures.targets)
        if target is not None and target.kind == HEAD
    }
    values: dict[tuple[int, int], tuple[float, ...]] = {}
    looks: dict[tuple[int, int], tuple[int, float]] = {}
    for (first, _), run in runs_of(
        corpus.model,
        corpus.columns,
        list(spans.items()),
        (*measures.capture, *patterns.values()),
        at_once=PATTERNS_AT_ONCE if patterns else AT_ONCE,
        cancel=cancel,
    ):
        seen = measures.values(run)
        for order, row in wanted[first]:
            values[order, first] = tuple(seen[order].tolist())
            if order in patterns:
                looks[order, row] = _most_attended(run[patterns[order]], whole[row])
    return [
        tuple(
            CorpusExample(
                group, quantile, value, row, one.sentence, one.position, one.text, one.tokens,
                values[order, row - one.position], *looks.get((order, row), ()),
            )
            for group, quantile, value, row in places
            for one in (whole[row],)
        )
        for order, places in enumerate(chosen)
    ]  # fmt: skip


def _most_attended(
    pattern: Float[Tensor, "query key"], sentence: CorpusSentence
) -> tuple[int, float]:
    """Where a head looks from the token that a sentence is listed for, and with how much."""
    row = pattern[sentence.position].clone()
    row[[one.token.special for one in sentence.tokens]] = -1.0
    at = int(row.argmax())
    return at, float(row[at])


def _histogram(values: Array, threshold: float) -> Histogram | None:
    active = values[values > threshold]
    if not len(active):
        return None
    counts, edges = np.histogram(active, bins=BINS)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


def _listed(
    corpus: Corpus,
    measures: Measures,
    order: int,
    asked: ExamplesOptions,
    found: Found,
    items: tuple[CorpusExample, ...],
) -> CorpusExamples:
    n = found.n
    return CorpusExamples(
        corpus=corpus.about.name,
        node=measures.names[order],
        measured=measures.words[order],
        n=n,
        density=found.active / n if n else 0.0,
        threshold=float(asked.threshold),
        mean=found.total / n if n else 0.0,
        least=found.least if n else 0.0,
        most=found.most if n else 0.0,
        n_drawn=found.n_drawn,
        histogram=found.histogram,
        alike=found.alike,
        items=items,
    )
