"""Which edges an answer needs, and how much of it they carry alone. Knows tensors, no model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from unembed.analyses.circuits.files import mib_name
from unembed.analyses.circuits.graph import Graph, areas, node_of, place_of
from unembed.analyses.circuits.options import Ablation, EdgeEstimator
from unembed.analyses.patching.result import LeftOut
from unembed.analyses.tools.result import Drawn
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import TABLE_ROW, Axes, Columns, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

WITHOUT_POSITIONS = (
    "MIB's format has no positions: scores are sums over positions, and an edge is in the graph "
    "where it is at any."
)
Rating = EdgeEstimator | Literal["given"]


@dataclass(frozen=True)
class CircuitEdge:
    """One edge that was kept."""

    source: Annotated[str, "What writes: embed, a head, a feed-forward."]
    target: Annotated[str, "What reads: a head's query, key or value, a feed-forward, logits."]
    effect: Annotated[float, "Estimated: the objective with it less the objective without."]
    measured: Annotated[float | None, "The same, measured by leaving it out of the model."] = None
    within: Annotated[float | None, "Measured by leaving it out of the circuit."] = None


@dataclass(frozen=True)
class CircuitPoint:
    """The model with a share of its edges, largest effects first."""

    share: Annotated[float, "Of all edges."]
    edges: Annotated[int, "How many."]
    value: Annotated[float, "The objective with these alone."]
    faithfulness: Annotated[
        float | None,
        "0: as without any edge, 1: as the whole model; null where those are the same.",
    ]


def areas_of(curve: Sequence[CircuitPoint]) -> tuple[float, float] | tuple[None, None]:
    """MIB's CPR and CMD; None where there is no curve, or nothing to keep."""
    kept = [point.faithfulness for point in curve]
    if len(kept) < 2 or any(one is None for one in kept):
        return None, None
    return areas([point.share for point in curve], [one or 0.0 for one in kept])


@dataclass(frozen=True)
class PairCarried:
    """What a circuit of many pairs carries on one of them."""

    pair: Annotated[int, "Its number, from 0."]
    clean: Annotated[str, "Its prompt."]
    held_out: Annotated[bool, "Whether the circuit was found without it."]
    whole: Annotated[float, "The objective of the whole model."]
    none: Annotated[float, "The objective without any edge."]
    value: Annotated[float, "The objective with the edges of the circuit alone."]
    faithfulness: Annotated[
        float | None, "Of this pair by itself; null where all edges and none say the same."
    ]


@dataclass(frozen=True)
class HeldOut:
    """A circuit on pairs that it was not found on: means over these."""

    n_pairs: int
    whole: Annotated[float, "The objective of the whole model."]
    none: Annotated[float, "The objective without any edge."]
    value: Annotated[float, "The objective with the edges of the circuit alone."]
    faithfulness: Annotated[float | None, "Of the means."]
    curve: Annotated[
        tuple[CircuitPoint, ...], "With growing shares of the edges, as the other pairs rank them."
    ]
    cpr: Annotated[float | None, "Area under that curve; null without one."]
    cmd: Annotated[float | None, "Area between that curve and 1; null without one."]


