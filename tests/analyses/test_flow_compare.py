"""The comparison that the flow graph is held to notices a wrong number of every kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from unembed.analyses.flow.options import FlowOptions

from .flow_compare import Comparison
from .flow_oracle import SlowFlow
from .flow_running import TARGET, drawn

OPTIONS = FlowOptions(n_heads=1, top_neurons=2, bottom_neurons=1, values_per_head=1)


@pytest.fixture(scope="module")
def pair(model_of, slow_of):
    _, graph = drawn(model_of("gpt2", torch.float64), [1], options=OPTIONS)
    with torch.no_grad():
        return graph, SlowFlow(slow_of("gpt2", torch.float64), [1], options=OPTIONS)


def wrong(graph, slow):
    with torch.no_grad():
        return Comparison(graph, slow, TARGET, 1e-9).wrong()


def node_changed(graph, name, **values):
    nodes = tuple(replace(one, **values) if one.id == name else one for one in graph.nodes)
    return replace(graph, nodes=nodes)


def reading_changed(graph, name, **values):
    own, *others = graph.node(name).readings
    return node_changed(graph, name, readings=(replace(own, **values), *others))


def link_changed(graph, kind, **values):
    first = next(one for one in graph.links if one.kind == kind)
    links = tuple(replace(one, **values) if one is first else one for one in graph.links)
    return replace(graph, links=links)


def moved(graph, kind):
    link = next(one for one in graph.links if one.kind == kind)
    return link_changed(graph, kind, width=link.width * 1.001)


def swapped(graph, name):
    tokens = graph.node(name).readings[0].tokens
    return reading_changed(graph, name, tokens=(tokens[1], tokens[0], *tokens[2:]))


def scored(graph, name, **values):
    score = graph.node(name).readings[0].target
    return reading_changed(graph, name, target=replace(score, **values))


def neuron(graph):
    return next(one.id for one in graph.nodes if one.kind == "neuron")


LINKS = (
    *("norm", "residual_attn", "residual_mlp", "branch", "qkv", "query", "attention", "memory"),
    *("head", "z_row_key", "z_row", "neuron_key", "activation", "neuron", "bias"),
)
MISTAKES = {
    "a node less": lambda g: replace(g, nodes=g.nodes[:-1]),
    "a link less": lambda g: replace(g, links=g.links[1:]),
    "kind": lambda g: node_changed(g, "L1.z", kind="head"),
    "column": lambda g: node_changed(g, "L1.z", column=8),
    "activation": lambda g: node_changed(g, neuron(g), activation=0.0),
    "sign": lambda g: node_changed(g, neuron(g), sign=-g.node(neuron(g)).sign),
    "attributed": lambda g: node_changed(g, neuron(g), attributed=0.5),
    "norm": lambda g: reading_changed(g, "L1.qkv", norm=1.0),
    "entropy in bits": lambda g: reading_changed(
        g, "L1.z", entropy=g.node("L1.z").readings[0].entropy * 1.4427
    ),
    "tokens": lambda g: swapped(g, "L1.attn_out"),
    "probability": lambda g: scored(g, "L1.attn_out", probability=0.5),
    "rank from 0": lambda g: scored(
        g, "L1.attn_out", rank=g.node("L1.attn_out").readings[0].target.rank - 1
    ),
    "vector": lambda g: replace(g, vectors=g.vectors * 1.0001),
    "share": lambda g: link_changed(g, "neuron", share=2.0),
    "colour value": lambda g: link_changed(g, "attention", colour_value=0.9999),
    "colour": lambda g: link_changed(g, "attention", colour="entropy"),
    "what passes": lambda g: link_changed(g, "memory", coefficient=0.1234),
    "effect of a link": lambda g: link_changed(g, "memory", attributed=9.0),
    **{f"width of {kind}": lambda g, kind=kind: moved(g, kind) for kind in LINKS},
}


def test_the_graph_itself_is_right(pair):
    assert wrong(*pair) == []


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_noticed(mistake, pair):
    graph, slow = pair
    assert wrong(MISTAKES[mistake](graph), slow) != []
