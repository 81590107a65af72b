"""What part of a vector some writes make up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

ROUNDING = {torch.float64: 1e-10, torch.bfloat16: 2e-2, torch.float16: 3e-3}
ROUNDING_FP32 = 1e-5


def rounding(dtype: torch.dtype) -> float:
    """A rest of no more than this, beside what was added, is rounding error."""
    return ROUNDING.get(dtype, ROUNDING_FP32)


def shares(writes: Float[Tensor, "n d_model"], added: Float[Tensor, " d_model"]) -> list[float]:
    """<write, added> / ‖added‖² of each: parts that sum to `added` have shares that sum to 1."""
    vectors, total = writes.cpu().double(), added.cpu().double()  # not every device has float64
    square = float(total @ total)
    found: list[float] = (vectors @ total / square if square else vectors[:, 0] * 0).tolist()
    return found