@dataclass(frozen=True, eq=False, repr=False)
class Circuit(Drawn):
    """Edges between nodes of a model, and what they do to an objective alone.

    In Python `effects` has the estimate of every edge, [source, reader] as `graph` names them, or
    by position [source, reader, pos].
    """

    axes: ClassVar[Axes] = {"effect": (TABLE_ROW,)}
    also: ClassVar[tuple[str, ...]] = ("faithfulness", "cpr", "cmd")

    objective: Annotated[str, "What is explained, in words."]
    position: Annotated[int, "Where it is read."]
    tokens: Annotated[tuple[Token, ...], "Of the prompt; over pairs of the first."]
    n_pairs: Annotated[int, "Of prompts, whose mean all numbers are; 1: of one prompt."]
    left_out: Annotated[tuple[LeftOut, ...], "Pairs that nothing was computed of, and why."]
    by_pair: Annotated[
        tuple[PairCarried, ...], "Of each pair, those held out among them; empty of one prompt."
    ]
    held_out: Annotated[HeldOut | None, "On the pairs held out; null without any."]
    ablation: Ablation
    estimator: Annotated[Rating, "How edges were rated; given: by scores of a file."]
    whole: Annotated[float, "The objective of the whole model."]
    none: Annotated[float, "The objective without any edge."]
    value: Annotated[float, "The objective with the edges of the circuit alone."]
    by_position: Annotated[bool, "Whether edges are those of each position by itself."]
    n_edges: Annotated[int, "How many edges the model has, at all positions."]
    n_heads: Annotated[tuple[int, ...], "How many heads each layer has."]
    nodes: Annotated[tuple[str, ...], "That edges of the circuit start or end at."]
    edges: Annotated[tuple[CircuitEdge, ...], "Of the circuit, largest effect either way first."]
    curve: Annotated[tuple[CircuitPoint, ...], "With growing shares of edges; empty if not asked."]
    cost: Annotated[str, "What it took, in words."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    graph: Graph = field(metadata={"written": False})
    effects: Float[Tensor, "source reader *pos"] = field(metadata={"written": False})
    d_model: int = field(metadata={"written": False})

    @property
    def faithfulness(self) -> float | None:
        """How much of the objective the circuit keeps: 1 is all of it; null: there is nothing."""
        return share_kept(self.value, self.whole, self.none)

    @property
    def cpr(self) -> float | None:
        """Area under the curve (MIB's CPR), higher is better; null without one."""
        return areas_of(self.curve)[0]

    @property
    def cmd(self) -> float | None:
        """Area between the curve and 1 (MIB's CMD), lower is better; null without one."""
        return areas_of(self.curve)[1]

    def effect(self, source: str, target: str) -> float:
        """The estimated effect of any edge; by position, without one, the sum over positions.

        Raises:
            InputError: there is no such edge.
        """
        numbers = self.graph.numbers(source, target)
        if numbers is None:
            raise InputError(
                f"there is no edge from {source!r} to {target!r}",
                field="source",
                value=f"{source} -> {target}",
                legal='"embed", "L3.H2" or "L3.mlp" to a later "L5.H0.q", "L5.mlp" or "logits"',
            )
        return float(self.effects[numbers].sum())

    def to_mib(self) -> str:
        """Every edge with its effect, as JSON in the format of MIB's circuit track.

        That has no positions: of edges by position, effects are summed, and one is in the graph
        where it is at any position. The file says so, under "note".
        """
        kept = {(place_of(edge.source)[0], place_of(edge.target)[0]) for edge in self.edges}
        nodes = {place_of(node)[0] for node in self.nodes}
        effects = self.effects.sum(-1) if self.by_position else self.effects
        layers = self.graph.layers
        edges = {}
        for column, reader in enumerate(self.graph.readers):
            for row, source in enumerate(self.graph.sources[: self.graph.before[column]]):
                edges[f"{mib_name(source)}->{mib_name(reader)}"] = {
                    "score": float(effects[row, column]),
                    "in_graph": (source, reader) in kept,
                }
        written: dict[str, object] = {
            "cfg": {
                "n_layers": len(layers),
                "n_heads": max(layer.n_heads for layer in layers),
                "parallel_attn_mlp": any(layer.parallel for layer in layers),
                "d_model": self.d_model,
            },
            "nodes": {
                mib_name(node): {"in_graph": node in nodes}
                for node in (*self.graph.sources, "logits")
            },
            "edges": edges,
        }
        if self.by_position:
            written["note"] = WITHOUT_POSITIONS
        return json.dumps(written)

    def summary(self) -> str:
        kept = self.faithfulness
        said = "" if kept is None else f", {kept:.0%} of the objective"
        return f"{len(self.edges):,} of {self.n_edges:,} edges{said}"

    def columns(self) -> Columns:
        """One row for each edge of the circuit."""
        names = CircuitEdge.__dataclass_fields__
        if not self.edges:
            return {name: [] for name in names}
        return columns_of({name: getattr(edge, name) for name in names} for edge in self.edges)


def share_kept(value: float, whole: float, none: float) -> float | None:
    """How far a value is from that without any edge to that of the whole model."""
    span = whole - none
    return None if span == 0 else (value - none) / span


def nodes_of(edges: tuple[CircuitEdge, ...]) -> tuple[str, ...]:
    """The nodes that edges start or end at, in the order of the edges."""
    ends = ((edge.source, node_of(edge.target)) for edge in edges)
    return tuple(dict.fromkeys(one for pair in ends for one in pair))
