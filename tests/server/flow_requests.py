"""Asking for flow graphs, and the graphs that Python makes of the same requests."""

from __future__ import annotations

from typing import Any

from unembed.analyses.flow import graph as flow
from unembed.analyses.flow.options import FlowOptions
from unembed.questions.flow import FlowComparison
from unembed.server.wire import body_of

from .asgi import post

PROMPT = "The cat sat on the mat"
HALF_A_CHARACTER = 102
FAMILIES = ("gpt2", "gptj", "llama", "gemma3", "mixtral")
EDITS = [{"target": "L1.H2", "operation": "zero"}]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"layers": [0, 2], "target": " c", "k": 2},
    {"layers": [2], "target": 72, "position": 2, "n_heads": 0, "values_per_head": 1},
    {"layers": [1, 2], "merge_neurons": True, "merge_values": True, "attn_bias": False},
    {"layers": [1], "rest": True, "top_neurons": 3, "bottom_neurons": 0, "include": ["L1.N3"]},
    {"layers": [1], "threshold": 0.1, "default_width": 2, "head_factor": 0.5},
    {"layers": [1], "target": "ab", "target_mode": "whole"},
    {"layers": [1], "target": "ab", "target_mode": "first"},
]


def ask(app: Any, **fields: Any) -> Any:
    answer = post(app, "/api/flow", {"prompt": PROMPT, "layers": [1]} | fields)
    assert answer.status == 200, answer.body
    return body_of(FlowComparison).model_validate_json(answer.body)


def refused(app: Any, **fields: Any) -> tuple[int, str, str]:
    answer = post(app, "/api/flow", {"prompt": PROMPT, "layers": [1]} | fields)
    return answer.status, answer.error["field"], answer.error["message"]


def drawn(model: Any, edits: Any = (), like: Any = None, **fields: Any) -> Any:
    """The graph that Python makes of the same request."""
    layers = sorted(fields.pop("layers", [1]))
    target, position = fields.pop("target", None), fields.pop("position", -1)
    run = model.run(PROMPT, flow.flow_capture(model, layers, position), edits)
    options = FlowOptions(**{name: hashable(value) for name, value in fields.items()})
    return flow.flow_graph(
        run, layers, target=target, position=position, options=options, like=like
    )


def hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def assert_same(side: Any, graph: Any) -> None:
    assert [node.id for node in side.nodes] == [node.id for node in graph.nodes]
    assert [link.id for link in side.links] == [link.id for link in graph.links]
    for sent, node in zip(side.nodes, graph.nodes, strict=True):
        for name in ("kind", "layer", "column", "title", "label", "address", "position", "sign"):
            assert getattr(sent, name) == getattr(node, name), (node.id, name)
        for name in ("activation", "gate", "up", "attention", "attributed"):
            assert getattr(sent, name) == getattr(node, name), (node.id, name)
        assert_same_token(sent.token, node.token)
        assert (sent.cut is None) == (node.cut is None)
        for one, reading in zip(sent.readings, node.readings, strict=True):
            assert_same_reading(one, reading)
    for sent_link, link in zip(side.links, graph.links, strict=True):
        for name in ("source", "target", "kind", "width", "colour", "colour_value", "share"):
            assert getattr(sent_link, name) == getattr(link, name), (link.id, name)
    assert_same_reading(side.output, graph.output)
    assert side.notes == list(graph.notes)
    assert [one.rest for one in side.sums] == [one.rest for one in graph.sums]


def assert_same_reading(sent: Any, reading: Any) -> None:
    assert (sent.name, sent.norm, sent.entropy) == (reading.name, reading.norm, reading.entropy)
    for one, other in zip(sent.tokens, reading.tokens, strict=True):
        assert_same_token(one.token, other.token)
    assert [one.probability for one in sent.tokens] == [one.probability for one in reading.tokens]
    assert (sent.target is None) == (reading.target is None)
    if sent.target is not None:
        assert (sent.target.probability, sent.target.rank) == (
            reading.target.probability,
            reading.target.rank,
        )


def assert_same_token(sent: Any, token: Any) -> None:
    assert (sent is None) == (token is None)
    if token is not None:
        assert (sent.id, sent.text, sent.label) == (token.id, token.text, token.label)
