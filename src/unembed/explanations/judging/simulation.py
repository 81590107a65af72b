"""Scores of an explanation that was simulated: activations told from its words alone, against real.

Bills et al. 2023, "Language models can explain neurons in language models". Pure functions of
arrays over tokens, real activations [token] and simulated ones [token]. What cannot be scored is
None, never nought: an array that is constant has no correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from unembed.explanations.agreement import INTERVAL

Values = NDArray[np.float64]
Calibration = Callable[[Values], Values]
"""From what a simulator says, on a scale of its own, to activations."""


def correlation(real: Values, simulated: Values) -> float | None:
    """Pearson's correlation over all tokens, the score that the paper prefers."""
    off, other = real - real.mean(), simulated - simulated.mean()
    size = float(np.sqrt((off @ off) * (other @ other)))
    return float(off @ other) / size if size > 0 else None


def explained_variance(real: Values, simulated: Values) -> float | None:
    """1 - mean((real - simulated)²) / variance of the real ones; not above 1, below 0 if worse than
    their mean.
    """
    spread = float(real.var())
    return 1 - float(((real - simulated) ** 2).mean()) / spread if spread > 0 else None


def linear(real: Values, simulated: Values) -> Calibration:
    """The line through (simulated, real) with the least squares; flat where all say the same."""
    off = simulated - simulated.mean()
    size = float(off @ off)
    slope = float(off @ (real - real.mean())) / size if size > 0 else 0.0
    middle, height = float(simulated.mean()), float(real.mean())
    return lambda values: height + slope * (values - middle)


def correlation_interval(
    real: Sequence[Values], simulated: Sequence[Values], times: int, seed: int
) -> tuple[float, float]:
    """95% of the correlation over texts drawn again, with replacement: [text][token] of both.

    A draw in which either is constant counts as 0: nothing is told in it.
    """
    moments = np.array(
        [
            [len(a), a.sum(), b.sum(), a @ a, b @ b, a @ b]
            for a, b in zip(real, simulated, strict=True)
        ]
    )
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(moments), np.full(len(moments), 1 / len(moments)), size=times)
    n, a, b, aa, bb, ab = (drawn @ moments).T
    size = np.sqrt(np.maximum((aa - a * a / n) * (bb - b * b / n), 0.0))
    found = np.divide(
        ab - a * b / n, size, out=np.zeros(times), where=size > 1e-12 * (aa * bb) ** 0.5
    )
    low, high = np.quantile(found, INTERVAL).tolist()
    return float(low), float(high)
