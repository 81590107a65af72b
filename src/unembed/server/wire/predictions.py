"""What one position predicts, layer by layer."""

from __future__ import annotations

from pydantic import Field

from unembed.server.wire.base import TokenText, Wire
from unembed.server.wire.updates import BranchUpdates


class TokenProbability(Wire):
    token: TokenText
    probability: float
    logit: float


class TargetScore(Wire):
    """How one distribution rates one token."""

    probability: float
    logit: float
    rank: int = Field(description="1 for the most likely token: 1 + how many have a higher logit.")


class Reading(Wire):
    """What one state of the residual stream predicts."""

    top: list[TokenProbability]
    entropy: float = Field(description="Nats.")
    kl_to_final: float = Field(description="KL(final ‖ this), nats; 0 for the final distribution.")
    target: TargetScore | None = None
    distractor: TargetScore | None = None


class LayerReading(Wire):
    """One layer: before attention, after attention, after feed-forward."""

    layer: int
    resid_pre: Reading
    resid_mid: Reading | None = Field(None, description="Absent where blocks are parallel.")
    resid_post: Reading
    heads: BranchUpdates | None = Field(None, description="What attention added, taken apart.")
    neurons: BranchUpdates | None = Field(
        None, description="What the feed-forward added, taken apart."
    )


class PredictionSide(Wire):
    """One run, read at one position."""

    next_token: Reading
    layers: list[LayerReading] | None = Field(description="Absent where the model has no lens.")


class TokenChange(Wire):
    """One token of either side's top k, in both distributions."""

    token: TokenText
    baseline_probability: float
    edited_probability: float
    baseline_rank: int
    edited_rank: int


class PredictionsResponse(Wire):
    tokens: list[TokenText]
    position: int = Field(description="Resolved: never negative.")
    target: TokenText | None = None
    distractor: TokenText | None = None
    baseline: PredictionSide
    edited: PredictionSide | None = Field(None, description="Present when an edit is enabled.")
    changes: list[TokenChange] | None = Field(
        None, description="Union of both top-k lists, largest change of probability first."
    )
    kl: float | None = Field(None, description="KL(baseline ‖ edited) at the position, nats.")
