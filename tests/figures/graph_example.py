"""A small attribution graph by hand, and what Python makes of it: fewer nodes, and groups.

`web/src/draw/graph/example.json` has both, for the tests of the app, which prunes and groups
without asking. `python -m tests.figures.graph_example` writes it, and `make format` lays it out.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from unembed.analyses.attribution_graph.result import (
    AttributionGraph,
    GraphEdge,
    GraphKind,
    GraphNode,
)
from unembed.engine.names.tokens import Token

FILE = Path(__file__).parents[2] / "web/src/draw/graph/example.json"
PRUNED: tuple[tuple[float | None, float | None], ...] = (
    (None, None),
    (0.6, None),
    (0.75, 0.7),
    (None, 0.5),
    (0.0, None),
    (0.9, 0.0),
)
GROUPS: tuple[dict[str, list[str]], ...] = (
    {"say a city": ["L0.F3@1", "L1.F5@2"]},
    {"say a city": ["L0.F3@1", "L0.F3@2"], "others": ["L1.F_error@2", "L1.mlp@1"]},
)


def example() -> AttributionGraph:
    """Ten nodes at three tokens and two layers."""
    tokens = ("<bos>", "Tokyo", "␣is")
    nodes = (
        *(
            _node(f"embed@{at}", "embed", None, at, at + 7, word, influence=part, reached=0.9)
            for at, (word, part) in enumerate(zip(tokens, (0.02, 0.9, 0.4), strict=True))
        ),
        _node("L0.F3@1", "latent", 0, 1, 3, "␣city", 2.5, 0.5, 0.8, 0.6),
        _node("L0.F3@2", "latent", 0, 2, 3, "␣city", 0.75, -0.25, 0.1, 0.74),
        _node("L1.mlp@1", "mlp", 1, 1, None, "", influence=0.05, reached=0.88),
        replace(
            _node("L1.F5@2", "latent", 1, 2, 5, "", 1.5, 0.125, 0.6, 0.7),
            words="verbs",
            supported=False,
        ),
        _node("L1.F_error@2", "error", 1, 2, None, "", influence=0.2, reached=0.72),
        _node("logit:40@2", "logit", None, 2, 40, "␣Japan", 8.0, 1.0, probability=0.75),
        _node("logit:41@2", "logit", None, 2, 41, "␣<a> & b", 6.0, 1.0, probability=0.125),
    )
    edges = (
        ("L1.F5@2", "logit:40@2", 4.0, 0.3),
        ("L0.F3@1", "L1.F5@2", -2.0, 0.5),
        ("embed@1", "L0.F3@1", 1.5, 0.6),
        ("L0.F3@2", "L1.F5@2", 1.25, 0.65),
        ("L1.F_error@2", "logit:40@2", 1.0, 0.7),
        ("L0.F3@1", "logit:41@2", 0.75, 0.75),
        ("L1.mlp@1", "logit:40@2", -0.5, 0.8),
        ("embed@2", "L0.F3@2", 0.25, 0.85),
        ("embed@0", "L1.F5@2", 0.125, 0.9),
    )
    return AttributionGraph(
        objective="logits of 2 tokens",
        position=2,
        tokens=tuple(Token(at + 7, word, word) for at, word in enumerate(tokens)),
        n_layers=2,
        nodes=nodes,
        edges=tuple(GraphEdge(*edge) for edge in edges),
        replacement=0.8,
        completeness=0.9,
        node_threshold=0.9,
        edge_threshold=0.95,
        n_active=5,
        n_chosen=4,
        unexplored=0.01,
        supernodes=(),
        notes=("made by hand",),
        cost="nothing",
        provenance={"model": "none"},
    )


def _node(
    name: str,
    kind: GraphKind,
    layer: int | None,
    position: int,
    index: int | None,
    label: str,
    value: float | None = None,
    bias: float | None = None,
    influence: float = 0.0,
    reached: float = 0.0,
    probability: float | None = None,
) -> GraphNode:
    return GraphNode(
        name, kind, layer, position, index, label, value, bias, influence, reached, probability
    )


def written() -> dict[str, Any]:
    """The graph, and what pruning and grouping leave of it."""
    graph = example()
    return {
        "graph": graph.to_dict(),
        "viewer": json.loads(graph.grouped(GROUPS[1]).to_viewer()),
        "pruned": [
            {
                "kept": {"nodes": nodes, "edges": edges},
                "nodes": [node.name for node in graph.pruned(nodes, edges).nodes],
                "edges": [[e.source, e.target] for e in graph.pruned(nodes, edges).edges],
            }
            for nodes, edges in PRUNED
        ],
        "grouped": [
            {
                "groups": [{"name": name, "nodes": members} for name, members in groups.items()],
                "edges": [
                    [e.source, e.target, e.weight, e.reached]
                    for e in graph.grouped(groups).group_edges()
                ],
            }
            for groups in GROUPS
        ],
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(written(), ensure_ascii=False), encoding="utf-8")
