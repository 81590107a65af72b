"""What every node of a run does to an objective. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch

from unembed.analyses.attribution.doubts import doubts
from unembed.analyses.attribution.options import Against, Estimator, Frozen, SortBy
from unembed.analyses.attribution.options import NodeKindName as NodeKindName
from unembed.analyses.attribution.sums import (
    ComponentEffects,
    PositionEffects,
    component_effects,
    position_effects,
)
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import TABLE_ROW, Axes, Columns, Comparison, Result, Side, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class NodeGroup:
    """All nodes of one kind in one layer: numbers at every position.

    [pos, *node]: heads [pos, head], their queries [pos, head] and keys [pos, kv_head], pairs
    [query, head, key], neurons [pos, neuron]; biases and whole branches have one node, [pos, 1].
    Only what is written at the objective's position has a direct effect: `direct` is that of its
    nodes there [*node]; None where the objective is no sum of what the stream holds.

    A norm behind a branch sees no length: without `held`, totals of all nodes of the branch at a
    position sum to 0 there.
    """

    kind: NodeKindName
    layer: int | None
    stem: str  # of names: "L3.H", "L3.N", "L3.attn"
    activation: Float[Tensor, "pos ..."] | None
    write: Float[Tensor, "pos ..."]
    direct: Float[Tensor, " ..."] | None
    total: Float[Tensor, "pos ..."]
    measured: Float[Tensor, "pos ..."] | None = None  # not a number where it was not
    held: Float[Tensor, "pos ..."] | None = None  # totals with the norm behind the branch held
    beside: bool = False  # of the sums: what others write is divided once more, or nothing written

    @property
    def words(self) -> str:
        """What the nodes are, in a phrase."""
        return self.kind if self.layer is None else f"{self.kind} of layer {self.layer}"

    def name(self, index: Sequence[int]) -> str:
        """The name of one node: "L9.H6@14<3", "L9.H6.q@14", "L3.attn_bias@4", "embed@0"."""
        position, *rest = index
        if self.kind == "pair":
            return f"{self.stem}{rest[0]}@{position}<{rest[1]}"
        if self.kind in ("query", "key"):
            return f"{self.stem}{rest[0]}.{self.kind[0]}@{position}"
        number = rest[0] if self.kind in ("head", "cross_head", "neuron", "latent") else ""
        return f"{self.stem}{number}@{position}"

    def of(self, metric: SortBy, position: int) -> Float[Tensor, "pos ..."] | None:
        """One of its numbers at every position; None where it has none.

        Args:
            position: the objective's; direct effects are 0 at all others.
        """
        if metric == "direct" and self.direct is not None:
            spread = torch.zeros_like(self.total)
            spread[position] = self.direct
            return spread
        by_name = {
            "total": self.total,
            "write": self.write,
            "activation": self.activation,
            "measured": self.measured,
        }
        return by_name.get(metric)


@dataclass(frozen=True)
class AttributedNode:
    """One node at one position, and what it does to the objective."""

    name: str
    kind: NodeKindName
    layer: Annotated[int | None, "Null of the embedding."]
    position: Annotated[int, "Where it writes."]
    key: Annotated[int | None, "Of a pair: where it looks."]
    activation: Annotated[float | None, "Of a neuron; of a pair the share of attention."]
    write: Annotated[float, "Norm of what it adds to the residual stream."]
    direct: Annotated[float | None, "Past all later layers; null where nothing has such an effect."]
    total: Annotated[float, "Estimated: the objective with it less the objective without."]
    measured: Annotated[float | None, "The same, measured by a run without it."] = None


@dataclass(frozen=True)
class Completeness:
    """What the objective is made of: these sum to it."""

    objective: Annotated[float, "Its value in the run."]
    nodes: Annotated[float, "Direct effects of all nodes."]
    norms: Annotated[float, "Biases of norms that the residual stream itself goes through."]
    head: Annotated[float, "Biases of the final norm and of the unembedding."]
    beyond: Annotated[float, "What is not linear in the stream: a soft cap, log-sum-exp, a head."]
    rest: Annotated[float, "What is left: rounding, and edits of the stream itself."]


@dataclass(frozen=True)
class Verification:
    """Estimated effects beside measured ones."""

    nodes: Annotated[int, "How many were measured."]
    pearson: Annotated[float | None, "Null for fewer than 3 nodes, or where all are equal."]
    spearman: Annotated[float | None, "Of their ranks."]
    largest_error: Annotated[float, "Largest difference of an estimate from what was measured."]


@dataclass(frozen=True)
class Bound:
    """How much any node that was not measured can do, from runs without random parts of them.

    Every node is out in as many runs. What it does is at most the difference of the mean of those
    runs from that of the others, and what chance may have hidden (Student's t, for all nodes
    at once), as far as effects add up.
    """

    nodes: Annotated[int, "How many were not measured."]
    runs: Annotated[int, "Runs without some of them."]
    share: Annotated[float, "Of the nodes that each run is without."]
    confidence: Annotated[float, "That no node is outside the bound."]
    largest: Annotated[float, "No node that was not measured does more than this, either way."]
    node: Annotated[str | None, "The one that the bound is largest of; null where there is none."]


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """What every node does to an objective: direct effects, and estimated total effects.

    `rows` are the nodes that the options list; in Python `groups` have all of them, and `top` lists
    by any number, kind, layer and position.
    """

    axes: ClassVar[Axes] = {
        "write": (TABLE_ROW,),
        "total": (TABLE_ROW,),
    }
    also: ClassVar[tuple[str, ...]] = ("components", "at_positions", "warnings")

    objective: Annotated[str, "What is explained, in words."]
    value: Annotated[float, "Of the objective in the run."]
    position: Annotated[
        int, "Where it is read; of a label, the position that the head for labels reads."
    ]
    tokens: Annotated[tuple[Token, ...], "Of the whole prompt."]
    frozen: Frozen
    estimator: Estimator
    against: Against
    method: Annotated[
        Literal["frozen", "gradient"] | None,
        "Direct effects: norms frozen, or in a head that is not linear the gradient; null: none.",
    ]
    cost: Annotated[str, "What it took, in words."]
    n_nodes: Annotated[int, "How many nodes there are."]
    completeness: Annotated[Completeness | None, "Null where nothing has a direct effect."]
    token_totals: Annotated[
        tuple[float, ...], "Estimated total effect of the embedding at each position."
    ]
    rows: Annotated[tuple[AttributedNode, ...], "The nodes listed."]
    verification: Annotated[Verification | None, "Null unless nodes were measured."]
    notes: Annotated[tuple[str, ...], "What is not taken apart, and why."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    groups: tuple[NodeGroup, ...] = field(metadata={"written": False})
    bound: Annotated[Bound | None, "Null unless there were runs for it."] = None

    @property
    def components(self) -> tuple[ComponentEffects, ...]:
        """Sums over positions of each head, of the neurons of each layer, and of whole branches.

        Of all neurons of a layer the norm behind them is held, where there is one.
        """
        return tuple(component_effects(self.groups, self.position))

    @property
    def at_positions(self) -> tuple[PositionEffects, ...]:
        """Sums of estimated total effects at each position, by kind of node.

        Norms behind branches are held, where there are any: nodes of a branch cancel otherwise.
        """
        return position_effects(self.groups)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to beware of: estimates too large to be meant, and what to do."""
        return doubts(self.groups, self.value, self.frozen == "all")

    def top(
        self,
        k: int = 20,
        *,
        by: SortBy = "total",
        kinds: Sequence[NodeKindName] | None = None,
        layers: Sequence[int] | None = None,
        positions: Sequence[int] | None = None,
    ) -> tuple[AttributedNode, ...]:
        """The k nodes whose number is largest either way, largest first; never one that is 0.

        `layers` leave the embedding out. Raises InputError for a kind that is not here.
        """
        groups = self._chosen(kinds, layers)
        found = [
            (abs(value), value, order, index)
            for order, group in groups
            for value, index in _largest(group, by, self.position, k, positions)
        ]
        best = sorted(found, key=lambda one: (-one[0], one[2], one[3]))[:k]
        return tuple(self._row(self.groups[order], index) for _, _, order, index in best)

    def node(self, name: str) -> AttributedNode:
        """One node by its name at a position, as in "L9.H6@14<3". Raises InputError."""
        order, index = self.place(name)
        return self._row(self.groups[order], index)

    def place(self, name: str) -> tuple[int, tuple[int, ...]]:
        """Where a node is, by its name: the number of its group, its index there. As `node`."""
        found = self._find(name)
        if found is None:
            raise InputError(
                f"{name!r} is no node of this attribution",
                field="name",
                value=name,
                legal=", ".join(row.name for row in self.rows[:3]),
            )
        return found

    def has_node(self, name: str) -> bool:
        """Whether `node` finds it."""
        return self._find(name) is not None

    def by_component(self, by: Literal["total", "direct"] = "total") -> dict[str, float]:
        """The sum over positions, and of pairs over keys, of each head, and of whole branches.

        Neurons of a layer are one sum.
        """
        of_each = {one.name: getattr(one, by) for one in self.components}
        return {name: value for name, value in of_each.items() if value is not None}

    def summary(self) -> str:
        return f"{self.objective} = {self.value:.4g}, {self.n_nodes:,} nodes"

    def columns(self) -> Columns:
        """One row for each node listed."""
        names = AttributedNode.__dataclass_fields__
        if not self.rows:
            return {name: [] for name in names}
        return columns_of({name: getattr(row, name) for name in names} for row in self.rows)

    # ------------------------------------------------------------ inside

    @cached_property
    def _places(self) -> dict[str, tuple[int, tuple[int, ...]]]:
        """By name without its position: the number of the group and that within it."""
        found: dict[str, tuple[int, tuple[int, ...]]] = {}
        for order, group in enumerate(self.groups):
            for number in range(group.total.shape[1]):
                stem = group.name((0, number, 0) if group.kind == "pair" else (0, number))
                found[stem.partition("@")[0]] = (order, (number,))
        return found

    def _find(self, name: str) -> tuple[int, tuple[int, ...]] | None:
        found = self._places.get(name.partition("@")[0])
        index = None if found is None else _index(self.groups[found[0]], name, found[1])
        return None if found is None or index is None else (found[0], index)

    def _chosen(
        self, kinds: Sequence[str] | None, layers: Sequence[int] | None
    ) -> list[tuple[int, NodeGroup]]:
        here = {group.kind for group in self.groups}
        wrong = [kind for kind in kinds or () if kind not in here]
        if wrong:
            raise InputError(
                f"there are no nodes of kind {wrong[0]!r} here",
                field="kinds",
                value=wrong[0],
                legal=", ".join(sorted(here)),
            )
        return [
            (order, group)
            for order, group in enumerate(self.groups)
            if (kinds is None or group.kind in kinds) and (layers is None or group.layer in layers)
        ]

    def _row(self, group: NodeGroup, index: tuple[int, ...]) -> AttributedNode:
        position, *rest = index
        direct = None
        if group.direct is not None:
            direct = float(group.direct[tuple(rest)]) if position == self.position else 0.0
        return AttributedNode(
            name=group.name(index),
            kind=group.kind,
            layer=group.layer,
            position=position,
            key=rest[1] if group.kind == "pair" else None,
            activation=None if group.activation is None else float(group.activation[index]),
            write=float(group.write[index]),
            direct=direct,
            total=float(group.total[index]),
            measured=_measured(group, index),
        )


