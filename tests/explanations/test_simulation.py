"""Simulation scores equal loops written from the formulas; calibrations equal closed forms."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from unembed.explanations.judging import simulation


def drawn(seed, n=60):
    rng = np.random.default_rng(seed)
    real = np.maximum(rng.standard_normal(n), 0)
    return real, np.round(10 * np.clip(real / 2 + 0.2 * rng.standard_normal(n), 0, 1))


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_plain_loops(seed):
    real, simulated = drawn(seed)
    pairs = list(zip(real.tolist(), simulated.tolist(), strict=True))
    n, mean, other = len(pairs), statistics.fmean(real), statistics.fmean(simulated)
    both = sum((a - mean) * (s - other) for a, s in pairs)
    sizes = math.sqrt(
        sum((a - mean) ** 2 for a, _ in pairs) * sum((s - other) ** 2 for _, s in pairs)
    )
    assert simulation.correlation(real, simulated) == pytest.approx(both / sizes, rel=1e-12)
    missed = sum((a - s) ** 2 for a, s in pairs) / n
    spread = sum((a - mean) ** 2 for a, _ in pairs) / n
    found = simulation.explained_variance(real, simulated)
    assert found == pytest.approx(1 - missed / spread, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_linear_calibration_is_that_of_the_normal_equations(seed):
    real, simulated = drawn(seed)
    rows = np.stack([simulated, np.ones_like(simulated)], 1)
    slope, start = np.linalg.solve(rows.T @ rows, rows.T @ real)
    calibrated = simulation.linear(real, simulated)(simulated)
    assert calibrated == pytest.approx(slope * simulated + start)
    before = simulation.correlation(real, simulated)
    assert simulation.explained_variance(real, calibrated) == pytest.approx(before**2)


def test_what_cannot_be_scored_is_not_scored_as_nought():
    flat, real = np.ones(5), np.arange(5.0)
    assert simulation.correlation(real, flat) is None
    assert simulation.correlation(flat, real) is None
    assert simulation.explained_variance(flat, real) is None
    assert simulation.linear(real, flat)(real) == pytest.approx(np.full(5, 2.0))
