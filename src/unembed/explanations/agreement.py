"""How well a label tells where a node is active: precision, recall, F1, AUC, and an interval.

Pure functions of arrays over tokens. `described` says where a label holds, `active` where the node
is. The interval is of F1 and by sentences: they are drawn again with replacement, since the tokens
of one sentence are not independent of each other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unembed.explanations.result import Agreement
from unembed.index.corpus.columns import Mask
from unembed.index.store import Array

INTERVAL = (0.025, 0.975)


def precision_recall_f1(described: Mask, active: Mask) -> tuple[float, float, float]:
    """Of two masks [token]; 0 where nothing is described, or active."""
    both, n, wanted = (int(one.sum()) for one in (described & active, described, active))
    return (
        both / n if n else 0.0,
        both / wanted if wanted else 0.0,
        2 * both / (n + wanted) if n + wanted else 0.0,
    )


def ranks(values: Array) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: NDArray[np.float64] = (last - (counts - 1) / 2)[places]
    return found


def auc_of_ranks(ranked: Array, described: Mask) -> float:
    """Chance that a described token ranks above another one, equal ranks counted half.

    The area under the ROC curve (Mann and Whitney's U over all pairs); 0.5 where there are no
    pairs.
    """
    n = int(described.sum())
    others = len(described) - n
    if not n or not others:
        return 0.5
    return float(ranked[described].sum() - n * (n + 1) / 2) / (n * others)


class Resampled:
    """Sentences drawn again with replacement, the same ones for every label.

    Args:
        sentences: of each token the number of its sentence.
        times: how often.
    """

    def __init__(self, sentences: Array, times: int, rng: np.random.Generator) -> None:
        _, self._place = np.unique(sentences, return_inverse=True)
        n = int(self._place.max(initial=-1)) + 1
        self._weights = rng.multinomial(n, np.full(n, 1 / n), size=times).astype(np.float64)

    def f1(self, described: Mask, active: Mask) -> tuple[float, float]:
        """The interval of F1, 95%."""
        n = self._weights.shape[1]
        counts = [
            np.bincount(self._place[mask], minlength=n)
            for mask in (described & active, described, active)
        ]
        both, said, wanted = (self._weights @ one for one in counts)
        found = 2 * both / np.maximum(said + wanted, 1)
        low, high = np.quantile(found, INTERVAL)
        return float(low), float(high)


def agreement(described: Mask, active: Mask, ranked: Array, resampled: Resampled) -> Agreement:
    """All of it, of held-out tokens."""
    precision, recall, f1 = precision_recall_f1(described, active)
    low, high = resampled.f1(described, active)
    return Agreement(precision, recall, f1, low, high, auc_of_ranks(ranked, described))
