"""The labels that a model gives, as plain data. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from unembed.engine.names.tokens import Token
from unembed.result import TABLE_ROW, Axes, Columns, Result, columns_of


@dataclass(frozen=True)
class LabelScore:
    """A label, and how a model scores it."""

    label: str
    score: Annotated[float, "What the head gives it, as a logit."]
    probability: Annotated[
        float | None,
        "Of one label among all (softmax), or by itself where several may hold (sigmoid); null "
        "where the score is a quantity (regression).",
    ]


@dataclass(frozen=True)
class Labelled:
    """What is said of a text as a whole, or of one of its tokens."""

    position: Annotated[int | None, "Of the token; null of the text as a whole."]
    baseline: Annotated[tuple[LabelScore, ...], "Highest score first."]
    edited: Annotated[
        tuple[LabelScore, ...] | None, "The same labels in the same order; null without edits."
    ]


@dataclass(frozen=True, repr=False)
class LabelScores(Result):
    """Which labels a model gives a prompt, with the edits and without."""

    axes: ClassVar[Axes] = {"score": (TABLE_ROW,)}

    of: Annotated[Literal["text", "token"], "What a label is given to."]
    tokens: Annotated[tuple[Token, ...], "Of the prompt."]
    n_labels: Annotated[int, "How many labels the model has."]
    rows: Annotated[tuple[Labelled, ...], "One of a text, or one for each token."]

    def summary(self) -> str:
        first = self.rows[0].baseline[0].label
        what = "the text" if self.of == "text" else f"each of {len(self.rows)} tokens"
        return f"{self.n_labels} labels of {what}, the first {first!r}"

    def columns(self) -> Columns:
        """One row for each label that is listed."""
        found = []
        for row in self.rows:
            token = "" if row.position is None else self.tokens[row.position].text
            for order, one in enumerate(row.baseline):
                other = None if row.edited is None else row.edited[order]
                found.append(
                    {
                        "position": row.position,
                        "token": token,
                        "label": one.label,
                        "score": one.score,
                        "probability": one.probability,
                        "edited_score": None if other is None else other.score,
                        "edited_probability": None if other is None else other.probability,
                    }
                )
        return columns_of(found)
