"""An attribution graph as a figure and a page: every node and edge, by kind, sign and size."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from unembed.analyses.attribution_graph.result import GraphEdge
from unembed.errors import InputError
from unembed.figures.attribution_graph import drawing, html, plot
from unembed.figures.attribution_graph.figure import SIZES
from unembed.figures.colours import LIGHT

from .graph_example import FILE, example, written


def test_the_apps_example_is_what_python_makes_of_it():
    """Where this differs, pruning, grouping or the viewer's file do: write it again, and look at
    what the app's tests say."""
    assert json.loads(FILE.read_text(encoding="utf-8")) == written()


def test_every_node_stands_at_its_token_and_layer():
    graph = example()
    figure = plot(graph, colours="light")
    markers = [trace for trace in figure.data if trace.mode != "lines"]
    assert sum(len(trace.x) for trace in markers) == len(graph.nodes) == 10
    for trace in markers:
        for x, y, hover in zip(trace.x, trace.y, trace.hovertext, strict=True):
            name = hover.split("<br>")[0].split()[0]
            node = graph.node(name)
            assert abs(x - node.position) < 0.5
            assert y == {"embed": -1, "logit": 2}.get(node.kind, node.layer)
    latents = next(trace for trace in markers if trace.name == "latents")
    sizes = dict(
        zip(
            (h.split("<br>")[0].split()[0] for h in latents.hovertext),
            latents.marker.size,
            strict=True,
        )
    )
    assert sizes["L0.F3@1"] > sizes["L1.F5@2"] > sizes["L0.F3@2"]


def test_every_edge_is_a_line_between_its_nodes_by_sign_and_size():
    graph = example()
    figure = plot(graph, colours="light")
    place = {
        hover.split("<br>")[0].split()[0]: (x, y)
        for trace in figure.data
        if trace.mode != "lines"
        for x, y, hover in zip(trace.x, trace.y, trace.hovertext, strict=True)
    }
    left = list(graph.edges)
    for trace in figure.data:
        if trace.mode != "lines":
            continue
        for at in range(0, len(trace.x), 3):
            ends = tuple(zip(trace.x[at : at + 2], trace.y[at : at + 2], strict=True))
            edge = next(e for e in left if (place[e.source], place[e.target]) == ends)
            left.remove(edge)
            assert trace.line.color == LIGHT["negative" if edge.weight < 0 else "positive"]
            lot = min(SIZES - 1, int(math.sqrt(abs(edge.weight) / 4.0) * SIZES))
            assert trace.line.width == pytest.approx(0.5 + (lot + 0.5) / SIZES * 4.0)
    assert left == []


def test_a_hover_has_the_largest_edges():
    figure = plot(example())
    latents = next(trace for trace in figure.data if trace.name == "latents")
    hover = next(one for one in latents.hovertext if one.startswith("L1.F5@2"))
    assert "from L0.F3@1 -2<br>from L0.F3@2 +1.25<br>from embed@0 +0.125" in hover
    assert "to logit:40@2 +4" in hover
    ends = next(trace for trace in figure.data if trace.name == "what is explained")
    assert "␣&lt;a&gt; &amp; b" in ends.text


def test_the_page_has_what_the_drawing_needs():
    graph = example().grouped({"say a city": ["L0.F3@1", "L1.F5@2"]})
    drawn = json.loads(drawing(graph).to_json())
    data = drawn["result"]["data"]
    assert drawn["kind"] == "graph"
    assert [node["name"] for node in data["nodes"]] == [node.name for node in graph.nodes]
    names = [node["name"] for node in data["nodes"]]
    assert [(names[one], names[two], *numbers) for one, two, *numbers in data["edges"]] == [
        (edge.source, edge.target, edge.weight, edge.reached) for edge in graph.edges
    ]
    assert data["supernodes"] == [{"name": "say a city", "nodes": ["L0.F3@1", "L1.F5@2"]}]
    assert drawn["options"]["title"] == "10 nodes, 9 edges to the logits of 2 tokens"
    assert "Replacement 0.800" in drawn["options"]["note"]


def test_a_graph_without_edges_is_refused():
    with pytest.raises(InputError, match="no edges"):
        plot(replace(example(), edges=()))


@pytest.mark.drawing
def test_a_graph_is_a_page_of_its_own(tmp_path):
    path = tmp_path / "graph.html"
    page = html(example(), path=path)
    assert path.read_text(encoding="utf-8") == page
    assert "made by hand" in page


@pytest.mark.drawing
def test_a_page_of_thousands_of_edges_is_small_and_says_what_it_left_out():
    few = example()
    latents = [replace(few.nodes[3], name=f"L0.F{n}@1", influence=1 / (n + 3)) for n in range(500)]
    edges = [
        GraphEdge(one.name, two.name, (number % 97 - 50) / 7, 0.9 * number / 10_000)
        for number, (one, two) in enumerate(
            (latents[n % 500], latents[n // 20]) for n in range(10_000)
        )
    ]
    page = html(replace(few, nodes=(*few.nodes, *latents), edges=tuple(edges)))
    assert len(page.encode()) <= 400_000
    assert "The page has the 4,000 edges of most influence." in page
    data = json.loads(drawing(replace(few, nodes=tuple(latents), edges=tuple(edges))).to_json())
    drawn = data["result"]["data"]
    assert len(drawn["edges"]) == 4000
    assert max(edge[3] for edge in drawn["edges"]) == drawn["edge_threshold"] < 0.37
