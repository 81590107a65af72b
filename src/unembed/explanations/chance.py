"""Labels made from shuffled activations: what whoever makes labels says of nothing.

Shuffled are the activations of the sentences that labels are made from. The judge then sees these
labels beside the texts of the real node, as the label that is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from unembed.engine.model import Model
from unembed.explanations.predicates import families_of, in_words
from unembed.explanations.sample import Sample
from unembed.explanations.search import best_first, fitted, totals_of
from unembed.index.store import Array

Maker = Callable[[Sequence[Array]], Sequence[str | None]]
"""From activations over a sample, of several nodes, to what would be said of each."""
JOINED = 3


def shuffled_values(sample: Sample, values: Array, times: int, seed: int) -> list[Array]:
    """Activations [token] of a node, with those that labels are made from in another order."""
    rng = np.random.default_rng(seed)
    own = np.flatnonzero(~sample.held_out)
    found = []
    for _ in range(times):
        other = values.copy()
        other[own] = values[rng.permutation(own)]
        found.append(other)
    return found


def searched_labels(model: Model, sample: Sample, threshold: float) -> Maker:
    """The labels of `explain`'s search, which needs no language model."""

    def make(several: Sequence[Array]) -> list[str | None]:
        own = np.flatnonzero(~sample.held_out)
        families = [(family, totals_of(family, own)) for family in families_of(sample, model)]
        found: list[str | None] = []
        for values in several:
            active = own[values[own] > threshold]
            fits = (fitted(family, totals, active, JOINED) for family, totals in families)
            best = next(iter(best_first([one for one in fits if one is not None])), None)
            found.append(None if best is None else in_words(best.family, best.codes))
        return found

    return make
