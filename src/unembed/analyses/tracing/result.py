"""What made a node inside the model what it is. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch

from unembed.analyses.attribution.result import AttributedNode, Attribution, NodeKindName
from unembed.analyses.tracing.options import Direction, ReadBy, ReadKind, SortTraced, Through
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import TABLE_ROW, Axes, Columns, Comparison, Result, columns_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Reader:
    """Something later that reads what is written, and how much of it."""

    name: Annotated[str, 'The pair, neuron or latent: "L9.H6@14<3", "L12.N512@14", "L6.F77@14".']
    kind: NodeKindName
    reads: Annotated[ReadKind, "What of it reads: a score, a value, an argument."]
    through: Annotated[ReadBy, "Through what: a trace of it through the same has this effect."]
    layer: int
    position: Annotated[int, "Where it writes: of a pair the query's."]
    key: Annotated[int | None, "Of a pair: where it looks."]
    effect: Annotated[
        float,
        "What the write adds to the score, or to what the activation function is given, past all "
        "in between; of a value the norm of what the head moves of it.",
    ]
    value: Annotated[float, "All of that number in the run; of a value the norm of all it moves."]
    measured: Annotated[
        float | None, "That number less what it is in a run without the node; null: not asked."
    ] = None


@dataclass(frozen=True)
class UnlistedReaders:
    """Readers of one kind and way in that have effects and are not listed."""

    reads: ReadKind
    through: ReadBy
    n: int
    largest: Annotated[float, "None of them has a larger effect, either way."]


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Result):
    """What every node upstream of a node does to it; downstream what it does to all that reads it.

    Upstream each of `parts` is the attribution of one way in, at one position: of a score that
    through its query and that through its key, of anything else one. `rows` are nodes with their
    effects through all ways in. Downstream there are `readers`.
    """

    axes: ClassVar[Axes] = {"write": (TABLE_ROW,), "total": (TABLE_ROW,)}

    node: Annotated[str, "What is traced."]
    through: Annotated[Through | None, "Through what; null downstream: all that it writes."]
    trail: Annotated[
        tuple[str, ...],
        "What was traced before it: from the objective on, downstream from the first writer on.",
    ]
    objective: Annotated[
        str | None,
        "What a value is traced towards, downstream the answer, in words; null: nothing.",
    ]
    words: Annotated[str, "What is explained, or followed, in words."]
    value: Annotated[float, "Of that in the run; downstream the norm of what is written."]
    tokens: Annotated[tuple[Token, ...], "Of the whole prompt."]
    parts: Annotated[tuple[Attribution, ...], "Upstream, by way in."]
    rows: Annotated[tuple[AttributedNode, ...], "Upstream: the nodes listed, through all ways in."]
    cost: Annotated[str, "What it took, in words."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    direction: Direction = "upstream"
    readers: Annotated[
        tuple[Reader, ...],
        "Downstream: those listed, by kind and way in, largest either way first.",
    ] = ()
    left_out: Annotated[
        tuple[UnlistedReaders, ...], "Downstream: how many are not, and how large."
    ] = ()
    direct: Annotated[
        float | None, "Downstream: direct effect of what is written on the answer."
    ] = None
    measured: Annotated[
        float | None, "Downstream: the answer less what it is without the node; null: not asked."
    ] = None
    notes: Annotated[tuple[str, ...], "Downstream: what is no reader, and why."] = ()

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

        As `Attribution.top`; effects are sums over the ways in. Of a trace upstream.
        """
        self._require_upstream("top")
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
        self._require_upstream("node_at")
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

    def reader_at(self, name: str, through: ReadBy) -> Reader:
        """One reader that is listed, by its name at a position: `effect` is the edge to it.

        Raises InputError for one that is not listed.
        """
        for one in self.readers:
            if (one.name, one.through) == (name, through):
                return one
        raise InputError(
            f"{name!r} through {through!r} is no reader listed here",
            field="name",
            value=name,
            legal=", ".join(f"{one.name} through {one.through}" for one in self.readers[:3]),
            fix="name its layer and position, or list more: top_k",
        )

    def summary(self) -> str:
        if self.direction == "downstream":
            return f"{self.words}, {len(self.readers):,} readers listed"
        return f"{self.words} = {self.value:.4g}, {self.parts[0].n_nodes:,} nodes upstream"

    def columns(self) -> Columns:
        """One row for each node listed; downstream for each reader."""
        down = self.direction == "downstream"
        rows: Sequence[Reader | AttributedNode] = self.readers if down else self.rows
        names = (Reader if down else AttributedNode).__dataclass_fields__
        if not rows:
            return {name: [] for name in names}
        return columns_of({name: getattr(row, name) for name in names} for row in rows)

    # ------------------------------------------------------------ inside

    def _require_upstream(self, asked: str) -> None:
        if self.direction != "upstream":
            raise InputError(
                f"{asked} is of a trace upstream, and this one is downstream: it has readers",
                field="direction",
                value=self.direction,
                legal="upstream",
                fix="readers, reader_at(name, through)",
            )

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
