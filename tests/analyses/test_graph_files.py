"""Attribution graphs in files of circuit-tracer's form: written, read back, and refused."""

from __future__ import annotations

import dataclasses
import json

import pytest

import unembed as ue
from unembed.analyses.attribution_graph.viewer import read_graph
from unembed.errors import InputError

from .transcoded import PROMPT, with_transcoders


@pytest.fixture(scope="module")
def graph():
    return ue.attribution_graph(with_transcoders("llama"), PROMPT, answers=3)


def test_a_file_is_read_back_identical(graph, tmp_path):
    latents = [node.name for node in graph.nodes if node.kind == "latent"][:2]
    graph = graph.grouped({"both": latents})
    path = tmp_path / "graph.json"
    path.write_text(graph.to_viewer(), "utf-8")
    read = ue.load_graph(path)
    for row in dataclasses.fields(graph):
        if row.name not in ("names", "weights"):
            assert getattr(read, row.name) == getattr(graph, row.name), row.name
    assert read.to_viewer() == graph.to_viewer()
    assert read.edge(graph.edges[0].source, graph.edges[0].target) == graph.edges[0].weight


def test_the_file_has_what_the_viewer_asks_for(graph):
    """The fields that circuit-tracer writes (frontend/graph_models.py), of the same types."""
    data = json.loads(graph.to_viewer())
    assert {"slug", "scan", "transcoder_list", "prompt_tokens", "prompt", "node_threshold"} <= set(
        data["metadata"]
    )
    assert {"pinnedIds", "supernodes", "linkType", "clickedId", "sg_pos"} == set(data["qParams"])
    ids = [node["node_id"] for node in data["nodes"]]
    assert len(set(ids)) == len(ids)
    for node in data["nodes"]:
        assert isinstance(node["layer"], str)
        assert isinstance(node["feature"], int)
        if node["feature_type"] == "logit":  # read by the viewer from the text
            assert float(node["clerp"].split("(p=")[1].split(")")[0]) == pytest.approx(
                node["token_prob"], abs=5e-4
            )
    assert {link["source"] for link in data["links"]} <= set(ids)
    assert sum(node["is_target_logit"] for node in data["nodes"]) == 1


FOREIGN = {
    "metadata": {
        "slug": "dallas",
        "scan": "gemma-2-2b",
        "transcoder_list": [],
        "prompt_tokens": ["<bos>", "Fact"],
        "prompt": "<bos>Fact",
        "node_threshold": 0.8,
    },
    "qParams": {"supernodes": [["say", "1_5_1"]], "pinnedIds": [], "linkType": "both"},
    "nodes": [
        {"node_id": "E_7_1", "feature": 1, "layer": "E", "ctx_idx": 1, "feature_type": "embedding"},
        {
            "node_id": "1_5_1",
            "feature": 100005,
            "layer": "1",
            "ctx_idx": 1,
            "feature_type": "cross layer transcoder",
            "clerp": "facts",
            "influence": 0.4,
            "activation": 2.5,
        },
        {
            "node_id": "0_1_1",
            "feature": -1,
            "layer": "1",
            "ctx_idx": 1,
            "feature_type": "mlp reconstruction error",
        },
        {
            "node_id": "27_9_1",
            "feature": 9,
            "layer": "27",
            "ctx_idx": 1,
            "feature_type": "logit",
            "token_prob": 0.5,
            "clerp": 'Output " x" (p=0.500)',
        },
    ],
    "links": [{"source": "1_5_1", "target": "27_9_1", "weight": 1.25}],
}


def test_a_file_of_circuit_tracer_is_read():
    found = read_graph(json.dumps(FOREIGN))
    assert [node.name for node in found.nodes] == [
        "embed@1",
        "L1.F5@1",
        "L1.F_error@1",
        "logit:9@1",
    ]
    assert found.node("L1.F5@1").value == 2.5
    assert found.edge("L1.F5@1", "logit:9@1") == 1.25
    assert found.supernodes[0].nodes == ("L1.F5@1",)
    again = read_graph(found.to_viewer())
    assert (again.nodes, again.edges) == (found.nodes, found.edges)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"metadata": {}, "nodes": [{}], "links": []}',
        json.dumps(FOREIGN | {"links": [{"source": "?", "target": "27_9_1", "weight": 1}]}),
        json.dumps(FOREIGN | {"nodes": FOREIGN["nodes"] * 2}),
    ],
    ids=["empty", "list", "object", "node", "link", "twice"],
)
def test_what_is_no_graph_is_refused(text, tmp_path):
    path = tmp_path / "graph.json"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError, match="cannot be read as an attribution graph"):
        ue.load_graph(path)
