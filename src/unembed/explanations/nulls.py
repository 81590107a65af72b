"""What chance gives: a label on shuffled activations, and labels made from shuffled activations.

Activations are shuffled over the tokens that labels are made from, and over those held out, each
among themselves, so that as many tokens are active as before.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unembed.explanations.agreement import INTERVAL, auc_of_ranks, precision_recall_f1
from unembed.explanations.result import Null
from unembed.explanations.search import Choice
from unembed.index.corpus.columns import Mask
from unembed.index.store import Array


def shuffled(described: Mask, active: Mask, ranked: Array, orders: Array) -> Null:
    """The scores of a label where the activations of held-out tokens are shuffled.

    Args:
        orders: Int[shuffle, token], each an order of the held-out tokens.
    """
    scores = [_scores(described, active[order], ranked[order]) for order in orders]
    return summed_up(scores)


def searched(
    label: Callable[[Array], Choice | None],
    n_active: int,
    held_out: Array,
    active: Mask,
    ranked: Array,
    orders: tuple[Array, Array],
) -> Null:
    """The scores of labels that are made from shuffled activations.

    Args:
        label: the best one for the tokens, by their places among those that labels are made from,
            that are active; None where none has evidence, which scores nothing.
        n_active: how many of those are active.
        held_out: the tokens held out, by their places in the sample.
        orders: Int[shuffle, token] of the tokens that labels are made from, and of the others.
    """
    scores = []
    for own, other in zip(*orders, strict=True):
        found = label(np.sort(own[:n_active]))
        holds = np.zeros(len(held_out), bool) if found is None else found.holds(held_out)
        scores.append(_scores(holds, active[other], ranked[other]))
    return summed_up(scores)


def _scores(described: Mask, active: Mask, ranked: Array) -> tuple[float, float]:
    return precision_recall_f1(described, active)[2], auc_of_ranks(ranked, described)


def summed_up(scores: list[tuple[float, float]]) -> Null:
    """Mean and 95% of (F1, AUC) over shuffles."""
    f1, auc = np.array(scores).T
    (low, high), (auc_low, auc_high) = (np.quantile(one, INTERVAL).tolist() for one in (f1, auc))
    return Null(float(f1.mean()), low, high, float(auc.mean()), auc_low, auc_high)
