"""What `POST /api/flow` refuses before anything runs."""

from __future__ import annotations

import pytest

from unembed.analyses.flow.options import FlowOptions

from .asgi import post
from .flow_requests import EDITS, FAMILIES, PROMPT, ask, drawn, hashable, refused


def test_layers_that_are_not_there_are_named(app):
    status, field, message = refused(app, layers=[5, 1, 3])
    assert (status, field) == (400, "layers")
    assert "3, 5" in message
    assert "0 to 2" in message


def test_too_many_layers(make_app):
    status, field, message = refused(make_app(max_flow_layers=2), layers=[0, 1, 2])
    assert (status, field) == (400, "layers")
    assert "limit is 2" in message


def test_too_many_vectors_are_refused_before_anything_runs(make_app, monkeypatch):
    app = make_app(max_flow_vectors=300)
    ask(app, layers=[1])
    monkeypatch.setattr(app.session, "run", None)
    for fields in ({"layers": [0, 1, 2]}, {"layers": [1], "edits": EDITS}):
        status, field, message = refused(app, **fields)
        assert (status, field) == (413, "layers")
        assert "max_flow_vectors" in message


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "fields",
    [{}, {"rest": True, "n_heads": 0}, {"include": ["L1.H0", "L1.z3"]}],
    ids=str,
)
def test_no_graph_reads_more_vectors_than_are_counted(models, family, fields):
    from unembed.questions.flow_cost import most_vectors

    model = models[family]
    options = FlowOptions(**{name: hashable(value) for name, value in fields.items()})
    lengths = model.read_prompt(PROMPT).lengths
    counted = most_vectors(model.anatomy.blocks[1], options, lengths)
    graph = drawn(model, layers=[1], **fields)
    assert len(graph.vectors) <= counted
    assert counted <= 3 * len(graph.vectors)


def test_a_model_without_a_lens_says_why(make_app, models, monkeypatch):
    from unembed.errors import CapabilityError

    def missing(what: str) -> None:
        raise CapabilityError(f"no {what} here", field="model")

    monkeypatch.setattr(models["gpt2"], "require", missing)
    answer = post(make_app(served=models["gpt2"]), "/api/flow", {"prompt": "a", "layers": [0]})
    assert (answer.status, answer.error["code"]) == (422, "not_capable")
