"""What cuts of a flow graph do to its target, as plain data. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from unembed.analyses.flow.result import FlowTarget
from unembed.analyses.tools.scores import TargetScore
from unembed.result import Axes, Columns, Result, columns_of


@dataclass(frozen=True)
class CutEffect:
    """What a cut does to the target: by the graph, and measured in a run that is made with it."""

    name: Annotated[str, "What is cut, or the target of the edit."]
    attributed: Annotated[
        float | None,
        "Change of the objective that the graph attributes to the cut: minus the direct "
        "effect. Null where what is cut writes nothing itself.",
    ]
    measured: Annotated[
        TargetScore | None, "Of the run with the cut; null where the target is no token."
    ]
    logit_change: Annotated[
        float | None, "Of the target: with the cut minus without; null where it is no token."
    ]
    probability_change: Annotated[float | None, "The same; null where it is no token."]
    change: Annotated[float, "Of the objective: `logit_change`, where it is the target's logit."]


@dataclass(frozen=True, repr=False)
class CutReport(Result):
    """Some cuts, each alone, and all of them together."""

    axes: ClassVar[Axes] = {
        "logit_change": ("table_row",),
        "probability_change": ("table_row",),
        "probability": ("table_row",),
        "rank": ("table_row",),
    }

    target: FlowTarget
    baseline: Annotated[TargetScore | None, "Null where the target is no token."]
    value: Annotated[
        float, "Of the objective, in the baseline: the target's logit, a label's score, or another."
    ]
    cuts: Annotated[tuple[CutEffect, ...], "Each alone."]
    together: Annotated[
        CutEffect | None, "All at once; null for fewer than two, and for more than a run takes."
    ]

    def summary(self) -> str:
        return f"{len(self.cuts)} cuts, rated by the {self.target.objective}"

    def columns(self) -> Columns:
        """One row for each cut, and one for all together."""
        every = [*self.cuts, *([] if self.together is None else [self.together])]
        return columns_of(
            {
                "name": one.name,
                "attributed": one.attributed,
                "logit_change": one.logit_change,
                "probability_change": one.probability_change,
                "change": one.change,
                "probability": None if one.measured is None else one.measured.probability,
                "rank": None if one.measured is None else one.measured.rank,
            }
            for one in every
        )
