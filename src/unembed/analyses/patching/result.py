"""A grid of runs, each with one activation of another prompt. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import torch

from unembed.analyses.patching.options import BY_HEAD, Into, Patched
from unembed.engine.names.tokens import Token
from unembed.result import Axes, Columns, Result

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class PatchGrid(Result):
    """The objective of one prompt with one activation of another put in, cell by cell.

    `columns_at` are positions, or heads where heads are patched: those that a layer does not have
    are not a number.
    """

    axes: ClassVar[Axes] = {"values": ("layer", "column"), "restored": ("layer", "column")}
    also: ClassVar[tuple[str, ...]] = ("rows",)

    site: Patched
    into: Annotated[Into, "Which prompt was run, with activations of the other."]
    objective: Annotated[str, "What was measured, in words."]
    position: Annotated[
        int | None, "Where it was measured; null of the label of a text as a whole."
    ]
    layers: Annotated[tuple[int, ...], "Of the rows."]
    columns_at: Annotated[tuple[int, ...], "Positions of the columns, or numbers of heads."]
    positions: Annotated[tuple[int, ...], "Where heads were patched; of other sites the columns."]
    tokens: Annotated[tuple[Token, ...], "Of the clean prompt."]
    corrupted_tokens: Annotated[tuple[Token, ...], "Of the corrupted one, as many."]
    clean: Annotated[float, "The objective of the clean prompt."]
    corrupted: Annotated[float, "The objective of the corrupted prompt."]
    n_runs: Annotated[int, "Cells that were run."]
    n_unchanged: Annotated[int, "Cells where both prompts have the same: nothing to run."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    values: Float[Tensor, "layer column"]

    @property
    def restored(self) -> Float[Tensor, "layer column"]:
        """How far each cell gets from the corrupted prompt's objective (0) to the clean one's (1).

        Not a number where both are the same.
        """
        span = self.clean - self.corrupted
        if span == 0:
            return torch.full_like(self.values, float("nan"))
        return (self.values - self.corrupted) / span + 0.0  # no -0

    @property
    def rows(self) -> tuple[tuple[float | None, ...], ...]:
        """The objective in each cell, layer by layer; null for a head that a layer lacks."""
        return tuple(
            tuple(None if one != one else one for one in row) for row in self.values.tolist()
        )

    def summary(self) -> str:
        kind = "heads" if self.site in BY_HEAD else "positions"
        return f"{self.site}: {len(self.layers)} layers × {len(self.columns_at)} {kind}"

    def columns(self) -> Columns:
        """One row for each cell."""
        n_layers, n_columns = self.values.shape
        column = "head" if self.site in BY_HEAD else "position"
        found: Columns = {
            "layer": [layer for layer in self.layers for _ in range(n_columns)],
            column: list(self.columns_at) * n_layers,
            "value": self.values.flatten().tolist(),
            "restored": self.restored.flatten().tolist(),
        }
        if self.site not in BY_HEAD:
            found["token"] = [self.tokens[one].text for one in self.columns_at] * n_layers
        return found


@dataclass(frozen=True)
class LeftOut:
    """A pair that is not in the mean."""

    pair: Annotated[int, "Its number, from 0."]
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class PatchStudy(Result):
    """Patching grids of many pairs: how far each cell gets, in the mean over them.

    `restored` is 0 where the corrupted prompts' answers stay and 1 where the clean ones' are back:
    the mean of what a cell changes, as a share of the mean difference of both.
    """

    axes: ClassVar[Axes] = dict.fromkeys(("restored", "low", "high"), ("layer", "column"))
    also: ClassVar[tuple[str, ...]] = ("rows",)

    site: Patched
    into: Annotated[Into, "Which prompts were run, with activations of the others."]
    layers: Annotated[tuple[int, ...], "Of the rows."]
    columns_at: Annotated[tuple[int, ...], "Positions of the columns, or numbers of heads."]
    tokens: Annotated[tuple[Token, ...], "Of the first clean prompt, as an example."]
    n_pairs: Annotated[int, "In the mean."]
    left_out: Annotated[tuple[LeftOut, ...], "Pairs that are not, and why."]
    clean: Annotated[float, "Answer less wrong answer in the clean prompts, mean."]
    corrupted: Annotated[float, "The same in the corrupted ones."]
    n_runs: Annotated[int, "Cells that were run, of all pairs."]
    confidence: Annotated[float, "Of the intervals."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    restored: Float[Tensor, "layer column"]
    low: Float[Tensor, "layer column"]  # not a number with one pair
    high: Float[Tensor, "layer column"]

    @property
    def rows(self) -> tuple[tuple[tuple[float | None, float | None, float | None], ...], ...]:
        """Of each cell, layer by layer: restored, and from where to where it may be; null for a
        head that a layer lacks.
        """
        cells = torch.stack([self.restored, self.low, self.high], dim=-1).tolist()
        return tuple(
            tuple((_or_none(mean), _or_none(low), _or_none(high)) for mean, low, high in row)
            for row in cells
        )

    def summary(self) -> str:
        return f"{self.site}: {self.n_pairs} pairs, {len(self.left_out)} left out"

    def columns(self) -> Columns:
        """One row for each cell."""
        n_layers, n_columns = self.restored.shape
        column = "head" if self.site in BY_HEAD else "position"
        return {
            "layer": [layer for layer in self.layers for _ in range(n_columns)],
            column: list(self.columns_at) * n_layers,
            "restored": self.restored.flatten().tolist(),
            "low": self.low.flatten().tolist(),
            "high": self.high.flatten().tolist(),
        }


def _or_none(number: float) -> float | None:
    return None if number != number else number
