"""`POST /api/flow`: the graph that Python draws, both sides of an edit, and what edits measure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

import unembed as ue
from unembed.analyses.flow import cuts as flow_cuts
from unembed.analyses.flow import graph as flow
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import CancelledError
from unembed.questions import flow as flow_question
from unembed.questions.requests import FlowRequest

from .asgi import bearer, post, request
from .flow_requests import EDITS, FAMILIES, OPTIONS, PROMPT, ask, assert_same, drawn, hashable

# ---------------------------------------------------------------- the graph


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_gives_the_graph_of_python(make_app, models, family):
    answer = ask(make_app(served=models[family]), layers=[0, 1])
    graph = drawn(models[family], layers=[0, 1])
    assert_same(answer.baseline, graph)
    assert (answer.edited, answer.effects) == (None, None)
    assert answer.baseline.target.chosen is False
    assert [token.id for token in answer.baseline.target.tokens] == [
        one.id for one in graph.target.tokens
    ]


@pytest.mark.parametrize("fields", OPTIONS, ids=str)
def test_every_option_gives_what_python_gives(app, model, fields):
    answer = ask(app, **fields)
    assert_same(answer.baseline, drawn(model, **fields))


def test_defaults_are_those_of_python():
    body = FlowRequest(prompt="a", layers=[0])
    defaults = FlowOptions()
    for name in FlowOptions.model_fields:
        assert hashable(getattr(body, name)) == getattr(defaults, name), name


def test_layers_are_drawn_in_order_whatever_order_they_are_named_in(app):
    answer = ask(app, layers=[2, 0])
    assert answer.baseline.layers == [0, 2]
    assert answer == ask(app, layers=[0, 2])


def test_the_same_request_alone_or_among_others_gives_the_same_bytes(make_app):
    body = {"prompt": PROMPT, "layers": [1], "edits": EDITS, "target": " c"}
    alone = post(make_app(), "/api/flow", body).body
    app = make_app()
    for other in ({"layers": [0, 1]}, {"target": 72}, {"k": 1}, {"edits": []}, {"position": 0}):
        post(app, "/api/flow", body | other)
    post(app, "/api/predictions", {"prompt": PROMPT, "edits": EDITS})
    first, second = post(app, "/api/flow", body), post(app, "/api/flow", body)
    assert alone == first.body == second.body
    assert second.header("X-Unembed-Cached") == "true"


# ---------------------------------------------------------------- progress and cancelling


def test_a_graph_can_be_cancelled_and_tells_its_progress(app, monkeypatch):
    began = threading.Event()
    stages: list[str] = []
    draw = flow_question.flow_graph

    def slow(*args: Any, cancel: Any, progress: Any, **options: Any) -> Any:
        def told(stage: str, done: int, total: int) -> None:
            stages.append(stage)
            progress(stage, done, total)

        draw(*args, cancel=cancel, progress=told, **options)
        began.set()
        while True:
            cancel.check()

    monkeypatch.setattr(flow_question, "flow_graph", slow)
    body = {"prompt": PROMPT, "layers": [1], "job": "job-of-mine"}

    async def main() -> Any:
        work = asyncio.create_task(request(app, "POST", "/api/flow", headers=[bearer()], data=body))
        await asyncio.to_thread(began.wait, 10)
        gone = await request(app, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        return gone, await work

    gone, work = asyncio.run(main())
    assert (gone.status, work.status, work.error["code"]) == (204, 499, "cancelled")
    assert stages


def test_drawing_and_measuring_check_whether_they_were_cancelled(model):
    from unembed.engine.cancel import Cancel

    cancel = Cancel()
    run = model.run(PROMPT, flow.flow_capture(model, [1]))
    cancel.cancel()
    with pytest.raises(CancelledError):
        flow.flow_graph(run, [1], cancel=cancel)
    with pytest.raises(CancelledError):
        flow_cuts.measure_edits(run, [(None, [ue.zero("L1.H2")])], cancel=cancel)
