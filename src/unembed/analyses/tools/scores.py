"""How a distribution rates one token: the numbers that every analysis gives of its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from unembed.engine.reading.readout import Readout


@dataclass(frozen=True)
class TargetScore:
    """How one distribution rates one token."""

    probability: float
    logit: float
    rank: Annotated[int, "1 for the most likely token: 1 + how many have a higher logit."]


def target_score(readout: Readout, row: int, column: int = 0) -> TargetScore:
    """What one state that was read gives to one of its targets."""
    return TargetScore(
        probability=float(readout.target_probabilities[row, column]),
        logit=float(readout.target_logits[row, column]),
        rank=int(readout.ranks[row, column]),
    )
