"""How a job goes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unembed.server.wire.base import Wire


class JobEvent(Wire):
    """One server-sent event of `GET /api/jobs/{job}/events`; the event's name is `state`."""

    job: str
    state: Literal["queued", "running", "done", "cancelled", "failed"]
    stage: str = Field(description='"waiting", "forward pass", "projecting" ...')
    done: int
    total: int
    ahead: int = Field(0, description="Requests ahead in the queue.")
    seconds_left: float | None = None