def _measured(group: NodeGroup, index: tuple[int, ...]) -> float | None:
    found = float("nan") if group.measured is None else float(group.measured[index])
    return None if found != found else found


def _largest(
    group: NodeGroup, by: SortBy, position: int, k: int, positions: Sequence[int] | None
) -> list[tuple[float, tuple[int, ...]]]:
    """The k largest numbers of a group either way, each with its index; never 0."""
    values = group.of(by, position)
    if values is None:
        return []
    n_positions = len(values)
    strength = values.abs().nan_to_num(0.0)
    if positions is not None:
        kept = torch.zeros(n_positions, dtype=torch.bool, device=values.device)
        kept[[one % n_positions for one in positions]] = True
        strength = torch.where(kept.reshape(-1, *[1] * (values.dim() - 1)), strength, 0.0)
    flat = strength.flatten()
    best = flat.topk(min(k, len(flat)))
    chosen = best.indices[best.values > 0]
    indices = torch.unravel_index(chosen, values.shape)
    places = zip(*(axis.tolist() for axis in indices), strict=True)
    return list(zip(values.flatten()[chosen].tolist(), places, strict=True))


def _index(group: NodeGroup, name: str, rest: tuple[int, ...]) -> tuple[int, ...] | None:
    """The index of a node within its group by the position, and the key, of its name."""
    position, _, key = name.partition("@")[2].partition("<")
    has_key = group.kind == "pair"
    if not position.isdecimal() or bool(key) != has_key or (has_key and not key.isdecimal()):
        return None
    index = (int(position), *rest, *([int(key)] if has_key else []))
    inside = all(one < size for one, size in zip(index, group.total.shape, strict=True))
    return index if inside else None


@dataclass(frozen=True, eq=False, repr=False)
class AttributionComparison(Comparison[Attribution]):
    """An attribution in the baseline; with an enabled edit also in the edited run."""

    also: ClassVar[tuple[str, ...]] = ("unlisted",)

    baseline: Attribution
    edited: Annotated[Attribution | None, "Null where no edit is enabled."] = None

    @property
    def unlisted(self) -> Mapping[Side, tuple[AttributedNode, ...]]:
        """By side, the nodes that the other side alone lists: with both, each stands beside itself.

        A node that a side does not have is left out: a whole head where the other has its pairs.
        """
        if self.edited is None:
            return {}
        return {
            "baseline": _counterparts(self.baseline, self.edited),
            "edited": _counterparts(self.edited, self.baseline),
        }


def _counterparts(own: Attribution, other: Attribution) -> tuple[AttributedNode, ...]:
    listed = {row.name for row in own.rows}
    return tuple(
        own.node(row.name)
        for row in other.rows
        if row.name not in listed and own.has_node(row.name)
    )
