"""What "equal" means in these tests, and the prompts that they run."""

from __future__ import annotations

import torch
from torch import Tensor

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
"""Relative to the largest number of the expected array: the promise of the README."""

# Some kernels round to fp32 in a model of any dtype: nothing about them is closer than this.
FP32_ROUNDING = 1e-6

DTYPES = (torch.float32, torch.float64)

PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 4)
OTHER_PROMPT = (1, 30, 77, 99, 15, 120, 41, 66, 23, 9)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected number; the same scores must be masked."""
    assert actual.shape == expected.shape, f"{tuple(actual.shape)} != {tuple(expected.shape)}"
    assert actual.dtype == expected.dtype, f"{actual.dtype} != {expected.dtype}"
    masked = expected < -1e30
    assert torch.equal(actual < -1e30, masked), "not the same entries are masked"
    difference = (actual - expected)[~masked].abs().max().item()
    return difference / max(expected[~masked].abs().max().item(), 1e-30)


def assert_close(actual: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
    limit = TOLERANCE[expected.dtype] if tolerance is None else tolerance
    error = relative_error(actual, expected)
    assert error <= limit, f"relative error {error:.1e}, allowed {limit:.0e}"
