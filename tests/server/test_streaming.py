"""Generation as it happens: the plain answer in pieces, both sides in turn, stopped in time."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from typing import Any

import pytest

from unembed.engine.passes import generation

from .asgi import TOKEN, bearer, post, request

PROMPT = "The cat sat on the mat"
EDITS = [{"target": "L1.mlp", "operation": "scale", "value": 4}]
BODY = {"prompt": PROMPT, "max_new_tokens": 6, "edits": EDITS}
STREAM = "/api/generate/stream"


def told(body: bytes) -> list[tuple[str, Any]]:
    """Events by name."""
    found = []
    for block in body.decode().split("\n\n"):
        if block:
            name, data = block.split("\n", 1)
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


@pytest.mark.parametrize(
    "sampled", [{}, {"temperature": 1.5, "seed": 7}], ids=["greedy", "sampled"]
)
@pytest.mark.parametrize("edits", [[], EDITS], ids=["plain", "edited"])
def test_the_stream_ends_with_the_plain_answer_and_its_tokens_are_that_answer(app, sampled, edits):
    body = BODY | sampled | {"edits": edits}
    answer, plain = post(app, STREAM, body), post(app, "/api/generate", body).json()
    assert (answer.header("Content-Type") or "").startswith("text/event-stream")
    events = told(answer.body)
    assert events[-1] == ("end", plain)
    for side in ("baseline", "edited"):
        made = [data for name, data in events if name == "token" and data["side"] == side]
        assert [data["token"] for data in made] == (
            plain[side]["new_tokens"] if plain[side] else []
        )
        assert [data["index"] for data in made] == list(range(len(made)))


def test_the_sides_take_turns(app):
    events = told(post(app, STREAM, BODY).body)
    sides = [data["side"] for name, data in events if name == "token"]
    shortest = min(sides.count("baseline"), sides.count("edited"))
    assert sides[: 2 * shortest] == ["baseline", "edited"] * shortest


def test_probabilities_are_those_of_the_model(app):
    first = told(post(app, STREAM, BODY).body)[0][1]
    reading = post(app, "/api/predictions", {"prompt": PROMPT}).json()["baseline"]["next_token"]
    assert first["token"] == reading["top"][0]["token"]
    assert first["probability"] == pytest.approx(reading["top"][0]["probability"], rel=1e-5)


def test_what_is_wrong_is_said_before_the_stream_begins(app):
    edits = [{"target": "L7.H0", "operation": "zero"}]
    answer = post(app, STREAM, BODY | {"edits": edits})
    assert (answer.status, answer.error["field"]) == (400, "edits[0].target")
    assert post(app, STREAM, BODY | {"max_new_tokens": 513}).error["field"] == "max_new_tokens"


def test_what_goes_wrong_later_is_the_last_event(app, monkeypatch):
    _fail_at(monkeypatch, 3, lambda: 1 / 0)
    events = told(post(app, STREAM, BODY).body)
    assert [name for name, _ in events] == ["token", "token", "error"]
    assert events[-1][1]["code"] == "internal"
    assert post(app, "/api/generate", {"prompt": PROMPT, "max_new_tokens": 1}).status == 200


def test_time_runs_out_between_tokens(make_app, monkeypatch):
    app = make_app(max_request_seconds=0.3)
    _fail_at(monkeypatch, 3, lambda: time.sleep(0.6))
    events = told(post(app, STREAM, BODY).body)
    assert events[-1][0] == "error"
    assert events[-1][1]["code"] == "timed_out"


def test_deleting_the_job_ends_the_stream(app, monkeypatch):
    reached, go = threading.Event(), threading.Event()
    _fail_at(monkeypatch, 3, lambda: (reached.set(), go.wait(5)))

    async def main() -> Any:
        data = BODY | {"job": "job-of-mine"}
        work = asyncio.create_task(request(app, "POST", STREAM, headers=[bearer()], data=data))
        await asyncio.to_thread(reached.wait, 5)
        gone = await request(app, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        go.set()
        return gone, await work

    gone, work = asyncio.run(main())
    events = told(work.body)
    assert gone.status == 204
    assert (events[-1][0], events[-1][1]["code"]) == ("error", "cancelled")
    assert len(events) == 3  # the step that ran when it was deleted is not told any more


@pytest.mark.parametrize("leaves", ["over a socket", "in the queue"])
def test_leaving_stops_the_work_within_a_step(live, monkeypatch, leaves):
    steps: list[int] = []
    reached, go = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        go.wait(5)

    _fail_at(monkeypatch, 4, wait, steps)
    app, port = live()
    if leaves == "in the queue":
        gate = threading.Event()
        app.session.submit(lambda _: gate.wait(5))
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    body = json.dumps(BODY | {"max_new_tokens": 40, "job": "job-of-mine"})
    line.request("POST", STREAM, body, headers)
    if leaves == "in the queue":
        _wait_for(lambda: app.session.job("job-of-mine") is not None)
    else:
        assert line.getresponse().readline() == b"event: token\n"
        assert reached.wait(5)
    _hang_up(line)
    _wait_for(lambda: app.session.job("job-of-mine").cancel.cancelled)
    go.set()
    if leaves == "in the queue":
        gate.set()
    _wait_for(lambda: app.session.job("job-of-mine").is_over)
    assert app.session.job("job-of-mine").state == "cancelled"
    assert len(steps) == (4 if leaves == "over a socket" else 0)


def test_hooks_are_off_between_two_steps(app, model, monkeypatch):
    """Other work may use the model between any two tokens: a step leaves nothing on it."""
    counts = []
    original = generation.Continuation.running

    def watched(self: Any) -> Any:
        counts.append(sum(len(part._forward_hooks) for part in model.module.modules()))
        return original(self)

    monkeypatch.setattr(generation.Continuation, "running", watched)
    post(app, STREAM, BODY)
    assert len(counts) >= 6
    assert set(counts) == {0}


def _fail_at(monkeypatch: Any, step: int, act: Any, steps: list[int] | None = None) -> None:
    """Do something in one step of all generations, counted from 1."""
    original, counted = generation.Continuation.step, [] if steps is None else steps

    def watched(self: Any) -> Any:
        counted.append(len(counted))
        if len(counted) == step:
            act()
        return original(self)

    monkeypatch.setattr(generation.Continuation, "step", watched)


def _hang_up(line: http.client.HTTPConnection) -> None:
    """Close the connection for real: a response that is open keeps its socket."""
    sock = line.sock or line._HTTPConnection__response.fp.raw._sock  # type: ignore[attr-defined]
    sock.shutdown(socket.SHUT_RDWR)
    line.close()


def _wait_for(is_so: Any) -> None:
    deadline = time.monotonic() + 5
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert is_so()
