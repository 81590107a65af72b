"""Scores equal scikit-learn's on the same judgements; the interval equals a plain loop's."""

from __future__ import annotations

import numpy as np
import pytest

from unembed.explanations.agreement import (
    Resampled,
    agreement,
    auc_of_ranks,
    precision_recall_f1,
    ranks,
)


def drawn(seed, share=0.2, n=400):
    rng = np.random.default_rng(seed)
    described = rng.random(n) < share
    values = np.round(np.maximum(rng.standard_normal(n) + described, 0), 1)  # with ties
    return described, values > 0.8, values


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learns(seed, metrics):
    described, active, values = drawn(seed, share=0.05 + 0.2 * seed)
    wanted = [
        score(active, described)
        for score in (metrics.precision_score, metrics.recall_score, metrics.f1_score)
    ]
    assert precision_recall_f1(described, active) == pytest.approx(wanted, abs=1e-12)
    wanted = metrics.roc_auc_score(described, values)
    assert auc_of_ranks(ranks(values), described) == pytest.approx(wanted, abs=1e-12)


def test_nothing_described_or_active_scores_nothing():
    none, some = np.zeros(4, bool), np.array([True, False, False, True])
    assert precision_recall_f1(none, some) == (0.0, 0.0, 0.0)
    assert precision_recall_f1(some, none) == (0.0, 0.0, 0.0)
    assert auc_of_ranks(ranks(np.arange(4)), none) == 0.5
    assert auc_of_ranks(ranks(np.arange(4)), ~none) == 0.5


def test_the_interval_is_that_of_sentences_drawn_again(metrics):
    described, active, values = drawn(7)
    sentences = np.repeat(np.arange(40), 10) + 5
    found = agreement(
        described, active, ranks(values), Resampled(sentences, 100, np.random.default_rng(3))
    )
    weights = np.random.default_rng(3).multinomial(40, np.full(40, 1 / 40), size=100)
    f1 = []
    for row in weights:
        tokens = np.concatenate(
            [np.tile(np.flatnonzero(sentences == 5 + one), row[one]) for one in range(40)]
        )
        f1.append(metrics.f1_score(active[tokens], described[tokens]))
    assert [found.low, found.high] == pytest.approx(np.quantile(f1, (0.025, 0.975)))
    assert found.low < found.f1 < found.high
