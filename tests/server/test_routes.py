"""The routes, on a tiny model, through the guard: answers, and work followed and cancelled."""

from __future__ import annotations

import asyncio
import html
import json
import threading
import time
from typing import Any

import pytest

from unembed.engine.passes.generation import Generation
from unembed.errors import CancelledError
from unembed.questions import generation
from unembed.questions.generation import GenerationComparison
from unembed.server import describe, wire

from .asgi import COOKIE, HOST, ORIGIN, TOKEN, bearer, call, cookie, post, request

PROMPT = "The cat sat on the mat"
EDITS = [{"target": "L1.H2", "operation": "zero"}]


def test_health_and_model(app, model):
    assert call(app, "GET", "/api/health").json()["status"] == "ok"
    info = wire.ModelInfo.model_validate(call(app, "GET", "/api/model", headers=[bearer()]).json())
    assert (info.n_layers, info.n_heads, info.d_mlp) == (3, 4, 52)
    assert info.limits.max_prompt_tokens == model.max_positions == 64
    assert {one.name for one in info.capabilities} >= {"pattern", "neurons", "lens", "generate"}


def test_a_model_whose_weights_must_be_read_first_holds_up_nobody(app, monkeypatch):
    made_by, make = [], describe.model_info

    def slow(session):
        made_by.append(threading.current_thread())
        return make(session)

    monkeypatch.setattr(describe, "model_info", slow)
    assert call(app, "GET", "/api/model", headers=[bearer()]).status == 200
    [thread] = made_by
    assert thread is not threading.main_thread()  # which serves everybody


def test_signing_in_gives_a_cookie_that_scripts_cannot_read(app):
    headers = [("Origin", ORIGIN)]
    answer = call(app, "POST", "/api/login", headers=headers, data={"token": TOKEN})
    assert (answer.status, answer.body) == (204, b"")
    given = answer.header("Set-Cookie") or ""
    assert given.startswith(f"{COOKIE}={TOKEN};")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(given.split("; "))
    same = [cookie(), ("Sec-Fetch-Site", "same-origin")]
    assert call(app, "GET", "/api/model", headers=same).status == 200


@pytest.mark.parametrize("token", ["", "x", TOKEN + "x", TOKEN[:-1], "é" * 20])
def test_signing_in_with_a_wrong_token(app, token):
    answer = call(app, "POST", "/api/login", headers=[("Origin", ORIGIN)], data={"token": token})
    assert (answer.status, answer.error["field"]) == (401, "token")
    assert answer.header("Set-Cookie") is None
    assert TOKEN not in answer.body.decode()


def test_tokenize(app):
    answer = post(app, "/api/tokenize", {"prompt": "a b\n"}).json()
    assert [token["label"] for token in answer["tokens"]] == ["a", "␣", "b", "↵"]
    assert answer["limit"] == 64


@pytest.mark.parametrize("node", ["L1.H2", "L1.N3"])
def test_the_page_of_a_component_says_what_is_answered(app, node):
    asked = {"prompt": PROMPT, "target": node, "top_k": 3, "downstream": 2}
    page = post(app, "/api/component/page", asked)
    answer = post(app, "/api/component", asked).json()
    assert page.status == 200
    assert page.header("Content-Type") == "text/html; charset=utf-8"
    said = page.body.decode()
    assert "<script" not in said
    assert ("From the weights" in said) == (node == "L1.N3")
    for acted in answer["downstream"]:
        assert html.escape(acted["node"]) in said
    assert said.count("<i ") == len(answer["tokens"])
    refused = post(app, "/api/component/page", asked | {"target": "L9.H2"})
    assert refused.error["field"] == "target"


def test_generate_with_and_without_edits(app):
    body = {"prompt": PROMPT, "max_new_tokens": 3, "edits": EDITS}
    answer = post(app, "/api/generate", body).json()
    assert 1 <= len(answer["baseline"]["new_tokens"]) <= 3
    assert answer["edited"]["text"]
    plain = post(app, "/api/generate", body | {"edits": []}).json()
    assert (plain["baseline"], plain["edited"]) == (answer["baseline"], None)


def test_what_a_request_took_is_in_headers(app):
    body = {"prompt": PROMPT, "edits": EDITS}
    first, second = (post(app, "/api/predictions", body) for _ in range(2))
    assert (first.header("X-Unembed-Cached"), second.header("X-Unembed-Cached")) == (
        "false",
        "true",
    )
    assert "compute;dur=" in (first.header("Server-Timing") or "")
    assert first.body == second.body


