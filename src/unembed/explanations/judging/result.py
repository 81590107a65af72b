"""Scores of one explanation in words, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from unembed.result import TABLE_ROW, Axes, Columns, Result


@dataclass(frozen=True)
class ByChance:
    """A score where the truth is shuffled: its mean, and 95% of the shuffles."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Simulated:
    """Activations told from the explanation alone, against real ones; null: nothing to compare."""

    n: Annotated[int, "Tokens of the texts that were simulated."]
    failed: Annotated[int, "Texts that were not: they are left out."]
    correlation: Annotated[float | None, "Pearson's, over all these tokens."]
    explained_variance: Annotated[
        float | None, "Of activations, by simulated ones that are calibrated on other texts."
    ]
    null: Annotated[ByChance | None, "The correlation where activations are shuffled."]
    above_chance: bool


@dataclass(frozen=True)
class Judged:
    """Yes or no of each of some texts, against the truth; null: only one side of it is left."""

    n: Annotated[int, "How many were answered."]
    failed: Annotated[int, "How many were not: they are left out."]
    precision: float | None
    recall: float | None
    f1: float | None
    balanced_accuracy: float | None
    auc: Annotated[float | None, "By the probability of a yes, where a judge gives one."]
    null: Annotated[ByChance | None, "The balanced accuracy where the truth is shuffled."]
    above_chance: bool


@dataclass(frozen=True, repr=False)
class ExplanationScores(Result):
    """How well an explanation in words tells what a node does, to who reads it."""

    axes: ClassVar[Axes] = {"failed": (TABLE_ROW,), "n": (TABLE_ROW,)}

    corpus: str
    node: str
    explanation: str
    simulation: Simulated
    detection: Annotated[Judged, "Is the node active anywhere in the text?"]
    fuzzing: Annotated[Judged, "Are the marked tokens those where it is active?"]

    def summary(self) -> str:
        detected, found = self.detection.balanced_accuracy, self.simulation.correlation
        shown = ", ".join(
            f"{name} {score:.2f}"
            for name, score in (("detection", detected), ("correlation", found))
            if score is not None
        )
        return f"{self.node}: {self.explanation[:60]!r}{': ' if shown else ''}{shown}"

    def columns(self) -> Columns:
        """One row for each kind of score."""
        rows: dict[str, Simulated | Judged] = {
            "simulation": self.simulation,
            "detection": self.detection,
            "fuzzing": self.fuzzing,
        }
        scores = [
            self.simulation.correlation,
            self.detection.balanced_accuracy,
            self.fuzzing.balanced_accuracy,
        ]
        return {
            "kind": list(rows),
            "score": scores,
            "null_high": [None if one.null is None else one.null.high for one in rows.values()],
            "above_chance": [one.above_chance for one in rows.values()],
            "n": [one.n for one in rows.values()],
            "failed": [one.failed for one in rows.values()],
        }
