"""Which features make which others, and the answer. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from unembed.analyses.tools.result import Drawn
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.node_labels import Label, with_worth
from unembed.result import TABLE_ROW, Axes, Columns, Result, columns_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

GraphKind = Literal["embed", "latent", "error", "mlp", "logit"]
FIXED: tuple[GraphKind, ...] = ("embed", "logit")
"""Kinds of node that no threshold takes out."""


@dataclass(frozen=True)
class GraphNode:
    """One node at one position."""

    name: Annotated[str, '"L6.F77@4", "L6.F_error@4", "L6.mlp@4", "embed@4" or "logit:1234@9".']
    kind: Annotated[
        GraphKind,
        "A token's embedding; an active latent of a transcoder; what the transcoder leaves over; "
        "all that a feed-forward without one adds; what is explained.",
    ]
    layer: Annotated[int | None, "Null of tokens and of what is explained."]
    position: int
    index: Annotated[
        int | None, "The number of the latent, or of the token; null of errors, and of sums."
    ]
    label: Annotated[str, "The token; of a latent what it raises most; empty where nothing is."]
    value: Annotated[float | None, "Of a latent in the run, or of a logit; null of others."]
    bias: Annotated[
        float | None, "The value less all edges into it, those not kept too; null without edges in."
    ]
    influence: Annotated[float, "The sum over all paths to what is explained; 0 of that itself."]
    reached: Annotated[
        float,
        "The part of all influence that this node and those of more have together; 0 of what is "
        "explained.",
    ]
    probability: Annotated[float | None, "Of a token that is explained; null of others."] = None
    words: Annotated[
        str | None, "What it does, as labels of nodes say that are kept; null where none does."
    ] = None
    supported: Annotated[bool | None, "Whether these words beat chance; null: nobody tried."] = None

    @property
    def text(self) -> str:
        """Words with what they are worth; without any, the label."""
        return self.label if self.words is None else with_worth(self.words, self.supported)


@dataclass(frozen=True)
class GraphEdge:
    """One direct edge, with attention patterns and the scales of norms held."""

    source: Annotated[str, "The node that writes."]
    target: Annotated[str, "The node that reads."]
    weight: Annotated[float, "What the source adds to the target's value."]
    reached: Annotated[
        float, "The part of all edges' influence that this edge and those of more have together."
    ]


@dataclass(frozen=True)
class Supernode:
    """Nodes that are taken together, under one name."""

    name: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class AttributionGraph(Drawn):
    """Nodes at positions, and the direct edges between them.

    `nodes` and `edges` are those that were kept. In Python `weights` has every edge [node, node],
    target first, as `names` has the nodes; None where the graph was read from a file.
    """

    axes: ClassVar[Axes] = {"weight": (TABLE_ROW,)}

    objective: Annotated[str, "What is explained, in words."]
    position: Annotated[int, "Where it is read."]
    tokens: Annotated[tuple[Token, ...], "Of the prompt."]
    n_layers: int
    nodes: Annotated[tuple[GraphNode, ...], "From the tokens to what is explained."]
    edges: Annotated[tuple[GraphEdge, ...], "Between these nodes, largest first."]
    replacement: Annotated[
        float, "Of the influence that comes from tokens and errors, that of tokens; of all nodes."
    ]
    completeness: Annotated[
        float, "Of what goes into nodes, the part that is no error, by influence; of all nodes."
    ]
    node_threshold: Annotated[float, "The part of all influence that the nodes kept have."]
    edge_threshold: Annotated[float, "The part of all influence that the edges kept have."]
    n_active: Annotated[int, "Latents that are active, at all positions."]
    n_chosen: Annotated[int, "Of these, how many are nodes before any is pruned."]
    unexplored: Annotated[float, "The part of all influence that comes from latents not chosen."]
    supernodes: Annotated[tuple[Supernode, ...], "Nodes taken together; empty unless grouped."]
    notes: Annotated[tuple[str, ...], "What to know of the graph."]
    cost: Annotated[str, "What it took, in words."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    names: tuple[str, ...] = field(default=(), metadata={"written": False})
    weights: Float[Tensor, "target source"] | None = None

    def node(self, name: str) -> GraphNode:
        """A node that was kept. Raises InputError for one that is not in the graph."""
        found = self._by_name.get(name)
        if found is None:
            raise self._missing(name, "node")
        return found

    def edge(self, source: str, target: str) -> float:
        """What one node adds to another, also where it was not kept; 0 where there is no edge.

        Raises InputError for a node that is not there.
        """
        if self.weights is not None:
            numbers = [
                self._number(name, end) for name, end in ((source, "source"), (target, "target"))
            ]
            return float(self.weights[numbers[1], numbers[0]])
        self.node(source), self.node(target)
        return next(
            (one.weight for one in self.edges if (one.source, one.target) == (source, target)), 0.0
        )

    def inputs(self, name: str) -> tuple[GraphEdge, ...]:
        """The edges kept into a node, largest first."""
        self.node(name)
        return tuple(one for one in self.edges if one.target == name)

    def outputs(self, name: str) -> tuple[GraphEdge, ...]:
        """The edges kept out of a node, largest first."""
        self.node(name)
        return tuple(one for one in self.edges if one.source == name)

    def pruned(self, nodes: float | None = None, edges: float | None = None) -> AttributionGraph:
        """The same with fewer nodes and edges: those that have this part of all influence together.

        Tokens and what is explained stay. Raises InputError for a part that the graph has not.
        """
        most_nodes = self._part("nodes", nodes, self.node_threshold)
        most_edges = self._part("edges", edges, self.edge_threshold)
        # reached is of all nodes and edges, so the last one kept may lie above its threshold
        kept = tuple(
            one
            for one in self.nodes
            if nodes is None or one.kind in FIXED or one.reached <= most_nodes
        )
        names = {one.name for one in kept}
        left = tuple(
            one
            for one in self.edges
            if one.source in names
            and one.target in names
            and (edges is None or one.reached <= most_edges)
        )
        return replace(
            self, nodes=kept, edges=left, node_threshold=most_nodes, edge_threshold=most_edges
        )

    def grouped(self, groups: Mapping[str, Sequence[str]]) -> AttributionGraph:
        """The same with supernodes: nodes taken together under names.

        Raises InputError for a node that is not in the graph, or is in two groups.
        """
        taken: dict[str, str] = {}
        for group, names in groups.items():
            for name in names:
                self.node(name)
                if taken.setdefault(name, group) != group:
                    raise InputError(
                        f"{name} is in {taken[name]!r} and in {group!r}",
                        field="groups",
                        value=name,
                        legal="each node in one group",
                    )
        made = tuple(Supernode(name, tuple(nodes)) for name, nodes in groups.items())
        return replace(self, supernodes=made)

    def labelled(self, labels: Mapping[str, str]) -> AttributionGraph:
        """The same with labels of your own, by node: at a position "L6.F77@4", or at all "L6.F77".

        Raises InputError for a name that no node has.
        """
        known = {name for one in self.nodes for name in (one.name, one.name.partition("@")[0])}
        for name in labels:
            if name not in known:
                raise self._missing(name, "labels")

        def label(one: GraphNode) -> str:
            return labels.get(one.name, labels.get(one.name.partition("@")[0], one.label))

        return replace(self, nodes=tuple(replace(one, label=label(one)) for one in self.nodes))

    def said(self, labels: Iterable[Label]) -> AttributionGraph:
        """The same with what labels say of its nodes, at all positions; those of others are left.

        `Labels.on` gives it those that are kept.
        """
        found = {one.node: one for one in labels}

        def words(one: GraphNode) -> GraphNode:
            label = found.get(one.name.partition("@")[0])
            return (
                one if label is None else replace(one, words=label.text, supported=label.supported)
            )

        return replace(self, nodes=tuple(map(words, self.nodes)))

    def group_edges(self) -> tuple[GraphEdge, ...]:
        """The edges between supernodes, and between them and other nodes: sums; largest first.

        Edges inside of one are left out.
        """
        group = {name: one.name for one in self.supernodes for name in one.nodes}
        sums: dict[tuple[str, str], GraphEdge] = {}
        for edge in self.edges:
            ends = group.get(edge.source, edge.source), group.get(edge.target, edge.target)
            if ends[0] == ends[1]:
                continue
            found = sums.get(ends)
            sums[ends] = GraphEdge(
                *ends,
                edge.weight + (0.0 if found is None else found.weight),
                edge.reached if found is None else min(found.reached, edge.reached),
            )
        return tuple(sorted(sums.values(), key=lambda one: -abs(one.weight)))

    def to_viewer(self) -> str:
        """The graph as JSON that circuit-tracer's viewer reads; `ue.load_graph` reads it back."""
        # named, not imported: what reads files makes results
        written: str = import_module("unembed.analyses.attribution_graph.viewer").written(self)
        return written

    def summary(self) -> str:
        return (
            f"{len(self.nodes):,} nodes, {len(self.edges):,} edges to the {self.objective}, "
            f"replacement {self.replacement:.2f}, completeness {self.completeness:.2f}"
        )

    def columns(self) -> Columns:
        """One row for each edge that was kept."""
        names = GraphEdge.__dataclass_fields__
        if not self.edges:
            return {name: [] for name in names}
        return columns_of({name: getattr(edge, name) for name in names} for edge in self.edges)

    # ------------------------------------------------------------ inside

    @cached_property
    def _by_name(self) -> dict[str, GraphNode]:
        return {one.name: one for one in self.nodes}

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}

    def _number(self, name: str, end: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            raise self._missing(name, end)
        return found

    def _part(self, field: str, asked: float | None, made: float) -> float:
        """A part of all influence; as the graph was made where none is asked for."""
        if asked is None:
            return made
        if not 0 <= asked <= made:
            raise InputError(
                f"{field} is {asked}; this graph was made with {made:g}",
                field=field,
                value=asked,
                legal=f"0 to {made:g}",
            )
        return float(asked)

    def _missing(self, name: str, end: str) -> InputError:
        return InputError(
            f"{name!r} is no node of this graph",
            field=end,
            value=name,
            legal='a name as in nodes: "L6.F77@4", "embed@2"',
        )


@dataclass(frozen=True)
class EdgePair:
    """A pair of query and key that an edge goes through."""

    name: Annotated[str, '"L9.H6@14<3"; `ue.trace` says why the head looks there.']
    weight: Annotated[
        float, "How much of the edge it moves; a path through several heads counts at each."
    ]


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredEdge(Result):
    """One direct edge, and what becomes of its target without its source."""

    axes: ClassVar[Axes] = {"weight": (TABLE_ROW,)}

    source: Annotated[str, "The node that writes."]
    target: Annotated[str, "The node that reads."]
    words: Annotated[str, "What is measured of the target, in words."]
    value: Annotated[float, "Of the target in the run: a latent's before its activation function."]
    weight: Annotated[float, "The edge: what the source adds to that."]
    held: Annotated[
        float,
        "Measured: what the target loses without the source, patterns, norms and all other nodes "
        "held; the model's own code, so equal to the edge but for rounding.",
    ]
    live: Annotated[
        float, "Measured in the model as it is: what the target loses without the source."
    ]
    pairs: Annotated[tuple[EdgePair, ...], "That move most of it, largest either way first."]

    def summary(self) -> str:
        return (
            f"{self.source} to {self.target}: {self.weight:+.4g}, held {self.held:+.4g}, "
            f"live {self.live:+.4g}"
        )

    def columns(self) -> Columns:
        """One row for each pair."""
        if not self.pairs:
            return {"name": [], "weight": []}
        return columns_of({"name": one.name, "weight": one.weight} for one in self.pairs)
