"""Server-sent events: the news of a job, as the browser's EventSource reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from unembed.server.wire import JobEvent
from unembed.session import Job, Snapshot
from unembed.session.bridge import follow

MEDIA_TYPE = "text/event-stream"
QUIET_SECONDS = 15.0


async def stream(job: Job, quiet_seconds: float = QUIET_SECONDS) -> AsyncIterator[bytes]:
    """Events until the job is over; a comment now and then, so that nothing closes the line."""
    async for snapshot in follow(job, quiet_seconds):
        yield b": still here\n\n" if snapshot is None else _event(snapshot)


def _event(snapshot: Snapshot) -> bytes:
    event = JobEvent(
        job=snapshot.job,
        state=snapshot.state,
        stage=snapshot.stage,
        done=snapshot.done,
        total=snapshot.total,
        ahead=snapshot.ahead,
        seconds_left=snapshot.seconds_left,
    )
    return b"event: state\ndata: " + event.model_dump_json().encode() + b"\n\n"
