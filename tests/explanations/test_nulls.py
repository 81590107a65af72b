"""What chance gives is what chance gives: within two standard errors of closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from unembed.explanations import nulls, search
from unembed.explanations.agreement import ranks
from unembed.explanations.predicates import Family

N, SHUFFLES, TIMES = 500, 30, 60


def f1_by_chance(described, active, n):
    """Mean and standard deviation of F1 of two sets of these sizes, one of them drawn at random.

    What they share is hypergeometric, and F1 is twice that over the sum of the sizes.
    """
    share = described / n
    spread = active * share * (1 - share) * (n - active) / (n - 1)
    return 2 * active * share / (described + active), 2 * np.sqrt(spread) / (described + active)


def test_a_label_on_shuffled_activations_is_at_chance():
    off = {"f1": [], "auc": []}
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        described, values = rng.random(N) < rng.uniform(0.02, 0.4), rng.standard_normal(N)
        active = values + described > 1.5  # so that it is a good label of what is not shuffled
        orders = np.stack([rng.permutation(N) for _ in range(SHUFFLES)])
        found = nulls.shuffled(described, active, ranks(values), orders)
        n, others = int(described.sum()), int((~described).sum())
        chance, spread = f1_by_chance(n, int(active.sum()), N)
        off["f1"].append((found.f1 - chance) / (spread / np.sqrt(SHUFFLES)))
        error = np.sqrt((N + 1) / (12 * n * others) / SHUFFLES)
        off["auc"].append((found.auc - 0.5) / error)
        assert found.low <= found.f1 <= found.high
        assert found.auc_low <= found.auc <= found.auc_high
    for errors in off.values():
        assert np.mean(np.abs(errors) <= 2) >= 0.9
        assert abs(np.mean(errors)) <= 2 / np.sqrt(TIMES)


def test_labels_made_from_shuffled_activations_are_at_chance_held_out():
    """Chosen among many, and still an AUC of a half where they were not made."""
    found = []
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        family = Family("token", rng.integers(0, 40, 2 * N), tuple(map(str, range(40))))
        own, held = np.arange(N), np.arange(N, 2 * N)
        totals = search.totals_of(family, own)
        values = rng.standard_normal(N)
        orders = tuple(np.stack([rng.permutation(N) for _ in range(10)]) for _ in range(2))
        null = nulls.searched(
            lambda active, family=family, totals=totals: search.fitted(family, totals, active, 3),
            30,
            held,
            values > 1.5,
            ranks(values),
            orders,
        )
        found.append(null.auc - 0.5)
        assert null.high > 0
    assert abs(np.mean(found)) <= 2 * np.std(found, ddof=1) / np.sqrt(TIMES)


def test_a_search_that_finds_nothing_scores_nothing():
    orders = (np.arange(10)[None], np.arange(10)[None])
    active = np.arange(10) > 6
    found = nulls.searched(lambda _: None, 3, np.arange(10), active, ranks(np.arange(10)), orders)
    assert (found.f1, found.auc) == (0.0, pytest.approx(0.5))
