"""A job: one piece of work for the compute worker, that can be watched, cancelled and waited for.

Thread-safe: the worker writes, the event loop reads. Knows nothing of what the work is.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from unembed.engine.cancel import Cancel
from unembed.errors import CancelledError, UnembedError

State = Literal["queued", "running", "done", "cancelled", "failed"]
TERMINAL: tuple[State, ...] = ("done", "cancelled", "failed")


@dataclass(frozen=True)
class Snapshot:
    """A job at one moment."""

    job: str
    state: State
    stage: str
    done: int
    total: int
    ahead: int
    seconds_left: float | None


class Job:
    """One request to compute, from being queued to its result."""

    def __init__(self, work: Callable[[Job], Any], name: str | None = None) -> None:
        self.id = name or secrets.token_urlsafe(12)
        self.work = work
        self.cancel = Cancel()
        self.future: Future[Any] = Future()
        self.runs = 0
        self.cached_runs = 0
        self.created = time.monotonic()
        self.started: float | None = None
        self.ended: float | None = None
        self._state: State = "queued"
        self._stage = ("waiting", 0, 0)
        self._stage_began, self._stage_from = self.created, 0
        self._ahead = 0
        self._reason: UnembedError | None = None
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def state(self) -> State:
        """queued, running, and one of the three ends."""
        return self._state

    @property
    def is_over(self) -> bool:
        """Nothing about this job will change any more."""
        return self._state in TERMINAL

    @property
    def cached(self) -> bool:
        """Every forward pass that the job needed was at hand."""
        return self.runs > 0 and self.cached_runs == self.runs

    def seconds(self) -> tuple[float, float]:
        """(waited, computed) so far."""
        now = self.ended or time.monotonic()
        started = self.started or now
        return started - self.created, now - started

    def progress(self, stage: str, done: int, total: int) -> None:
        """Called by the work as it goes; the engine's own signature.

        A stage ends where the share that is done goes back: "decoding row 2 of 18" goes on with
        what row 1 began, and the time left counts from there. What was done when it was first heard
        of took none of that time: a build that goes on starts in the middle.
        """
        with self._lock:
            name, done_before, total_before = self._stage
            if stage != name and done * total_before <= done_before * total:
                self._stage_began, self._stage_from = time.monotonic(), done
            self._stage = (stage, done, total)
        self._tell()

    def stop(self, reason: UnembedError | None = None) -> None:
        """Ask the work to end at its next check; what waits for the result gets `reason`."""
        with self._lock:
            if self._reason is None:
                self._reason = reason or CancelledError("The request was cancelled.")
        self.cancel.cancel()

    def snapshot(self) -> Snapshot:
        """What a progress bar shows."""
        with self._lock:
            stage, done, total = self._stage
            left = None
            new = done - self._stage_from
            if self._state == "running" and new > 0 and done < total:
                left = (time.monotonic() - self._stage_began) / new * (total - done)
            return Snapshot(self.id, self._state, stage, done, total, self._ahead, left)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` on every change, from any thread; returns what ends that."""
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    # ------------------------------------------------------------ for the worker alone

    def move_up(self, ahead: int) -> None:
        """How many wait in front of it."""
        self._ahead = ahead
        self._tell()

    def begin(self) -> None:
        """The worker takes it."""
        self.started = time.monotonic()
        with self._lock:
            self._state, self._stage, self._ahead = "running", ("starting", 0, 0), 0
        self._tell()

    def end(self, result: object = None, error: BaseException | None = None) -> None:
        """Settle the result. A job that was told to stop ends with the reason it was given."""
        self.ended = time.monotonic()
        if isinstance(error, CancelledError):
            error = self._reason or error
        with self._lock:
            stopped = isinstance(error, CancelledError)
            self._state = "done" if error is None else "cancelled" if stopped else "failed"
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)
        self._tell()

    def _tell(self) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()
