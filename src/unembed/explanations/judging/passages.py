"""The texts that a judge is shown: where a node is active, strongly to weakly, and where not.

All are of held-out sentences, but those that a simulation is calibrated on. Each sentence gives one
text, a window around its strongest token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unembed.engine.model import Model
from unembed.explanations.judging.judge import Passage
from unembed.explanations.sample import Sample
from unembed.index.corpus.columns import Mask
from unembed.index.store import Array


@dataclass(frozen=True, eq=False)
class Text:
    """A window of a sentence, and what the node is in it."""

    passage: Passage
    values: Array  # [token]
    active: Mask  # [token]


@dataclass(frozen=True, eq=False)
class Texts:
    """Where it is active, and where it is nowhere active."""

    active: tuple[Text, ...]
    idle: tuple[Text, ...]

    @property
    def all(self) -> tuple[Text, ...]:
        """Both."""
        return (*self.active, *self.idle)


def texts_of(
    model: Model,
    sample: Sample,
    values: Array,
    active: Mask,
    *,
    held_out: bool,
    most: int,
    window: int,
    rng: np.random.Generator,
) -> Texts:
    """At most `most` texts of either kind, of one half of the sample.

    Where more sentences have an active token, those that are taken are spread from the strongest to
    the weakest.
    """
    busy: list[Array] = []
    idle: list[Array] = []
    for tokens in sample.by_sentence():
        if bool(sample.held_out[tokens[0]]) == held_out:
            (busy if active[tokens].any() else idle).append(tokens)
    busy.sort(key=lambda tokens: -float(values[tokens].max()))
    spread = np.unique(np.linspace(0, len(busy) - 1, min(most, len(busy))).round().astype(int))
    some = rng.permutation(len(idle))[:most]

    def text(tokens: Array) -> Text:
        return window_of(model, sample, tokens, values, active, window)

    return Texts(
        tuple(text(busy[at]) for at in spread), tuple(text(idle[at]) for at in sorted(some))
    )


def window_of(
    model: Model, sample: Sample, tokens: Array, values: Array, active: Mask, window: int
) -> Text:
    """The part of a sentence around its strongest token, an active one where there are any."""
    marks = active[tokens]
    strongest = int(np.where(marks | ~marks.any(), values[tokens], -np.inf).argmax())
    start = max(0, min(strongest - window // 2, len(tokens) - window))
    own = tokens[start : start + window]
    words = tuple(model.token(int(one)).text for one in sample.ids[own])
    return Text(Passage(words), values[own], active[own])


def marked(
    texts: Sequence[Text], rng: np.random.Generator
) -> tuple[tuple[Passage, ...], tuple[bool, ...]]:
    """Texts with the active tokens marked, and with as many others; which of the two each is.

    A text with no others to mark is left out.
    """
    passages: list[Passage] = []
    truth: list[bool] = []
    for text in texts:
        right, others = (np.flatnonzero(mask) for mask in (text.active, ~text.active))
        if not len(others):
            continue
        wrong = np.sort(rng.permutation(others)[: len(right)])
        for places, is_right in ((right, True), (wrong, False)):
            passages.append(Passage(text.passage.tokens, tuple(int(one) for one in places)))
            truth.append(is_right)
    return tuple(passages), tuple(truth)
