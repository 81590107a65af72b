"""Attribution graphs as files: JSON that circuit-tracer's viewer reads. Knows no torch, no model.

The viewer's fields hold what it shows; what it has no field for stands beside them under "unembed",
which it passes over. So a graph that was written is read back equal, and a file of circuit-tracer's
own is read without what such a file does not say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from unembed.analyses.attribution_graph.result import (
    AttributionGraph,
    GraphEdge,
    GraphKind,
    GraphNode,
    Supernode,
)
from unembed.analyses.tools.json_file import data_of, text_of
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import plain

LONGEST = 500_000_000  # bytes of a file
OWN = "unembed"
TYPES: dict[GraphKind, str] = {
    "embed": "embedding",
    "latent": "cross layer transcoder",
    "error": "mlp reconstruction error",
    "mlp": "mlp reconstruction error",
    "logit": "logit",
}
_KINDS: dict[str, GraphKind] = {
    "embedding": "embed",
    "cross layer transcoder": "latent",
    "unexplored node": "latent",
    "mlp reconstruction error": "error",
    "logit": "logit",
}
_LEFT_OUT = ("nodes", "edges", "supernodes", "names", "weights")  # which have places of their own


def written(graph: AttributionGraph) -> str:
    """The graph as the viewer's JSON."""
    ids = {node.name: _id(node, graph) for node in graph.nodes}
    labels = [token.label for token in graph.tokens]
    about = {
        row.name: plain(getattr(graph, row.name))
        for row in fields(graph)
        if row.name not in _LEFT_OUT
    }
    data = {
        "metadata": {
            "slug": "unembed",
            "scan": "unembed",
            "transcoder_list": [],
            "prompt_tokens": labels,
            "prompt": "".join(token.text for token in graph.tokens),
            "node_threshold": graph.node_threshold,
            OWN: about,
        },
        "qParams": {
            "pinnedIds": [ids[name] for one in graph.supernodes for name in one.nodes],
            "supernodes": [
                [one.name, *(ids[name] for name in one.nodes)] for one in graph.supernodes
            ],
            "linkType": "both",
            "clickedId": "",
            "sg_pos": "",
        },
        "nodes": [_node(node, graph, ids[node.name]) for node in graph.nodes],
        "links": [
            {
                "source": ids[edge.source],
                "target": ids[edge.target],
                "weight": edge.weight,
                OWN: {"reached": edge.reached},
            }
            for edge in graph.edges
        ],
    }
    return json.dumps(data, ensure_ascii=False, allow_nan=False)


def _id(node: GraphNode, graph: AttributionGraph) -> str:
    """What the file calls a node; it need only be the only one of that name."""
    if node.kind == "embed":
        return f"E_{node.index}_{node.position}"
    if node.kind == "logit":
        which = "sum" if node.index is None else node.index
        return f"{graph.n_layers + 1}_{which}_{node.position}"
    if node.kind == "latent":
        return f"{node.layer}_{node.index}_{node.position}"
    return f"{node.layer}_error_{node.position}"  # "0_layer_pos" is also a latent of layer 0


def _node(node: GraphNode, graph: AttributionGraph, name: str) -> dict[str, Any]:
    layer = {"embed": "E", "logit": str(graph.n_layers + 1)}.get(node.kind, str(node.layer))
    feature = {"embed": node.position, "latent": node.index, "logit": node.index}.get(node.kind)
    share = 1.0 if node.probability is None else node.probability
    clerp = f'Output "{node.label}" (p={share:.3f})' if node.kind == "logit" else node.text
    top = next((one for one in graph.nodes if one.kind == "logit"), None)
    return {
        "node_id": name,
        "feature": -1 if feature is None else feature,
        "layer": layer,
        "ctx_idx": node.position,
        "feature_type": TYPES[node.kind],
        "token_prob": share if node.kind == "logit" else 0.0,
        "is_target_logit": node is top,
        "run_idx": 0,
        "reverse_ctx_idx": 0,
        "jsNodeId": name,
        "clerp": "" if node.kind == "embed" else clerp,
        "influence": None if node.kind == "logit" else node.reached,
        "activation": node.value if node.kind == "latent" else None,
        OWN: plain(node),
    }


# ------------------------------------------------------------------ and back


