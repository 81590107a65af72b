"""Work that lets other work in, work beside it, and work that hands things out before its end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from unembed.errors import CancelledError, InputError
from unembed.session import Channel, Job, Session
from unembed.session.bridge import drain
from unembed.session.cache import Recent
from unembed.settings import Settings

from .fakes import FakeModel, Gate, hold


@pytest.fixture
def session() -> Iterator[Session]:
    made = Session(FakeModel(), Settings(max_queue=3))  # type: ignore[arg-type]
    yield made
    made.close()


def test_long_work_gives_way_to_what_waits_in_order_and_goes_on(session):
    order: list[object] = []
    began, go = threading.Event(), threading.Event()

    def long(_: Any) -> str:
        began.set()
        go.wait(5)
        session.give_way()
        order.append("long")
        return "long"

    job = session.submit(long)
    assert began.wait(5)
    others = [session.submit(lambda job, n=n: order.append(n)) for n in range(3)]
    assert [other.snapshot().ahead for other in others] == [1, 2, 3]
    go.set()
    assert job.future.result(5) == "long"
    assert order == [0, 1, 2, "long"]


def test_what_is_done_meanwhile_fails_and_is_cancelled_on_its_own(session):
    began, go = threading.Event(), threading.Event()

    def long(_: Any) -> str:
        began.set()
        go.wait(5)
        session.give_way()
        return "long"

    def broken(_: Any) -> None:
        raise InputError("no")

    job = session.submit(long)
    assert began.wait(5)
    failing, cancelled = session.submit(broken), session.submit(lambda _: "never")
    session.stop(cancelled)
    go.set()
    assert job.future.result(5) == "long"
    assert isinstance(failing.future.exception(5), InputError)
    assert isinstance(cancelled.future.exception(5), CancelledError)


def test_giving_way_with_nothing_waiting_costs_nothing(session):
    assert session.submit(lambda _: session.give_way()).future.result(5) is None


def test_an_index_is_searched_while_something_computes(session):
    gate = hold(session)
    assert session.submit(lambda _: "read", on="index").future.result(5) == "read"
    gate.go.set()


def test_a_name_in_use_on_one_thread_is_in_use_on_all(session):
    gate = Gate()
    session.submit(gate, "job-of-mine", on="index")
    assert gate.began.wait(5)
    with pytest.raises(InputError, match="still running"):
        session.submit(lambda _: None, "job-of-mine")
    session.stop(session.job("job-of-mine"))


def test_recent_results_are_made_once_and_the_oldest_forgotten():
    recent, made = Recent(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        assert recent.get(key, lambda key=key: made.append(key) or key) == key
    assert made == ["a", "b", "c", "b"]


def test_a_result_that_could_not_be_made_is_tried_again():
    recent = Recent(2)
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert recent.get("a", lambda: 1) == 1


def test_a_feed_gives_everything_in_order_then_the_result(session):
    channel: Channel[int] = Channel()

    def work(_: Any) -> str:
        for n in range(200):
            channel.put(n)
        return "done"

    async def main() -> list[object]:
        job = session.submit(work)
        return [item async for item in drain(session, job, channel, _never())]

    assert asyncio.run(main()) == [*range(200), "done"]


def test_who_reads_a_feed_no_further_cancels_the_work(session):
    channel: Channel[int] = Channel()

    def work(job: Any) -> None:
        channel.put(1)
        while True:
            job.cancel.check()
            time.sleep(0.001)

    async def main() -> Job:
        job = session.submit(work)
        items = drain(session, job, channel, _never())
        assert await anext(items) == 1
        await items.aclose()
        return job

    assert isinstance(asyncio.run(main()).future.exception(5), CancelledError)


async def _never() -> None:
    await asyncio.Event().wait()
