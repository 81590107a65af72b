"""Scores of one explanation in words, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from unembed.result import TABLE_ROW, Axes, Columns, Result


@dataclass(frozen=True)
class ByChance:
    """What chance gives: the mean of a score over shuffles or labels, and 95% of them."""

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
    above_chance: Annotated[bool, "Whether it is above the upper ends of both nulls."]
    low: Annotated[float | None, "Lower end of the correlation's interval, 95%, over texts."] = None
    high: Annotated[float | None, "Upper end."] = None
    searched: Annotated[
        ByChance | None,
        "The correlation of labels made from shuffled activations, in the same way.",
    ] = None

    @property
    def score(self) -> float | None:
        """The correlation."""
        return self.correlation


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
    above_chance: Annotated[bool, "Whether it is above the upper ends of both nulls."]
    low: Annotated[
        float | None, "Lower end of the balanced accuracy's interval, 95%, over texts."
    ] = None
    high: Annotated[float | None, "Upper end."] = None
    searched: Annotated[
        ByChance | None,
        "The balanced accuracy of labels made from shuffled activations, in the same way.",
    ] = None

    @property
    def score(self) -> float | None:
        """The balanced accuracy."""
        return self.balanced_accuracy


@dataclass(frozen=True, repr=False)
class ExplanationScores(Result):
    """How well an explanation in words tells what a node does, to who reads it."""

    axes: ClassVar[Axes] = {"failed": (TABLE_ROW,), "n": (TABLE_ROW,)}

    corpus: str
    node: str
    explanation: str
    judge: Annotated[str | None, "Who judged; null: somebody without a name."]
    chance_labels: Annotated[
        tuple[str, ...], "Labels made from shuffled activations, which were judged beside it."
    ]
    simulation: Simulated
    detection: Annotated[Judged, "Is the node active anywhere in the text?"]
    fuzzing: Annotated[Judged, "Are the marked tokens those where it is active?"]

    @property
    def supported(self) -> bool:
        """Whether every score that could be had is above chance, and one could."""
        return supported(self.simulation, self.detection, self.fuzzing)

    also: ClassVar[tuple[str, ...]] = ("supported",)

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
        return {
            "kind": list(rows),
            "score": [one.score for one in rows.values()],
            "low": [one.low for one in rows.values()],
            "high": [one.high for one in rows.values()],
            "null_high": [None if one.null is None else one.null.high for one in rows.values()],
            "searched_high": [
                None if one.searched is None else one.searched.high for one in rows.values()
            ],
            "above_chance": [one.above_chance for one in rows.values()],
            "n": [one.n for one in rows.values()],
            "failed": [one.failed for one in rows.values()],
        }


def supported(*scores: Simulated | Judged | None) -> bool:
    """Whether every score that could be had is above chance, and one could."""
    had = [one for one in scores if one is not None and one.score is not None]
    return bool(had) and all(one.above_chance for one in had)
