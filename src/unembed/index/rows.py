"""What the rows of an index are called, and what an answer shows of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.analyses.tools.projections import scores_of
from unembed.analyses.tools.vectors import vector_of
from unembed.engine.model import Model
from unembed.errors import TargetError
from unembed.index.about import Plan
from unembed.index.choices import layer_rows
from unembed.index.hits import SHOWN_PROMOTED, SHOWN_SUPPRESSED, Hit, Scores, VectorPage

Array = NDArray[Any]
MOST_MATCHED = 20


class Rows:
    """One vector in each row: a neuron's, or, where `stems` are given, a latent's.

    Args:
        columns: by name, [rows] or [rows, top_k]; as `IndexTables.columns` has them.
        stems: what the latents of each part of the plan are called, "L6.F".
        written: where those of each part write with these vectors; "" where that is one site.
    """

    def __init__(
        self,
        model: Model,
        plan: Plan,
        columns: Mapping[str, Array],
        stems: Sequence[str] = (),
        written: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._plan = plan
        self._columns = columns
        self._stems, self._written = tuple(stems), tuple(written)
        self._starts = (0, *accumulate(plan.widths))

    @property
    def norms(self) -> Array:
        """Length of every vector."""
        return self._columns["norm"]

    def lists(self, side: str) -> tuple[Array, Array]:
        """Ids and scores [rows, top_k] of one side, as stored."""
        name = "top" if side == "promoted" else "bottom"
        return self._columns[f"{name}_ids"], self._columns[f"{name}_scores"]

    def name(self, row: int) -> str:
        """The node whose vector this is."""
        number = self._columns["neuron"][row]
        if not self._stems:
            return f"L{self._columns['layer'][row]}.N{number}"
        return f"{self._stems[self._part(row)]}{number}"

    def of(self, node: str) -> int:
        """The row of a node; raises TargetError, or CapabilityError without neurons."""
        if not self._stems:
            layer, number = vector_of(self._model, node)
            return layer_rows(self._plan, (layer, layer)).start + number
        target = self._model.node(node, "target")
        number = target.index or 0
        stem = target.stem.removesuffix(str(number))
        if not target.row.derived or stem not in self._stems:
            raise TargetError(
                f"{target.text} is no latent of this index",
                field="target",
                value=target.text,
                legal="a latent of an autoencoder that writes to the residual stream",
            )
        return self._starts[self._stems.index(stem)] + number

    def listed(self, row: int, side: str, n: int | None = None) -> Scores:
        """The first n tokens of one list of a vector."""
        ids, scores = (column[row][:n] for column in self.lists(side))
        return scores_of(self._model, ids.tolist(), scores.tolist())

    def matched(self, row: int, tokens: Array, sides: Sequence[str]) -> Scores:
        """Which of these tokens are in its lists."""
        found: Scores = ()
        for side in sides:
            ids, scores = (column[row] for column in self.lists(side))
            here = np.isin(ids, tokens) & (scores > 0 if side == "promoted" else scores < 0)
            found += scores_of(self._model, ids[here].tolist(), scores[here].tolist())
        return found[:MOST_MATCHED]

    def hit(self, row: int, score: float, matched: Scores = ()) -> Hit:
        """A row the way that hits show it."""
        return Hit(
            node=self.name(row),
            layer=int(self._columns["layer"][row]),
            neuron=int(self._columns["neuron"][row]),
            score=float(score),
            norm=float(self.norms[row]),
            matched=matched,
            promoted=self.listed(row, "promoted", SHOWN_PROMOTED),
            suppressed=self.listed(row, "suppressed", SHOWN_SUPPRESSED),
            written=self._site(row),
        )

    def page(
        self,
        row: int,
        clusters: dict[str, int],
        promoted: int | None = None,
        suppressed: int | None = None,
    ) -> VectorPage:
        """A row with as much of its lists as is asked for, and its length among the others."""
        part, norms = self._part(row), self.norms
        beside = norms[self._starts[part] : self._starts[part + 1]]
        return VectorPage(
            node=self.name(row),
            layer=int(self._columns["layer"][row]),
            neuron=int(self._columns["neuron"][row]),
            norm=float(norms[row]),
            norm_percentile=_percentile(norms, norms[row]),
            layer_norm_percentile=_percentile(beside, norms[row]),
            promoted=self.listed(row, "promoted", promoted),
            suppressed=self.listed(row, "suppressed", suppressed),
            clusters=clusters,
            written=self._site(row),
        )

    def _site(self, row: int) -> str | None:
        """Where a latent writes with this vector, of one that writes at several sites."""
        return (self._written[self._part(row)] or None) if self._written else None

    def _part(self, row: int) -> int:
        """Of the plan: the layer, or the autoencoder, that the vector is of."""
        return bisect_right(self._starts, row) - 1


def _percentile(norms: Array, norm: float) -> float:
    """How many of the others are shorter, in hundredths."""
    return 100.0 * float((norms < norm).sum()) / max(len(norms) - 1, 1)
