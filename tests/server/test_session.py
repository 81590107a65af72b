"""The session: one run at a time, a bounded queue, cancellation, progress, the cache."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from unembed.engine.names.vocabulary import Read
from unembed.errors import BusyError, CancelledError, InputError, TimedOutError, TooLargeError
from unembed.session import Job, Session
from unembed.session.bridge import find, finish, follow
from unembed.settings import Settings

from .fakes import FakeEdit, FakeModel, Gate, NoLock, hold


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def session(model: FakeModel) -> Iterator[Session]:
    made = Session(model, Settings(max_queue=3))  # type: ignore[arg-type]
    yield made
    made.close()


def test_work_is_done_in_order_one_at_a_time(session):
    gate, order = hold(session), []
    jobs = [session.submit(lambda job, n=n: order.append(n)) for n in range(3)]
    assert [job.snapshot().ahead for job in jobs] == [1, 2, 3]
    gate.go.set()
    [job.future.result(5) for job in jobs]
    assert order == [0, 1, 2]


def test_a_full_queue_refuses_and_recovers(session):
    gate = hold(session)
    jobs = [session.submit(lambda job: None) for _ in range(3)]
    with pytest.raises(BusyError, match="3 requests are waiting"):
        session.submit(lambda job: None)
    session.stop(jobs[1])
    replacement = session.submit(lambda job: "in")
    gate.go.set()
    assert replacement.future.result(5) == "in"
    assert jobs[1].state == "cancelled"


def test_a_running_job_is_stopped_at_its_next_check(session):
    gate = Gate()
    job = session.submit(gate)
    assert gate.began.wait(5)
    session.stop(job)
    with pytest.raises(CancelledError):
        job.future.result(5)
    assert job.state == "cancelled"


def test_cancelling_stops_the_compute_within_one_layer(session, model):
    model.n_layers, model.seconds_per_layer = 200, 0.002
    job = session.submit(lambda job: session.run(job, Read((1, 2))))
    while model.layers_run < 5:
        assert not job.is_over
        time.sleep(0.001)
    session.stop(job)
    seen = model.layers_run
    with pytest.raises(CancelledError):
        job.future.result(5)
    assert model.layers_run <= seen + 1
    assert model.hooks == []


def test_a_failure_leaves_the_session_usable(session, model):
    def explode(layer: int) -> None:
        raise RuntimeError("boom")

    model.before_layer = explode
    job = session.submit(lambda job: session.run(job, Read((1,)), [FakeEdit(7)]))
    with pytest.raises(RuntimeError, match="boom"):
        job.future.result(5)
    assert (job.state, model.hooks) == ("failed", [])
    model.before_layer = lambda _: None
    assert session.submit(lambda job: session.run(job, Read((1,)))).future.result(5).ids == (1,)


def test_lack_of_memory_is_an_error_that_says_so(session):
    def work(job: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 TB")

    with pytest.raises(TooLargeError, match="not enough memory"):
        session.submit(work).future.result(5)


def test_the_name_of_a_live_job_is_taken_and_free_again_later(session):
    gate = Gate()
    first = session.submit(gate, "my-own-job")
    with pytest.raises(InputError, match="still running") as caught:
        session.submit(lambda job: None, "my-own-job")
    assert caught.value.field == "job"
    gate.go.set()
    first.future.result(5)
    second = session.submit(lambda job: 2, "my-own-job")
    assert second.future.result(5) == 2
    assert session.job("my-own-job") is second


def test_jobs_that_are_over_are_forgotten_in_time(session):
    for n in range(300):
        session.submit(lambda job: None, f"job-number-{n:04}").future.result(5)
    assert session.job("job-number-0000") is None
    assert session.job("job-number-0299") is not None


def test_closing_ends_what_runs_and_what_waits(model):
    session = Session(model, Settings())  # type: ignore[arg-type]
    gate = Gate()
    running, waiting = session.submit(gate), session.submit(lambda job: None)
    assert gate.began.wait(5)
    session.close()
    for job in (running, waiting):
        with pytest.raises(CancelledError):
            job.future.result(5)
    with pytest.raises(BusyError):
        session.submit(lambda job: None)


# ---------------------------------------------------------------- the cache


def ran(session: Session, ids: tuple[int, ...], *keys: int, capture: Any = (), **more: Any) -> Any:
    edits = [FakeEdit(key) for key in keys]
    job = session.submit(
        lambda job: (session.run(job, Read(ids), edits, capture, **more), job.cached)
    )
    return job.future.result(5)


def test_the_same_pass_is_made_once(session, model):
    first, cached = ran(session, (1, 2), 5)
    again, cached_again = ran(session, (1, 2), 5)
    assert (cached, cached_again, model.runs) == (False, True, 1)
    assert again is first


def test_another_prompt_edit_order_capture_or_logits_is_another_pass(session, model):
    ran(session, (1, 2), 5, 6)
    ran(session, (2, 1), 5, 6)
    ran(session, (1, 2), 6, 5)
    ran(session, (1, 2))
    ran(session, (1, 2), 5, 6, capture=["resid_post"])
    ran(session, (1, 2), 5, 6, logits="last")
    assert model.runs == 6
    ran(session, (1, 2), 5, 6)
    assert model.runs == 6


def test_a_pass_that_captured_more_serves_one_that_asks_for_less(session, model):
    ran(session, (1,), capture=["resid_post", "resid_mid"])
    ran(session, (1,), capture=["resid_mid"])
    assert model.runs == 1
    ran(session, (1,), capture=["resid_mid", "L0.pattern"])
    assert model.runs == 2


def test_the_cache_stays_within_its_bytes_and_drops_the_oldest_use():
    model = FakeModel(nbytes=400)
    session = Session(model, Settings(cache_bytes=1000))  # type: ignore[arg-type]
    ran(session, (1,)), ran(session, (2,)), ran(session, (1,)), ran(session, (3,))
    assert (len(session.cache), session.cache.nbytes, model.runs) == (2, 800, 3)
    ran(session, (1,))
    assert model.runs == 3
    ran(session, (2,))
    assert model.runs == 4
    model.nbytes = 5000
    ran(session, (9,)), ran(session, (9,))
    assert model.runs == 6
    session.close()


# ---------------------------------------------------------------- many at once


def many(session: Session, n: int) -> list[int]:
    """n runs with different edits, handed in by 16 threads at once."""
    jobs: dict[int, Any] = {}

    def client(start: int) -> None:
        for key in range(start, n, 16):
            jobs[key] = session.submit(
                lambda job, key=key: session.run(job, Read((1, 2, 3)), [FakeEdit(key)]).total
            )
            jobs[key].future.result(30)

    threads = [threading.Thread(target=client, args=(start,)) for start in range(16)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return [jobs[key].future.result(0) for key in range(n)]


def alone(n: int) -> list[int]:
    model = FakeModel()
    return [model.run((1, 2, 3), (), [FakeEdit(key)]).total for key in range(n)]


def test_many_at_once_get_what_each_gets_alone():
    session = Session(FakeModel(seconds_per_layer=0.0001), Settings())  # type: ignore[arg-type]
    assert many(session, 200) == alone(200)
    session.close()


def test_the_test_above_notices_shared_hooks():
    model = FakeModel(seconds_per_layer=0.0005)
    model.lock = NoLock()  # type: ignore[assignment]
    session = Session(model, Settings(), threads=4)  # type: ignore[arg-type]
    assert many(session, 200) != alone(200)
    session.close()


# ---------------------------------------------------------------- the bridge


async def never() -> None:
    await asyncio.Event().wait()


def test_a_result_reaches_the_event_loop(session):
    async def main() -> Any:
        return await finish(session, session.submit(lambda job: 42), never())

    assert asyncio.run(main()) == 42


def test_a_client_that_leaves_stops_its_job(session):
    async def main() -> Any:
        gate = Gate()
        job = session.submit(gate)

        async def leaves() -> None:
            await asyncio.to_thread(gate.began.wait, 5)

        with pytest.raises(CancelledError, match="left"):
            await finish(session, job, leaves())
        return job

    job = asyncio.run(main())
    with pytest.raises(CancelledError):
        job.future.result(5)


def test_time_runs_out_while_waiting_or_computing(model):
    session = Session(model, Settings(max_request_seconds=0.1))  # type: ignore[arg-type]

    async def main() -> None:
        running, waiting = session.submit(Gate()), session.submit(Gate())
        for job in (running, waiting):
            with pytest.raises(TimedOutError, match=r"longer than 0\.1 seconds"):
                await finish(session, job, never())

    asyncio.run(main())
    session.close()


def test_a_cancelled_handler_stops_its_job(session):
    async def main() -> Any:
        gate = Gate()
        job = session.submit(gate)
        task = asyncio.create_task(finish(session, job, never()))
        await asyncio.to_thread(gate.began.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return job

    job = asyncio.run(main())
    with pytest.raises(CancelledError):
        job.future.result(5)


def test_a_fault_that_nobody_waits_for_is_logged(session, caplog):
    async def main() -> None:
        began, go = threading.Event(), threading.Event()

        def work(job: Any) -> None:
            began.set()
            go.wait(5)
            raise RuntimeError("boom")

        async def leaves() -> None:
            await asyncio.to_thread(began.wait, 5)

        job = session.submit(work)
        with pytest.raises(CancelledError):
            await finish(session, job, leaves())
        go.set()
        with pytest.raises(RuntimeError):
            await asyncio.to_thread(job.future.result, 5)

    asyncio.run(main())
    deadline = time.monotonic() + 5  # whoever waits for a future hears of it before its callbacks
    while "boom" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.005)
    assert "boom" in caplog.text


def test_news_of_a_job_end_with_its_end(session, model):
    model.seconds_per_layer = 0.03

    async def main() -> list[Any]:
        job = session.submit(lambda job: session.run(job, Read((1,))))
        return [snapshot async for snapshot in follow(job, 10)]

    news = asyncio.run(main())
    assert news[-1].state == "done"
    assert any(one.stage == "forward pass" and one.total == 5 for one in news)
    assert all(one.seconds_left is None or one.seconds_left < 1 for one in news)


def test_silence_is_filled(session):
    async def main() -> list[Any]:
        gate = Gate()
        job, seen = session.submit(gate), []
        async for snapshot in follow(job, 0.02):
            seen.append(snapshot)
            if snapshot is None:
                gate.go.set()
        return seen

    seen = asyncio.run(main())
    assert None in seen
    assert seen[-1].state == "done"


def test_a_job_is_waited_for_a_short_while(session):
    async def main() -> None:
        assert await find(session, "not-there-ever", 0.05) is None
        waiting = asyncio.create_task(find(session, "soon-there", 2))
        await asyncio.sleep(0.05)
        job = session.submit(lambda job: None, "soon-there")
        assert await waiting is job

    asyncio.run(main())


def test_the_time_left_counts_from_the_first_of_several_rows(monkeypatch):
    now = [100.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("unembed.session.jobs.time", clock)
    job = Job(lambda _: None)
    job.begin()
    job.progress("forward pass", 2, 3)
    for row in range(4):
        for layer in range(3):
            job.progress(f"decoding row {row + 1} of 4", row * 3 + layer, 12)
            now[0] += 1.0
    assert job.snapshot().seconds_left == pytest.approx(12 / 11)
    job.progress("projecting", 0, 50)
    now[0] += 1.0
    job.progress("projecting", 10, 50)
    assert job.snapshot().seconds_left == pytest.approx(4.0)
    job = Job(lambda _: None)
    job.begin()
    job.progress("61 tokens a second", 600, 1000)  # goes on where it was stopped
    assert job.snapshot().seconds_left is None
    now[0] += 2.0
    job.progress("50 tokens a second", 700, 1000)
    assert job.snapshot().seconds_left == pytest.approx(6.0)
