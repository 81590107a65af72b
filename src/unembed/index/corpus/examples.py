"""Where in a corpus a node, or a direction, is strongest; where it is middling; and anywhere.

One pass over the corpus; of each node the strongest token of some sentences is kept, some counts,
and its values at tokens that were drawn before, whatever the size of the corpus. Quantiles are
those of the tokens drawn: of all, where the corpus has no more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from unembed.analyses.tools.writes import node_of, write, write_capture
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, Target
from unembed.errors import InputError
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.examples_result import CorpusExample, CorpusExamples, Group
from unembed.index.corpus.options import ExamplesOptions
from unembed.index.corpus.passes import drawn, runs_of, spans_of
from unembed.index.store import Array
from unembed.models.progress import Progress

DEFAULTS = ExamplesOptions()
QUANTILES = (0.99, 0.9, 0.75, 0.5)
DRAWN = 20_000  # tokens whose values are kept, of each node
Direction = tuple[Name, Tensor]  # a site of the residual stream, and a vector in it
Nodes = Name | Direction | Sequence[Name | Direction]


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
        nodes: "L12.N512", "L9.H6", "L5.mlp" ..., or ("L6.resid_post", a vector): one or several. Of
            a neuron its activation counts, of other nodes the norm of what they write, of a
            direction the residual stream's share along it.
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
    measures = [_measure(corpus.model, node) for node in _several(nodes)]
    corpus.check_current()
    columns = corpus.columns
    words = columns.words()
    sample = drawn(np.flatnonzero(words), DRAWN, asked.seed)
    found = [_Found(measure, asked, np.zeros(len(sample))) for measure in measures]
    capture = list(dict.fromkeys(name for one in measures for name in one.capture))
    spans = spans_of(columns)
    for (first, size), run in runs_of(
        corpus.model, columns, spans, capture, cancel=cancel, progress=progress
    ):
        own = np.flatnonzero(words[first : first + size])
        low, high = np.searchsorted(sample, [first, first + size])
        for kept in found:
            kept.add(kept.measure.values(run), first, own, sample[low:high], slice(low, high))
    return tuple(_listed(corpus, kept, sample, cancel) for kept in found)


def _several(nodes: Nodes) -> list[Name | Direction]:
    if isinstance(nodes, str | Target):
        return [nodes]
    if isinstance(nodes, tuple) and len(nodes) == 2 and isinstance(nodes[1], Tensor):
        return [nodes]
    return list(cast("Sequence[Name | Direction]", nodes))


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True)
class _Measure:
    """A number at every token."""

    name: str
    words: str
    capture: tuple[Name, ...]
    target: Target | None
    direction: Tensor | None = None  # of length one

    @torch.no_grad()
    def values(self, run: Run) -> Array:
        """Of every token of a run, special ones too."""
        if self.direction is not None:
            found = run[self.name].double() @ self.direction.to(run[self.name].device)
        elif self.target is not None and self.target.is_number:
            found = run.value_of(self.target, every_position=True)
        else:
            found = write(run, self.target).norm(dim=-1)  # type: ignore[arg-type]  # there
        values: Array = found.double().cpu().numpy()
        return values


def _measure(model: Model, node: Name | Direction) -> _Measure:
    if isinstance(node, tuple):
        return _along(model, *node)
    target = node_of(model, node)
    if target.position is not None:
        raise InputError(
            f"{target.text} is a node at one position; examples are of all tokens",
            field="target",
            value=target.text,
            legal="a node without a position",
        )
    words = target.site if target.is_number else "norm of the write"
    return _Measure(target.text, words, tuple(write_capture(model, target)), target)


def _along(model: Model, site: Name, vector: Tensor) -> _Measure:
    target = parse_target(site)
    check_target(target, model.anatomy, model.name)
    width, length = model.anatomy.d_model, vector.detach().double().norm()
    if vector.shape != (width,) or not bool(length.isfinite()) or not bool(length):
        legal = f"{width} finite numbers that are not all zero"
        raise InputError(
            f"the direction has shape {list(vector.shape)}; it must be {legal}",
            field="direction",
            value=str(list(vector.shape)),
            legal=legal,
        )
    unit = vector.detach().double() / length
    return _Measure(target.text, "along the direction", (target.text,), None, unit)


# ---------------------------------------------------------------- what is kept of a pass


@dataclass
class _Found:
    """What one node was at the tokens so far: as much however many there were."""

    measure: _Measure
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


def _chosen(kept: _Found, sample: Array) -> list[tuple[Group, float | None, float, int]]:
    """(group, quantile, value, row) of each example."""
    kept.cut()
    found: list[tuple[Group, float | None, float, int]] = [
        ("top", None, -value, row) for value, row in kept.top
    ]
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


def _listed(corpus: Corpus, kept: _Found, sample: Array, cancel: Cancel | None) -> CorpusExamples:
    chosen = _chosen(kept, sample)
    sentences = corpus.sentences([row for *_, row in chosen]) if chosen else None
    whole = () if sentences is None else sentences.items
    spans = {one.sentence: (one.row - one.position, len(one.tokens)) for one in whole}
    again = runs_of(
        corpus.model, corpus.columns, list(spans.values()), kept.measure.capture, cancel=cancel
    )
    values = {first: kept.measure.values(run) for (first, _), run in again}
    items = tuple(
        CorpusExample(
            group, quantile, value, row, one.sentence, one.position, one.text, one.tokens,
            tuple(values[row - one.position].tolist()),
        )
        for (group, quantile, value, row), one in zip(chosen, whole, strict=True)
    )  # fmt: skip
    return CorpusExamples(
        corpus=corpus.about.name,
        node=kept.measure.name,
        measured=kept.measure.words,
        n=kept.n,
        density=kept.active / kept.n if kept.n else 0.0,
        threshold=float(kept.asked.threshold),
        mean=kept.total / kept.n if kept.n else 0.0,
        least=float(kept.least) if kept.n else 0.0,
        most=float(kept.most) if kept.n else 0.0,
        n_drawn=len(sample),
        items=items,
    )
