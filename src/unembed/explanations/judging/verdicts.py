"""What judgements are worth: metrics of answers against the truth, and what chance would give.

Pure functions. An answer is a probability of yes, 0 and 1 where only yes and no are said; None is
one that failed, which is counted and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unembed.explanations.agreement import INTERVAL, auc_of_ranks, precision_recall_f1, ranks
from unembed.explanations.scores import ByChance, Judged
from unembed.index.corpus.columns import Mask

HALF = 0.5  # from here on an answer is a yes


def judged(
    answers: Sequence[float | None], truth: Sequence[bool], *, shuffles: int, seed: int
) -> Judged:
    """Precision, recall, F1, balanced accuracy and AUC of answers that did not fail.

    `null` is the balanced accuracy where the truth is shuffled, mean and 95% of the shuffles. Where
    nothing is left of one side of the truth, what it needs is None.
    """
    kept = [at for at, answer in enumerate(answers) if answer is not None]
    said = np.array([float(answers[at] or 0.0) for at in kept])
    true = np.array([truth[at] for at in kept], bool)
    failed = len(answers) - len(kept)
    if not true.any() or true.all():
        return Judged(len(kept), failed, None, None, None, None, None, None, False)
    yes = said >= HALF
    precision, recall, f1 = precision_recall_f1(yes, true)
    accuracy = balanced_accuracy(yes, true)
    null = by_chance(lambda order: balanced_accuracy(yes, true[order]), len(true), shuffles, seed)
    auc = auc_of_ranks(ranks(said), true)
    above = accuracy > null.high
    low, high = accuracy_interval(yes, true, shuffles, seed)
    return Judged(len(kept), failed, precision, recall, f1, accuracy, auc, null, above, low, high)


def accuracy_interval(yes: Mask, true: Mask, times: int, seed: int) -> tuple[float, float]:
    """95% of the balanced accuracy over texts drawn again, with replacement, from either side."""
    rng = np.random.default_rng(seed)
    shares = [rng.choice(side, (times, len(side))).mean(1) for side in (yes[true], ~yes[~true])]
    low, high = np.quantile((shares[0] + shares[1]) / 2, INTERVAL).tolist()
    return float(low), float(high)


def balanced_accuracy(yes: Mask, true: Mask) -> float:
    """The mean of the shares of either side of the truth that are answered rightly."""
    return (float(yes[true].mean()) + float((~yes[~true]).mean())) / 2


def by_chance(
    score: Callable[[NDArray[np.int64]], float], n: int, shuffles: int, seed: int
) -> ByChance:
    """Mean and 95% of a score over orders of n drawn at random."""
    rng = np.random.default_rng(seed)
    return spread_of([score(rng.permutation(n)) for _ in range(shuffles)])


def spread_of(scores: Sequence[float]) -> ByChance:
    """The mean of some scores, and 95% of them."""
    low, high = np.quantile(scores, INTERVAL).tolist()
    return ByChance(float(np.mean(scores)), low, high)
