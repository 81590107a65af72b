"""Linear maps, whichever class holds their weight."""

from __future__ import annotations

from torch import Tensor, nn


def is_map(module: nn.Module) -> bool:
    """Whether the module is one matrix: nn.Linear, its subclasses, or transformers' Conv1D."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        return False
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def weight_in_out(module: nn.Module) -> Tensor:
    """The matrix as [d_in, d_out], so that x @ weight is what the map computes (a view)."""
    weight: Tensor = module.weight  # type: ignore[assignment]
    return weight if type(module).__name__ == "Conv1D" else weight.T


def bias_of(module: nn.Module) -> Tensor | None:
    """The bias [d_out], or None."""
    bias = getattr(module, "bias", None)
    return bias if isinstance(bias, Tensor) else None
