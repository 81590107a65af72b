"""What is kept of the predictions of several states: never all of their logits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int


@dataclass(frozen=True)
class Readout:
    """What n states predict. Sums are float64 wherever the device has it.

    `target_logits`, `ranks` and `kl` have one column per target or reference that was asked for,
    so none where none was.
    """

    top_ids: Int[Tensor, "n k"]  # best first, ties by lower id
    top_logits: Float[Tensor, "n k"]
    logsumexp: Float[Tensor, " n"]
    entropy: Float[Tensor, " n"]  # nats
    target_logits: Float[Tensor, "n m"]
    ranks: Int[Tensor, "n m"]  # 1 is the best: 1 + how many logits are strictly higher
    kl: Float[Tensor, "n pairs"]  # KL(reference ‖ state), nats
    mean: Float[Tensor, "n means"]  # of all logits; no column unless it was asked for

    @staticmethod
    def joined(parts: Sequence[Readout]) -> Readout:
        """One readout of the states of several, in order."""
        if len(parts) == 1:
            return parts[0]
        names = [field.name for field in fields(Readout)]
        return Readout(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def first(self, n: int) -> Readout:
        """That of the first n states."""
        return Readout(*(getattr(self, field.name)[:n] for field in fields(Readout)))

    @property
    def top_probabilities(self) -> Float[Tensor, "n k"]:
        """Of the top tokens."""
        return (self.top_logits - self.logsumexp[:, None]).exp()

    @property
    def target_probabilities(self) -> Float[Tensor, "n m"]:
        """Of the targets."""
        return (self.target_logits - self.logsumexp[:, None]).exp()