# ---------------------------------------------------------------- following and cancelling work


class Slow:
    """Work in place of an analysis: waits until it is let go, checks for cancellation."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def __call__(self, session: Any, job: Any, body: Any) -> GenerationComparison:
        job.progress("forward pass", 1, 4)
        self.began.set()
        try:
            while not self.go.wait(0.005):
                job.cancel.check()
        except CancelledError as error:
            self.error = error
            raise
        return GenerationComparison(Generation((), (), "done"))


@pytest.fixture
def slow(monkeypatch) -> Slow:
    work = Slow()
    monkeypatch.setattr(generation, "answer", work)
    return work


def generate(app: Any, **options: Any) -> Any:
    job = options.pop("job", None)
    data = {"prompt": PROMPT} | ({"job": job} if job else {})
    return request(app, "POST", "/api/generate", headers=[bearer()], data=data, **options)


def events_of(body: bytes) -> list[dict[str, Any]]:
    blocks = [block for block in body.decode().split("\n\n") if block.startswith("event: state")]
    return [json.loads(block.split("data: ", 1)[1]) for block in blocks]


def test_events_tell_the_progress_until_the_end(app, slow):
    async def main() -> Any:
        asked_before = asyncio.create_task(
            request(app, "GET", "/api/jobs/job-of-mine/events", headers=[bearer()])
        )
        await asyncio.sleep(0.05)
        work = asyncio.create_task(generate(app, job="job-of-mine"))
        await asyncio.to_thread(slow.began.wait, 5)
        await asyncio.sleep(0.1)
        slow.go.set()
        return await asked_before, await work

    events, work = asyncio.run(main())
    assert work.json()["baseline"]["text"] == "done"
    assert events.header("Content-Type").startswith("text/event-stream")
    told = events_of(events.body)
    assert told[-1]["state"] == "done"
    assert any(one["state"] == "running" and one["stage"] == "forward pass" for one in told)
    assert all(one["job"] == "job-of-mine" for one in told)


def test_events_of_a_job_that_never_comes(app, monkeypatch):
    monkeypatch.setattr("unembed.server.routes._UNKNOWN_JOB_SECONDS", 0.05)
    answer = call(app, "GET", "/api/jobs/never-there/events", headers=[bearer()])
    assert (answer.status, answer.error["field"]) == (404, "job")


def test_a_job_can_be_cancelled_by_name(app, slow):
    async def main() -> Any:
        work = asyncio.create_task(generate(app, job="job-of-mine"))
        await asyncio.to_thread(slow.began.wait, 5)
        gone = await request(app, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        return gone, await work

    gone, work = asyncio.run(main())
    assert (gone.status, work.status, work.error["code"]) == (204, 499, "cancelled")
    assert call(app, "DELETE", "/api/jobs/unheard-of", headers=[bearer()]).status == 404


def test_a_waiting_job_is_cancelled_at_once(app, slow):
    async def main() -> Any:
        running = asyncio.create_task(generate(app))
        await asyncio.to_thread(slow.began.wait, 5)
        waiting = asyncio.create_task(generate(app, job="job-of-mine"))
        await asyncio.sleep(0.05)
        await request(app, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        cancelled = await asyncio.wait_for(waiting, 5)
        assert not running.done()
        slow.go.set()
        return cancelled, await running

    cancelled, running = asyncio.run(main())
    assert (cancelled.status, running.status) == (499, 200)


def test_a_client_that_leaves_cancels_its_work(app, slow):
    async def main() -> None:
        gone = asyncio.Event()
        work = asyncio.create_task(generate(app, gone=gone))
        await asyncio.to_thread(slow.began.wait, 5)
        gone.set()
        await work

    asyncio.run(main())
    deadline = time.monotonic() + 5
    while slow.error is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert isinstance(slow.error, CancelledError)


def test_a_full_queue_says_when_to_come_back(make_app, slow):
    app = make_app(max_queue=1)

    async def main() -> Any:
        running = asyncio.create_task(generate(app))
        await asyncio.to_thread(slow.began.wait, 5)
        waiting = asyncio.create_task(generate(app))
        await asyncio.sleep(0.05)
        refused = await generate(app)
        tokens = await request(
            app, "POST", "/api/tokenize", headers=[bearer()], data={"prompt": "a"}
        )
        slow.go.set()
        return refused, tokens, await running, await waiting

    refused, tokens, *others = asyncio.run(main())
    assert (refused.status, refused.header("Retry-After")) == (503, "1")
    assert refused.error["code"] == "busy"
    assert tokens.status == 200
    assert [one.status for one in others] == [200, 200]


def test_time_runs_out(make_app, slow):
    answer = asyncio.run(generate(make_app(max_request_seconds=0.1)))
    assert (answer.status, answer.error["code"]) == (504, "timed_out")


def test_two_live_jobs_of_one_name(app, slow):
    async def main() -> Any:
        running = asyncio.create_task(generate(app, job="job-of-mine"))
        await asyncio.to_thread(slow.began.wait, 5)
        second = await generate(app, job="job-of-mine")
        slow.go.set()
        return second, await running

    second, first = asyncio.run(main())
    assert (second.status, second.error["field"], first.status) == (400, "job", 200)


def test_a_fault_in_an_analysis_is_a_500_that_says_nothing_and_changes_nothing(
    app, monkeypatch, caplog
):
    def broken(*_: Any) -> None:
        raise ValueError("secret/path.py")

    with monkeypatch.context() as patched:
        patched.setattr(generation, "answer", broken)
        answer = asyncio.run(generate(app))
    assert (answer.status, answer.error["code"]) == (500, "internal")
    assert b"secret" not in answer.body
    assert "secret" in caplog.text
    assert asyncio.run(generate(app)).status == 200


def hooks(module: Any) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_an_exception_inside_a_run_leaves_no_hook_and_a_server_that_works(app, model, monkeypatch):
    before = hooks(model.module)
    plain = post(app, "/api/predictions", {"prompt": PROMPT}).body
    block = model.module.get_submodule(model.anatomy.blocks[1].module)
    with monkeypatch.context() as patched:
        patched.setattr(block.mlp, "forward", None)
        failed = post(app, "/api/predictions", {"prompt": "is it", "edits": EDITS})
    assert (failed.status, failed.error["code"]) == (500, "internal")
    assert hooks(model.module) == before == 0
    app.session.cache._runs.clear()
    assert post(app, "/api/predictions", {"prompt": PROMPT}).body == plain


def test_a_route_that_is_not_in_the_table_is_not_reachable(app):
    inner = app.app._plain

    @inner.get("/api/forgotten")
    async def forgotten() -> dict[str, str]:
        return {"secret": "yes"}

    assert call(app, "GET", "/api/forgotten", headers=[bearer()]).status == 404
    assert call(inner, "GET", "/api/forgotten").json() == {"secret": "yes"}


# ---------------------------------------------------------------- the app's files, compression


def test_without_a_built_app_a_page_says_how_to_build_it(model, make_app, tmp_path):
    from unembed.server import static
    from unembed.server.app import create_app

    session = make_app().session
    app = create_app(session, session.settings, TOKEN, assets=static.load(tmp_path))
    answer = call(app, "GET", "/")
    assert (answer.status, b"make app" in answer.body) == (200, True)


def test_the_built_app_is_served_by_exact_names(make_app, tmp_path):
    from unembed.server import static
    from unembed.server.app import create_app

    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("1")
    (tmp_path / "assets" / "notes.py").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "assets" / "link.js").symlink_to(tmp_path / "secret.txt")
    session = make_app().session
    app = create_app(session, session.settings, TOKEN, assets=static.load(tmp_path))
    script = call(app, "GET", "/assets/app-1a2b.js")
    assert (script.status, script.body) == (200, b"1")
    assert "immutable" in (script.header("Cache-Control") or "")
    assert call(app, "GET", "/").header("Cache-Control") == "no-cache"
    assert call(app, "HEAD", "/").status == 200
    for path in ("/assets/notes.py", "/secret.txt", "/assets/link.js", "/assets/../secret.txt"):
        assert call(app, "GET", path).status == 404


def test_text_is_compressed_for_far_clients_only(app):
    body = {"prompt": PROMPT}
    headers = [bearer(), ("Accept-Encoding", "gzip")]
    near, far = (
        call(app, "POST", "/api/predictions", headers=headers, data=body, client=(address, 1))
        for address in ("127.0.0.1", "192.168.1.9")
    )
    assert near.header("Content-Encoding") is None
    assert far.header("Content-Encoding") == "gzip"
    assert len(far.body) < len(near.body) / 2


def test_every_route_of_the_framework_is_in_the_guards_table(app):
    from fastapi.routing import APIRoute

    from unembed.server.routes import ROUTERS
    from unembed.server.table import API

    routes = {
        (route.path, method)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert routes == {(entry.path, method) for entry in API for method in entry.methods}
    assert HOST
