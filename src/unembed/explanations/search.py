"""The best predicate for a set of active tokens: which classes of which family to join.

Of each family the class with the largest F1, and further ones while each raises it enough; of all
families the simplest that is about as good as the best. Tokens are those that labels are made
from, by their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unembed.explanations.predicates import Family
from unembed.index.corpus.columns import Mask
from unembed.index.store import Array

FEWEST = 3  # active tokens of a class: fewer are no evidence
GAIN = 0.02  # of F1: what a further class must bring
PRICE = 0.02  # of F1: what each further class costs a label beside one without it
MARGIN = 0.01  # of F1: a simpler family is as good as one that is no more ahead


@dataclass(frozen=True)
class Choice:
    """Some classes of a family, joined."""

    family: Family
    codes: tuple[int, ...]
    f1: float  # on the tokens that it was made from

    def holds(self, tokens: Array) -> Mask:
        """Which of these tokens it describes."""
        own = self.family.codes[tokens]
        found: Mask = np.isin(own, self.codes)
        return found


def totals_of(family: Family, tokens: Array) -> Array:
    """How many of these tokens each class has."""
    own = family.codes[tokens]
    found: Array = np.bincount(own[own >= 0], minlength=len(family.names))
    return found


def fitted(family: Family, totals: Array, active: Array, most: int) -> Choice | None:
    """The best union of at most `most` classes of one family; None where no class has evidence.

    Args:
        totals: of the family, over all tokens that labels are made from.
        active: those of them where the node is active.
    """
    own = family.codes[active]
    codes, hits = np.unique(own[own >= 0], return_counts=True)
    enough = hits >= FEWEST
    codes, hits = codes[enough], hits[enough]
    sizes = totals[codes]
    chosen: list[int] = []
    both, said, best = 0, len(active), 0.0
    while len(chosen) < min(most, len(codes)):
        scores = 2 * (both + hits) / (said + sizes)
        scores[chosen] = -1.0
        at = int(scores.argmax())
        if chosen and scores[at] < best + GAIN:
            break
        chosen.append(at)
        both, said, best = both + int(hits[at]), said + int(sizes[at]), float(scores[at])
    if not chosen:
        return None
    return Choice(family, tuple(sorted(int(codes[at]) for at in chosen)), best)


def best_first(choices: Sequence[Choice]) -> list[Choice]:
    """The label first: of those within `MARGIN` of the best, the one of the simplest family.

    Families come simplest first; each further class of a label costs `PRICE`.
    """
    if not choices:
        return []
    prices = [one.f1 - PRICE * (len(one.codes) - 1) for one in choices]
    best = max(prices)
    first = next(at for at, price in enumerate(prices) if price >= best - MARGIN)
    rest = sorted(
        (at for at in range(len(choices)) if at != first), key=lambda at: (-prices[at], at)
    )
    return [choices[at] for at in (first, *rest)]
