"""Edges and nodes of a circuit by their names, as a person puts them in and takes them out.

An edge is "L11.H3>L13.H3.q": what writes, then what reads it; a node "embed", "L9.H1", "L3.mlp",
"logits".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.graph import ARROW, Graph, edge_name, node_of
from unembed.analyses.circuits.rating import edges_of
from unembed.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def edge_numbers(graph: Graph, name: str, field: str) -> tuple[int, int]:
    """The numbers of an edge among sources and readers. Raises InputError where there is none."""
    source, _, target = name.partition(ARROW)
    found = graph.numbers(source, target)
    if found is None:
        raise _unknown(graph, name, field, "edge")
    return found


def edges_by_hand(
    graph: Graph,
    kept: Bool[Tensor, "source reader"],
    include: Sequence[str],
    exclude: Sequence[str],
) -> Bool[Tensor, "source reader"]:
    """These edges, with some put in and then some taken out.

    A node that is put in has every edge between it and the nodes of the circuit, those put in
    beside it among them, the embedding and the logits; one that is taken out has none.

    Raises:
        InputError: a name that the model has no edge and no node of.
    """
    kept = kept.clone()
    added = [_node(graph, name, "include") for name in include if ARROW not in name]
    for name in include:
        if ARROW in name:
            kept[edge_numbers(graph, name, "include")] = True
    if added:
        kept |= _around(graph, kept, added)
    for name in exclude:
        if ARROW in name:
            kept[edge_numbers(graph, name, "exclude")] = False
        else:
            kept &= ~_touching(graph, [_node(graph, name, "exclude")])
    return kept


def effects_of_file(graph: Graph, scores: CircuitFile) -> Float[Tensor, "source reader"]:
    """The score of every edge. Raises InputError unless each of the model's has one."""
    effects = torch.zeros(len(graph.sources), len(graph.readers), dtype=torch.float64)
    missing = edges_of(graph)
    for name, score in scores.scores.items():
        place = edge_numbers(graph, name, "scores")
        effects[place], missing[place] = score, False
    left = missing.nonzero().tolist()
    if left:
        row, column = left[0]
        first = edge_name(graph.sources[row], graph.readers[column])
        raise InputError(
            f"scores has none for {len(left):,} of {graph.n_edges:,} edges, {first} the first",
            field="scores",
            value=len(scores.scores),
            legal="a score for every edge of the model",
            fix="edges=0, include=found.edges measures the edges of a file without its scores",
        )
    return effects


def _around(
    graph: Graph, kept: Bool[Tensor, "source reader"], nodes: Sequence[str]
) -> Bool[Tensor, "source reader"]:
    """Every edge of some nodes whose other end is in the circuit."""
    ends = {"embed", "logits", *nodes}
    for row, column in kept.nonzero().tolist():
        ends |= {graph.sources[row], node_of(graph.readers[column])}
    inside = torch.tensor([one in ends for one in graph.sources])[:, None] & torch.tensor(
        [node_of(one) in ends for one in graph.readers]
    )
    return inside & _touching(graph, nodes)


def _touching(graph: Graph, nodes: Sequence[str]) -> Bool[Tensor, "source reader"]:
    """Every edge that starts or ends at one of some nodes."""
    starts = torch.tensor([one in nodes for one in graph.sources])
    ends = torch.tensor([node_of(one) in nodes for one in graph.readers])
    return edges_of(graph) & (starts[:, None] | ends)


def _node(graph: Graph, name: str, field: str) -> str:
    if name not in graph.nodes:
        raise _unknown(graph, name, field, "node")
    return name


def _unknown(graph: Graph, name: str, field: str, what: str) -> InputError:
    last = len(graph.layers) - 1
    return InputError(
        f"there is no {what} {name!r} in this model: {field}",
        field=field,
        value=name,
        legal=f'"embed", "L0.H0" to "L{last}.H{graph.layers[last].n_heads - 1}", "L0.mlp", '
        f'"logits", or an edge from one to what reads later: "embed>L{last}.H0.q", '
        '"L0.H0>logits"',
    )
