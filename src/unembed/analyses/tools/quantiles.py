"""Quantiles of distributions that torch does not have."""

from __future__ import annotations

from math import pi, sqrt, tan

import torch


def student(share: float, freedom: int) -> float:
    """The quantile of Student's t for a share above a half.

    Exact for 1 and 2 degrees of freedom; else the expansion of Fisher and Cornish (Abramowitz and
    Stegun, 26.7.5), to 1 % for 97.5 % and more of 3 degrees on.
    """
    if freedom == 1:
        return tan(pi * (share - 0.5))
    if freedom == 2:
        return (2 * share - 1) / sqrt(2 * share * (1 - share))
    z = float(torch.special.ndtri(torch.tensor(share, dtype=torch.float64)))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom**power) for power, term in enumerate(terms, 1))
