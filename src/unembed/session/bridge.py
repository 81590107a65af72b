"""How an event loop waits for a thread: for a job's result, and for news of it.

The loop is never blocked and no thread is held while waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import Future
from typing import Any

from unembed.errors import CancelledError, TimedOutError, UnembedError
from unembed.session import TERMINAL, Channel, Job, Session, Snapshot

log = logging.getLogger("unembed.session")

_POLL_SECONDS = 0.02
_NEWS_SECONDS = 0.05


async def finish(session: Session, job: Job, disconnect: Coroutine[Any, Any, None]) -> Any:
    """The result of a job. When `disconnect` ends first, or time is up, the job is cancelled."""
    limit = session.settings.max_request_seconds
    gone = asyncio.ensure_future(disconnect)
    result = asyncio.ensure_future(_settled(job.future))
    try:
        remaining = max(0.0, job.created + limit - time.monotonic())
        await asyncio.wait({result, gone}, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            raise _reason(gone, limit)
    except BaseException as error:
        told = error if isinstance(error, CancelledError | TimedOutError) else None
        session.stop(job, told)
        job.future.add_done_callback(_log_fault)  # nobody else will hear of it
        raise
    finally:
        gone.cancel()
        result.cancel()
        await asyncio.wait({gone, result})
    return job.future.result()


async def attend(job: Job, disconnect: Coroutine[Any, Any, None]) -> Any:
    """The result of a job that goes on without whoever waits for it; it has no limit of time."""
    gone = asyncio.ensure_future(disconnect)
    result = asyncio.ensure_future(_settled(job.future))
    try:
        await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not result.done():
            job.future.add_done_callback(_log_fault)
            raise CancelledError("The client left; the work goes on.")
    finally:
        gone.cancel()
        result.cancel()
        await asyncio.wait({gone, result})
    return job.future.result()


async def drain(
    session: Session, job: Job, channel: Channel[Any], disconnect: Coroutine[Any, Any, None]
) -> AsyncIterator[Any]:
    """What a job hands out, as it does, then its result; raises what the job ends with.

    When `disconnect` ends first, time is up, or nobody reads on, the job is cancelled.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Event()
    channel.listen(lambda: _wake(loop, news))
    result = asyncio.ensure_future(finish(session, job, disconnect))
    result.add_done_callback(lambda _: news.set())
    try:
        while not result.done():
            await news.wait()
            news.clear()
            for item in channel.take():
                yield item
        for item in channel.take():
            yield item
        yield result.result()
    finally:
        result.cancel()
        await asyncio.wait({result})


def _log_fault(future: Future[Any]) -> None:
    fault = future.exception()
    if fault is not None and not isinstance(fault, UnembedError):
        log.error("abandoned work failed", exc_info=fault)


def _reason(gone: asyncio.Future[None], limit: float) -> CancelledError | TimedOutError:
    if gone.done():
        return CancelledError("The client left; the work was stopped.")
    return TimedOutError(
        f"The request took longer than {limit:g} seconds, waiting included.",
        legal=f"at most {limit:g} seconds",
        fix="Ask for less at once, or raise max_request_seconds.",
    )


async def _settled(future: Future[Any]) -> None:
    """Return when a thread has settled `future`, whatever with."""
    loop, settled = asyncio.get_running_loop(), asyncio.Event()
    future.add_done_callback(lambda _: _wake(loop, settled))
    await settled.wait()


async def find(session: Session, name: str, seconds: float) -> Job | None:
    """A job by its id, waited for a short while: its events may be asked for before it is."""
    until = time.monotonic() + seconds
    while (job := session.job(name)) is None and time.monotonic() < until:
        await asyncio.sleep(_POLL_SECONDS)
    return job


async def follow(job: Job, quiet_seconds: float) -> AsyncIterator[Snapshot | None]:
    """Snapshots of a job as it changes, the last one of its end; None when nothing was to tell."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    unsubscribe = job.subscribe(lambda: _wake(loop, changed))
    try:
        while True:
            changed.clear()
            snapshot = job.snapshot()
            yield snapshot
            if snapshot.state in TERMINAL:
                return
            await asyncio.sleep(_NEWS_SECONDS)
            while not changed.is_set():
                try:
                    await asyncio.wait_for(changed.wait(), quiet_seconds)
                except TimeoutError:
                    yield None
    finally:
        unsubscribe()


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
        loop.call_soon_threadsafe(event.set)
