"""A bounded queue and the thread that empties it, one job at a time, in order of arrival.

One thread is what makes an answer the same alone and under load: two forward passes never overlap.
`threads` exists so that a test can show what goes wrong with more than one.
"""

from __future__ import annotations

import threading
from collections import deque

from unembed.errors import BusyError, CancelledError, TooLargeError, UnembedError
from unembed.session.jobs import Job


class Worker:
    """Runs jobs; refuses them when too many wait."""

    def __init__(self, name: str, limit: int, threads: int = 1) -> None:
        self.limit = limit
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._loop, name=f"unembed-{name}-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; raises BusyError when `limit` are waiting already."""
        with self._changed:
            if self._closed:
                raise BusyError("The server is shutting down.")
            if len(self._waiting) >= self.limit:
                raise BusyError(
                    f"{len(self._waiting)} requests are waiting already; try again in a moment.",
                    legal=f"at most {self.limit} waiting requests",
                )
            self._waiting.append(job)
            job.move_up(len(self._waiting) - 1 + len(self._running))
            self._changed.notify()

    def cancel(self, job: Job, reason: UnembedError | None = None) -> None:
        """Stop a job: at once while it waits, at its next check while it runs."""
        job.stop(reason)
        with self._changed:
            if job not in self._waiting:
                return
            self._waiting.remove(job)
            self._renumber()
        job.end(error=CancelledError("The request was cancelled."))

    def give_way(self) -> None:
        """Called by running work, on its thread: perform all that waits, then go on.

        Still one thing at a time: the work that calls this does nothing meanwhile.
        """
        while (job := self._take(wait=False)) is not None:
            self._do(job)

    def close(self) -> None:
        """Stop everything and wait for the thread to notice."""
        with self._changed:
            self._closed = True
            waiting, running = list(self._waiting), list(self._running)
            self._waiting.clear()
            self._changed.notify_all()
        for job in waiting:
            job.stop()
            job.end(error=CancelledError("The server shut down."))
        for job in running:
            job.stop()
        for thread in self._threads:
            thread.join(timeout=10)

    def _renumber(self) -> None:
        for ahead, job in enumerate(self._waiting):
            job.move_up(ahead + len(self._running))

    def _take(self, wait: bool) -> Job | None:
        with self._changed:
            while wait and not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed or not self._waiting:
                return None
            job = self._waiting.popleft()
            self._running.append(job)
            self._renumber()
            return job

    def _do(self, job: Job) -> None:
        _perform(job)
        with self._changed:
            self._running.remove(job)
            self._renumber()

    def _loop(self) -> None:
        while (job := self._take(wait=True)) is not None:
            self._do(job)
            del job  # a result of hundreds of megabytes must not live until the next request


def _perform(job: Job) -> None:
    job.begin()
    try:
        job.cancel.check()
        result = job.work(job)
    except UnembedError as error:
        job.end(error=error)
    except Exception as error:
        if _is_out_of_memory(error):
            job.end(error=TooLargeError("There was not enough memory for this request."))
            return
        job.end(error=error)
    else:
        job.end(result)


def _is_out_of_memory(error: Exception) -> bool:
    """torch raises a RuntimeError on the CPU, and a class of its own on a GPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
