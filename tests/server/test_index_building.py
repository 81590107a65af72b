"""Building the vector index over HTTP: what there is, what is kept, who is answered meanwhile."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
import torch

import unembed as ue
from unembed.errors import CancelledError
from unembed.index.build import Builder
from unembed.index.options import BuildOptions
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .asgi import bearer, post, request
from .indexed import ask, plain, refused, status

PROMPT = "The cat sat on the mat"


# ---------------------------------------------------------------- what there is


def test_the_status_tells_what_there_is_and_what_it_would_cost(bare, model):
    before = status(bare)
    assert (before["raw"], before["final_norm"], before["building"]) == (None, None, None)
    assert before["reason"] is None
    assert before["estimate"]["vectors"] == 156
    assert before["estimate"]["seconds"] > 0
    made = ask(bare, "build")
    after = status(bare)
    assert (after["raw"], after["final_norm"]) == (made, None)
    assert made["fingerprint"] == model.fingerprint
    assert made["bytes"] == pytest.approx(before["estimate"]["bytes"], rel=0.5)


def test_the_status_survives_a_restart(indexed, make_app):
    assert status(make_app())["raw"] == status(indexed)["raw"]


def test_an_index_of_other_weights_is_not_used(indexed, make_app, model, tmp_path):
    other = ue.load(tiny_model("gpt2", seed=5, dtype=torch.float32), tokenizer=tiny_tokenizer())
    second = make_app(served=other)
    assert status(second)["raw"] is None
    error = refused(second, "search", words=["a"])
    assert model.fingerprint in error["message"]
    folder = tmp_path / "cache" / "index"
    (folder / model.fingerprint).rename(folder / other.fingerprint)
    error = refused(second, "search", words=["a"])
    assert model.fingerprint in error["message"]
    assert other.fingerprint in error["message"]
    assert other.fingerprint in status(second)["problem"]
    ask(second, "build", restart=True)
    assert ask(second, "search", words=["a"])["total"] > 0


def test_a_damaged_index_is_said_to_be_damaged_and_can_be_built_anew(indexed, tmp_path):
    for file in (tmp_path / "cache").rglob("*.lance"):
        if file.is_file():
            file.write_bytes(b"")
    answer = post(indexed, "/api/index/search", {"words": ["a"]})
    assert (answer.status, answer.error["code"]) == (422, "cannot_load")
    assert "damaged" in status(indexed)["problem"]
    assert status(indexed)["raw"] is None
    assert ask(indexed, "vector", target="L1.N3")["similar"] is None
    ask(indexed, "build", restart=True)
    assert status(indexed)["problem"] is None


def test_an_index_that_is_built_anew_is_the_one_that_answers(indexed, index):
    first = ask(indexed, "search", words=["a"])
    held = indexed.session.indexes.opened("raw")
    ask(indexed, "build", restart=True)
    assert indexed.session.indexes.opened("raw") is not held
    assert ask(indexed, "search", words=["a"]) == first


# ---------------------------------------------------------------- building


class Watched:
    """Holds a build between two of its layers until it is let go."""

    def __init__(self, monkeypatch: Any, layer: int) -> None:
        self.reached, self.go = threading.Event(), threading.Event()
        self.layers: list[int] = []
        original = Builder.step

        def step(builder: Any, cancel: Any, progress: Any) -> None:
            self.layers.append(builder.remaining[0])
            if builder.remaining[0] == layer:
                progress("projecting", 1, 2)
                self.reached.set()
                while not self.go.wait(0.005):
                    progress("projecting", 1, 2)
            original(builder, cancel, progress)

        monkeypatch.setattr(Builder, "step", step)


async def send(app: Any, path: str, data: Any, **options: Any) -> Any:
    return await request(app, "POST", path, headers=[bearer()], data=data, **options)


def test_others_are_answered_while_an_index_is_built(bare, index, monkeypatch):
    alone = [post(bare, path, body).body for path, body in _others()]
    bare.session.cache._runs.clear()
    watched = Watched(monkeypatch, layer=1)

    async def main() -> Any:
        build = asyncio.create_task(send(bare, "/api/index/build", {"job": "job-of-mine"}))
        await asyncio.to_thread(watched.reached.wait, 5)
        found = await asyncio.to_thread(status, bare)
        meanwhile = [(await send(bare, path, body)).body for path, body in _others()]
        second = await send(bare, "/api/index/build", {"projection": "final_norm"})
        events = asyncio.create_task(
            request(bare, "GET", "/api/jobs/job-of-mine/events", headers=[bearer()])
        )
        await asyncio.sleep(0.1)
        watched.go.set()
        return found, meanwhile, second, await build, await events

    found, meanwhile, second, built, events = asyncio.run(main())
    assert found["building"] == {"projection": "raw", "job": "job-of-mine", "done": 1, "total": 2}
    assert meanwhile == alone
    assert (second.status, second.error["code"]) == (503, "busy")
    assert "job-of-mine" in second.error["message"]
    assert built.status == 200
    assert b'"stage":"projecting"' in events.body
    assert b'"state":"done"' in events.body
    assert status(bare)["building"] is None
    assert ask(bare, "search", words=["a"]) == plain(index.search("a"))


def _others() -> list[tuple[str, dict[str, Any]]]:
    edits = [{"target": "L1.N7", "operation": "lmd_on"}]
    return [
        ("/api/predictions", {"prompt": PROMPT, "edits": edits, "sub_updates": 3}),
        ("/api/lens", {"prompt": PROMPT, "edits": edits}),
        ("/api/generate", {"prompt": PROMPT, "edits": edits, "max_new_tokens": 3}),
        ("/api/index/vector", {"target": "L2.N1"}),
    ]


def test_a_build_that_is_cancelled_keeps_its_layers_and_goes_on_later(bare, make_app, monkeypatch):
    watched = Watched(monkeypatch, layer=2)

    async def main() -> Any:
        build = asyncio.create_task(send(bare, "/api/index/build", {"job": "job-of-mine"}))
        await asyncio.to_thread(watched.reached.wait, 5)
        gone = await request(bare, "DELETE", "/api/jobs/job-of-mine", headers=[bearer()])
        return gone, await build

    gone, build = asyncio.run(main())
    assert (gone.status, build.status, build.error["code"]) == (204, 499, "cancelled")
    half = {"projection": "raw", "job": None, "done": 104, "total": 156}
    assert (status(bare)["raw"], status(bare)["building"]) == (None, half)
    restarted = make_app(cache_dir=bare.session.settings.cache_dir)
    assert status(restarted)["building"] == half
    watched.layers.clear()
    watched.go.set()
    assert ask(restarted, "build")["n_vectors"] == 156
    assert watched.layers == [2]
    assert status(restarted)["building"] is None


def test_a_build_goes_on_when_its_client_leaves(bare, monkeypatch):
    watched = Watched(monkeypatch, layer=1)

    async def main() -> None:
        gone = asyncio.Event()
        data = {"job": "job-of-mine"}
        build = asyncio.create_task(send(bare, "/api/index/build", data, gone=gone))
        await asyncio.to_thread(watched.reached.wait, 5)
        gone.set()
        await build

    asyncio.run(main())
    assert status(bare)["building"]["job"] == "job-of-mine"
    watched.go.set()
    assert bare.session.job("job-of-mine").future.result(10)
    assert status(bare)["raw"]["n_vectors"] == 156


def test_a_build_has_no_limit_of_time(make_app, monkeypatch):
    app = make_app(max_request_seconds=0.1)
    watched = Watched(monkeypatch, layer=1)
    threading.Timer(0.4, watched.go.set).start()
    assert ask(app, "build")["n_vectors"] == 156


def test_a_build_ends_with_the_server(make_app, monkeypatch):
    app = make_app()
    watched = Watched(monkeypatch, layer=1)
    job = app.session.submit(
        lambda job: app.session.indexes.build(BuildOptions(), job, app.session.give_way)
    )
    assert watched.reached.wait(5)
    app.session.close()
    assert isinstance(job.future.exception(5), CancelledError)


def test_a_failed_build_lets_the_next_one_begin(bare, monkeypatch):
    def broken(*_: Any) -> None:
        raise ValueError("secret")

    with monkeypatch.context() as patched:
        patched.setattr(Builder, "step", broken)
        assert post(bare, "/api/index/build", {}).status == 500
    assert ask(bare, "build")["n_vectors"] == 156


def test_clusterings_are_computed_one_at_a_time_and_kept_ones_are_shown_meanwhile(indexed):
    """All on one thread: a clustering that let another one begin would wait for its end."""
    ask(indexed, "clusters", n=3)
    gate = threading.Event()
    indexed.session.submit(lambda _: gate.wait(5))

    async def main() -> Any:
        asked = []
        for n in (5, 7, 3):
            asked.append(asyncio.create_task(send(indexed, "/api/index/clusters", {"n": n})))
            await asyncio.sleep(0.05)
        gate.set()
        return [await one for one in asked]

    first, second, kept = asyncio.run(main())
    assert (first.status, second.status, kept.status) == (200, 503, 200)
    assert ask(indexed, "clusters", n=7)["n"] == 7


def test_searching_waits_behind_no_computation(indexed):
    gate = threading.Event()
    indexed.session.submit(lambda _: gate.wait(10))
    start = time.monotonic()
    assert ask(indexed, "search", words=["a"])["total"] > 0
    assert status(indexed)["raw"] is not None
    assert time.monotonic() - start < 5
    gate.set()
