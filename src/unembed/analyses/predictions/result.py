"""What one position predicts, as plain data: layer by layer, with edits and without."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from unembed.analyses.sub_updates.result import SubUpdates
from unembed.analyses.tools.scores import TargetScore
from unembed.engine.names.tokens import Token
from unembed.engine.passes.run import TokenProbability
from unembed.result import Axes, Columns, Result, columns_of


@dataclass(frozen=True)
class Reading:
    """What one state of the residual stream predicts."""

    top: Annotated[tuple[TokenProbability, ...], "Most likely first."]
    entropy: Annotated[float, "Nats."]
    kl_to_final: Annotated[float, "KL(final ‖ this), nats; 0 for the final distribution."]
    target: TargetScore | None = None
    distractor: TargetScore | None = None
    objective: Annotated[float | None, "The value of `Predictions.objective`."] = None


@dataclass(frozen=True)
class LayerReading:
    """One layer: before attention, after attention, after feed-forward.

    A decoder that attends to an encoder does that in between.
    """

    layer: int
    resid_pre: Reading
    resid_mid: Annotated[Reading | None, "Null where blocks are parallel."]
    resid_post: Reading
    resid_mid_cross: Annotated[
        Reading | None, "After attention to the encoder; null without an encoder."
    ] = None


@dataclass(frozen=True)
class PredictionSide:
    """One run, read at one position."""

    next_token: Reading
    layers: Annotated[
        tuple[LayerReading, ...] | None,
        "Null where the model has no lens, or only its own output was asked for.",
    ]
    updates: Annotated[
        SubUpdates | None, "What neurons and heads of each layer wrote, where it was asked for."
    ] = None


@dataclass(frozen=True)
class TokenChange:
    """One token of either side's top k, in both distributions."""

    token: Token
    baseline_probability: float
    edited_probability: float
    baseline_rank: int
    edited_rank: int


@dataclass(frozen=True, repr=False)
class Predictions(Result):
    """What one position predicts in every layer; with edits also in the edited run.

    The baseline is the run that was given, or the prompt without edits.
    """

    axes: ClassVar[Axes] = {
        "top_probability": ("table_row",),
        "top_logit": ("table_row",),
        "entropy": ("table_row",),
        "kl_to_final": ("table_row",),
    }

    tokens: Annotated[tuple[Token, ...], "Of the prompt."]
    position: Annotated[int, "Resolved: never negative."]
    target: Annotated[Token | None, "Of an objective of several tokens: the first."]
    distractor: Annotated[Token | None, "What stands against it: of several tokens the first."]
    baseline: PredictionSide
    edited: Annotated[PredictionSide | None, "Null without edits."] = None
    changes: Annotated[
        tuple[TokenChange, ...] | None,
        "Union of both top-k lists, largest change of probability first.",
    ] = None
    kl: Annotated[float | None, "KL(baseline ‖ edited) at the position, nats."] = None
    objective: Annotated[
        str | None, "What each state is rated by: \"logit of ' Tokyo' less that of ' Paris'\"."
    ] = None
    source_tokens: Annotated[
        tuple[Token, ...], "What the encoder of an encoder-decoder was given."
    ] = ()

    def summary(self) -> str:
        best = self.baseline.next_token.top[0]
        said = f"position {self.position}, {best.token.text!r} {best.probability:.3f}"
        if self.edited is None:
            return said
        other = self.edited.next_token.top[0]
        return f"{said}, edited {other.token.text!r} {other.probability:.3f}"

    def columns(self) -> Columns:
        """One row for each state of each layer, and for the output, of each side."""
        sides = {"baseline": self.baseline, "edited": self.edited}
        return columns_of(
            _row(side, layer, state, reading)
            for side, found in sides.items()
            if found is not None
            for layer, state, reading in _readings(found)
        )


def _readings(side: PredictionSide) -> Iterator[tuple[int | None, str, Reading]]:
    for one in side.layers or ():
        for state in ("resid_pre", "resid_mid", "resid_mid_cross", "resid_post"):
            reading = getattr(one, state)
            if reading is not None:
                yield one.layer, state, reading
    yield None, "output", side.next_token


def _row(side: str, layer: int | None, state: str, reading: Reading) -> dict[str, Any]:
    best, target = reading.top[0], reading.target
    return {
        "side": side,
        "layer": layer,
        "state": state,
        "top_token": best.token.text,
        "top_probability": best.probability,
        "top_logit": best.logit,
        "target_probability": None if target is None else target.probability,
        "target_logit": None if target is None else target.logit,
        "target_rank": None if target is None else target.rank,
        "objective": reading.objective,
        "entropy": reading.entropy,
        "kl_to_final": reading.kl_to_final,
    }
