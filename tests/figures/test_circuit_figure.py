"""A circuit as a figure and a page: every edge drawn, by its sign and its size."""

from __future__ import annotations

import json
import math

import pytest

import unembed as ue
from unembed.errors import InputError
from unembed.figures.circuit import drawing, html, plot
from unembed.figures.circuit.figure import BAND_ALPHA, THICKEST, THINNEST
from unembed.figures.colours import LIGHT
from unembed.figures.diagram.parts import css
from unembed.figures.flow_palettes import see_through
from unembed.models.tiny import tiny_model
from unembed.node_labels import Label

PROMPT, OTHER = [5, 6, 7, 8], [5, 9, 7, 8]


@pytest.fixture(scope="module")
def circuit():
    model = ue.load(tiny_model("gpt2"))
    return ue.find_circuit(model, PROMPT, OTHER, 72, distractor=9, edges=15, measure=2, shares=(1,))


def test_every_edge_is_a_band_by_its_sign_and_its_size(circuit):
    figure = plot(circuit, colours="light")
    bands = [s for s in figure.layout.shapes if s.type == "path"]
    assert len(bands) == len(circuit.edges) == 15
    largest = max(abs(edge.effect) for edge in circuit.edges)
    for edge, band in zip(circuit.edges, bands, strict=True):
        name = "negative" if edge.effect < 0 else "positive"
        assert band.fillcolor == css(see_through(LIGHT[name], BAND_ALPHA))
        wanted = max(THINNEST, THICKEST * math.sqrt(abs(edge.effect) / largest))
        places = [float(one.split(",")[1]) for one in band.path.split() if "," in one]
        assert places[-1] - places[0] == pytest.approx(wanted, abs=0.02)
    hovers = figure.data[1].hovertext
    assert sum("of faithfulness" in hover for hover in hovers) == 2


def test_the_page_has_what_the_drawing_needs(circuit):
    written = json.loads(drawing(circuit).to_json())
    data = written["result"]["data"]
    assert written["kind"] == "circuit"
    assert data["n_heads"] == [4, 4, 4]
    assert [e["source"] for e in data["edges"]] == [e.source for e in circuit.edges]
    assert f"{len(circuit.edges)} of {circuit.n_edges:,} edges" in written["options"]["title"]


@pytest.fixture(scope="module")
def by_position():
    model = ue.load(tiny_model("gpt2"))
    asked = {"edges": 15, "curve": False, "by_position": True, "ablation": "resample"}
    return ue.find_circuit(model, PROMPT, OTHER, 72, distractor=9, **asked)


def test_by_position_nodes_stand_at_their_tokens(by_position):
    figure = plot(by_position, colours="light")
    assert len([s for s in figure.layout.shapes if s.type == "path"]) == 15
    boxes = figure.data[0].hovertext
    assert len(boxes) == len(by_position.nodes)
    labels = [token.label for token in by_position.tokens]
    for node in by_position.nodes:
        assert f"<b>{node}, {labels[int(node.split('@')[1])]}</b>" in boxes
    written = drawing(by_position).result
    assert written["by_position"] is True
    assert [token["label"] for token in written["tokens"]] == labels


def test_what_is_said_of_nodes_is_drawn_with_them(circuit, by_position):
    """Of a node the label that is shown first, and none of nodes that are not there."""
    for found in (circuit, by_position):
        (name, *_) = (node for node in found.nodes if node.startswith("L"))
        node = name.partition("@")[0]
        labels = [
            Label(node, "searched", "search"),
            Label(node, "by hand", "hand", supported=False),
            Label("L2.N7", "elsewhere", "hand"),
        ]
        assert drawing(found, labels=labels).result["labels"] == {node: "by hand (not supported)"}
        hovers = plot(found, labels=labels).data[0].hovertext
        assert sum("by hand" in hover for hover in hovers) == sum(
            one.partition("@")[0] == node for one in found.nodes
        )
    assert drawing(circuit).result["labels"] == {}


@pytest.mark.drawing
def test_the_page_by_position_says_how_it_is_read(by_position):
    page = html(by_position)
    assert "Tokens from left to right" in page
    assert "what their source writes at drawn positions" in page


def test_a_circuit_without_edges_is_refused(circuit):
    model = ue.load(tiny_model("gpt2"))
    none = ue.find_circuit(model, PROMPT, OTHER, 72, edges=0, curve=False)
    with pytest.raises(InputError, match="no edges"):
        plot(none)


@pytest.mark.drawing
def test_a_circuit_is_a_page_of_its_own(circuit, tmp_path):
    page = html(circuit, path=tmp_path / "circuit.html")
    assert (tmp_path / "circuit.html").read_text() == page
    assert "in the whole model" in page
