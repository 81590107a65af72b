"""What part of a vector some writes make up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


def shares(writes: Float[Tensor, "n d_model"], added: Float[Tensor, " d_model"]) -> list[float]:
    """<write, added> / ‖added‖² of each: parts that sum to `added` have shares that sum to 1."""
    vectors, total = writes.cpu().double(), added.cpu().double()  # not every device has float64
    square = float(total @ total)
    found: list[float] = (vectors @ total / square if square else vectors[:, 0] * 0).tolist()
    return found
