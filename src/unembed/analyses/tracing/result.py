"""What made a node inside the model what it is. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch

from unembed.analyses.attribution.result import AttributedNode, Attribution, NodeKindName
from unembed.analyses.tracing.options import SortTraced, Through
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import TABLE_ROW, Axes, Columns, Comparison, Result, columns_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Result):
    """What every node upstream of a node does to it.

    Each of `parts` is the attribution of one way in, at one position: of a score that through its
    query and that through its key, of anything else one. `rows` are nodes with their effects
    through all ways in.
    """

    axes: ClassVar[Axes] = {"write": (TABLE_ROW,), "total": (TABLE_ROW,)}

    node: Annotated[str, "What is traced."]
    through: Annotated[Through, "Through what."]
    trail: Annotated[tuple[str, ...], "What was traced before it, from the objective on."]
    objective: Annotated[str | None, "What a value is traced towards, in words; null: nothing."]
    words: Annotated[str, "What is explained, in words."]
    value: Annotated[float, "Of that in the run."]
    tokens: Annotated[tuple[Token, ...], "Of the whole prompt."]
    parts: Annotated[tuple[Attribution, ...], "By way in."]
    rows: Annotated[tuple[AttributedNode, ...], "The nodes listed, through all ways in."]
    cost: Annotated[str, "What it took, in words."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]

    def top(
        self,
        k: int = 20,
        *,
        by: SortTraced = "total",
        kinds: Sequence[NodeKindName] | None = None,
        layers: Sequence[int] | None = None,
        positions: Sequence[int] | None = None,
    ) -> tuple[AttributedNode, ...]:
        """The k nodes upstream whose number is largest either way, largest first; never one of 0.

        As `Attribution.top`; effects are sums over the ways in.
        """
        # at most one position of each part has direct effects
        listed = self.parts if by == "direct" else (self._summed,)
        asked = partial(
            Attribution.top, k=k, by=by, kinds=kinds, layers=layers, positions=positions
        )
        found = dict.fromkeys(row.name for one in listed for row in asked(one))
        rows = [self.node_at(name) for name in found]
        rows.sort(key=lambda row: (-abs(getattr(row, by) or 0.0), row.name))
        return tuple(row for row in rows if getattr(row, by))[:k]

    def node_at(self, name: str) -> AttributedNode:
        """One node upstream by its name at a position: `direct` is the edge from it to this node.

        Raises InputError for a node that is not upstream.
        """
        rows, missing = [], None
        for part in self.parts:
            try:
                rows.append(part.node(name))
            except InputError as error:
                missing = error  # upstream of the query, and not of a key from an earlier layer
        if missing is not None and not rows:
            raise missing
        return replace(
            rows[0],
            direct=sum(row.direct or 0.0 for row in rows),
            total=sum(row.total for row in rows),
        )

    def by_component(self, by: Literal["total", "direct"] = "total") -> dict[str, float]:
        """The sum over positions, keys and ways in of each head, and of whole branches."""
        found: dict[str, float] = {}
        for part in self.parts:
            for name, value in part.by_component(by).items():
                found[name] = found.get(name, 0.0) + value
        return found

    def summary(self) -> str:
        return f"{self.words} = {self.value:.4g}, {self.parts[0].n_nodes:,} nodes upstream"

    def columns(self) -> Columns:
        """One row for each node listed."""
        names = AttributedNode.__dataclass_fields__
        if not self.rows:
            return {name: [] for name in names}
        return columns_of({name: getattr(row, name) for name in names} for row in self.rows)

    # ------------------------------------------------------------ inside

    @cached_property
    def _summed(self) -> Attribution:
        """One attribution with totals summed over ways in: what is upstream of any is listed."""
        whole = max(self.parts, key=lambda part: len(part.groups))
        totals: dict[tuple[str, str], list[Tensor]] = {}
        for part in self.parts:
            for group in part.groups:
                totals.setdefault((group.kind, group.stem), []).append(group.total)
        groups = tuple(
            replace(group, total=torch.stack(totals[group.kind, group.stem]).sum(0))
            for group in whole.groups
        )
        return replace(whole, groups=groups)


@dataclass(frozen=True, eq=False, repr=False)
class TraceComparison(Comparison[Trace]):
    """A trace in the baseline; with an enabled edit also in the edited run."""

    baseline: Trace
    edited: Annotated[Trace | None, "Null where no edit is enabled."] = None