def load_graph(path: str | Path) -> AttributionGraph:
    """An attribution graph from a file: what `AttributionGraph.to_viewer` wrote, or circuit-tracer.

    What the second does not say (biases, edges that were not kept, scores) is None, or 0.

    Raises:
        InputError: a file that cannot be read, or that is neither.
    """
    return read_graph(text_of(path, LONGEST, _bad), path)


def read_graph(text: str, path: str | Path = "the text") -> AttributionGraph:
    """A graph from the text of such a file; `path` is what errors call it."""
    data = data_of(text, path, _bad)
    try:
        return _graph(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise _bad(path, what) from None


def _graph(data: Mapping[str, Any]) -> AttributionGraph:
    metadata, nodes, names = data["metadata"], [], {}
    for said in data["nodes"]:
        node = _read_node(said)
        nodes.append(node)
        names[said["node_id"]] = node.name
    if len(set(names.values())) < len(nodes):
        raise ValueError("two of its nodes are the same")
    edges = tuple(
        GraphEdge(
            names[said["source"]],
            names[said["target"]],
            _number(said["weight"]),
            _number(said.get(OWN, {}).get("reached", 0.0)),
        )
        for said in data["links"]
    )
    groups = (data.get("qParams") or {}).get("supernodes") or []
    made = tuple(
        Supernode(str(name), tuple(names[one] for one in members)) for name, *members in groups
    )
    about = metadata.get(OWN)
    about = _foreign(metadata, nodes) if about is None else _own(about)
    return AttributionGraph(nodes=tuple(nodes), edges=edges, supernodes=made, **about)


def _own(about: Mapping[str, Any]) -> dict[str, Any]:
    tokens = tuple(Token(**one) for one in about["tokens"])
    known = {row.name for row in fields(AttributionGraph)} - set(_LEFT_OUT)
    if set(about) != known:
        raise ValueError(f"{', '.join(sorted(set(about) ^ known))}: of another version")
    return {**about, "tokens": tokens, "notes": tuple(about["notes"])}


def _foreign(metadata: Mapping[str, Any], nodes: list[GraphNode]) -> dict[str, Any]:
    """What can be told of a file that is not one of ours."""
    ids = {node.position: node.index for node in nodes if node.kind == "embed"}
    tokens = tuple(
        Token(ids.get(at) or 0, str(text), str(text))
        for at, text in enumerate(metadata["prompt_tokens"])
    )
    logits = [node for node in nodes if node.kind == "logit"]
    threshold = metadata.get("node_threshold")
    return {
        "objective": f"logits of {len(logits)} tokens",
        "position": max((node.position for node in logits), default=len(tokens) - 1),
        "tokens": tokens,
        "n_layers": max((node.layer + 1 for node in nodes if node.layer is not None), default=0),
        "replacement": 0.0,
        "completeness": 0.0,
        "node_threshold": 1.0 if threshold is None else _number(threshold),
        "edge_threshold": 1.0,
        "n_active": sum(node.kind == "latent" for node in nodes),
        "n_chosen": sum(node.kind == "latent" for node in nodes),
        "unexplored": 0.0,
        "notes": (f"read from a file of {metadata.get('scan')}: it has no scores and no biases",),
        "cost": "",
        "provenance": {"scan": str(metadata.get("scan"))},
    }


def _read_node(said: Mapping[str, Any]) -> GraphNode:
    if OWN in said:
        return GraphNode(**said[OWN])
    kind = _KINDS[said["feature_type"]]
    at, name = int(said["ctx_idx"]), str(said["node_id"])
    layer = None if kind in ("embed", "logit") else int(said["layer"])
    index = None if kind == "error" else int(name.split("_")[1])
    label, value = str(said.get("clerp") or ""), said.get("activation")
    reached = said.get("influence")
    stems = {"embed": "embed", "logit": f"logit:{index}", "error": f"L{layer}.F_error"}
    return GraphNode(
        name=f"{stems.get(kind, f'L{layer}.F{index}')}@{at}",
        kind=kind,
        layer=layer,
        position=at,
        index=index,
        label=label,
        value=None if value is None else _number(value),
        bias=None,
        influence=0.0,
        reached=0.0 if reached is None else _number(reached),
        probability=_number(said.get("token_prob", 0.0)) if kind == "logit" else None,
    )


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no finite number")
    return float(value)


def _bad(path: str | Path, why: str) -> InputError:
    return InputError(
        f"{path} cannot be read as an attribution graph: {why}",
        field="graph",
        value=str(path),
        legal="JSON of AttributionGraph.to_viewer, or of circuit-tracer",
    )
