"""Edges and nodes of a circuit by their names, as a person puts them in and takes them out.

An edge is "L11.H3>L13.H3.q": what writes, then what reads it; a node "embed", "L9.H1", "L3.mlp",
"logits". By position each may say where: "L9.H1@4", and both ends of an edge the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.graph import ARROW, AT, Graph, Place, edge_name
from unembed.analyses.circuits.rating import edges_of
from unembed.errors import InputError

if TYPE_CHECKING:
    from jaxtyping import Bool, Float


def edge_numbers(graph: Graph, name: str, field: str) -> Place:
    """Where an edge stands in a mask. Raises InputError where there is none."""
    source, _, target = name.partition(ARROW)
    found = graph.numbers(source, target)
    if found is None:
        raise _unknown(graph, name, field, "edge")
    return found


def edges_by_hand(
    graph: Graph,
    kept: Bool[Tensor, "source reader *pos"],
    include: Sequence[str],
    exclude: Sequence[str],
) -> Bool[Tensor, "source reader *pos"]:
    """These edges, with some put in and then some taken out.

    A node that is put in has every edge between it and the nodes of the circuit, those put in
    beside it among them, the embedding and the logits; one that is taken out has none. By position
    a name without one is that of all positions.

    Raises:
        InputError: a name that the model has no edge and no node of.
    """
    kept = kept.clone()
    added = [name for name in include if ARROW not in name]
    for name in include:
        if ARROW in name:
            kept[edge_numbers(graph, name, "include")] = True
    if added:
        kept |= _around(graph, kept, _nodes(graph, added, "include"))
    for name in exclude:
        if ARROW in name:
            kept[edge_numbers(graph, name, "exclude")] = False
        else:
            kept &= ~_touching(graph, _nodes(graph, [name], "exclude"))
    return kept & edges_of(graph)


def effects_of_file(graph: Graph, scores: CircuitFile) -> Float[Tensor, "source reader *pos"]:
    """The score of every edge. Raises InputError unless each of the model's has one."""
    effects = torch.zeros(graph.shape, dtype=torch.float64)
    missing = edges_of(graph)
    for name, score in scores.scores.items():
        place = edge_numbers(graph, name, "scores")
        if slice(None) in place:
            raise InputError(
                f"{name} of scores has no position, and edges are those of each position",
                field="scores",
                value=name,
                legal='names as "embed@0>L0.mlp@0"',
                fix="by_position=False for scores over all positions",
            )
        effects[place], missing[place] = score, False
    left = missing.nonzero()
    if len(left):
        first = edge_name(*graph.names(*left[0].tolist()))
        raise InputError(
            f"scores has none for {len(left):,} of {graph.n_edges:,} edges, {first} the first",
            field="scores",
            value=len(scores.scores),
            legal="a score for every edge of the model",
            fix="edges=0, include=found.edges measures the edges of a file without its scores",
        )
    return effects


def _around(
    graph: Graph, kept: Bool[Tensor, "source reader *pos"], added: Bool[Tensor, "node ..."]
) -> Bool[Tensor, "source reader *pos"]:
    """Every edge of some nodes whose other end is in the circuit."""
    ends = added.clone()
    ends[0] = ends[-1] = True  # the embedding and the logits
    ends[:-1] |= kept.any(1)
    readers = kept.any(0)
    for reader, node in enumerate(graph.reader_nodes):
        ends[node] |= readers[reader]
    inside = ends[:-1, None] & ends[list(graph.reader_nodes)][None]
    return inside & _touching(graph, added)


def _touching(graph: Graph, nodes: Bool[Tensor, "node ..."]) -> Bool[Tensor, "source reader *pos"]:
    """Every edge that starts or ends at one of some nodes."""
    return edges_of(graph) & (nodes[:-1, None] | nodes[list(graph.reader_nodes)][None])


def _nodes(graph: Graph, names: Sequence[str], field: str) -> Bool[Tensor, "node ..."]:
    found = torch.zeros(len(graph.sources) + 1, *graph.shape[2:], dtype=torch.bool)
    for name in names:
        place = graph.node_numbers(name)
        if place is None:
            raise _unknown(graph, name, field, "node")
        found[place] = True
    return found


def _unknown(graph: Graph, name: str, field: str, what: str) -> InputError:
    last = len(graph.layers) - 1
    legal = (
        f'"embed", "L0.H0" to "L{last}.H{graph.layers[last].n_heads - 1}", "L0.mlp", '
        f'"logits", or an edge from one to what reads later: "embed>L{last}.H0.q", '
        '"L0.H0>logits"'
    )
    fix, most = None, graph.positions
    if most is None and AT in name:
        fix = "by_position=True, where edges are those of each position"
    elif most is not None:
        legal += f"; at one of the positions 0 to {most - 1}, the same for both ends of an edge: "
        legal += f'"L0.mlp@{most - 1}", "L0.H0@{most - 1}>L0.mlp@{most - 1}"'
        if graph.answer is not None:
            legal += f"; the logits are read at {graph.answer}"
    return InputError(
        f"there is no {what} {name!r} in this model: {field}",
        field=field,
        value=name,
        legal=legal,
        fix=fix,
    )
