"""Server-sent events: the news of a job, as the browser's EventSource reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from unembed.server.wire import JobEvent
from unembed.session import Job, Snapshot
from unembed.session.bridge import follow

MEDIA_TYPE = "text/event-stream"
QUIET_SECONDS = 15.0


async def stream(job: Job, quiet_seconds: float = QUIET_SECONDS) -> AsyncIterator[bytes]:
    """Events until the job is over; a comment now and then, so that nothing closes the line."""
    async for snapshot in follow(job, quiet_seconds):
        yield b": still here\n\n" if snapshot is None else _state(snapshot)


def schema(*names: str) -> dict[str, Any]:
    """One event as OpenAPI describes it."""
    data = {"type": "string", "contentMediaType": "application/json"}
    properties = {"event": {"type": "string", "enum": list(names)}, "data": data}
    return {"type": "object", "properties": properties, "required": list(properties)}


def event(name: str, data: str) -> bytes:
    """One event, its JSON on one line: JSON escapes line breaks."""
    return f"event: {name}\ndata: {data}\n\n".encode()


def _state(snapshot: Snapshot) -> bytes:
    state = JobEvent(
        job=snapshot.job,
        state=snapshot.state,
        stage=snapshot.stage,
        done=snapshot.done,
        total=snapshot.total,
        ahead=snapshot.ahead,
        seconds_left=snapshot.seconds_left,
    )
    return event("state", state.model_dump_json())
