"""The compute queue, its jobs, the cache of forward passes: the one place that knows concurrency.

One thread computes. Others do what shall not wait for a lens: one only tokenizes, one searches the
vector index, one reads and writes the workspace.
Plain threads here; `bridge` is how an event loop waits for them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from torch import Tensor

from unembed.engine.editing.edits import Edit
from unembed.engine.model import Model
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.run import Run
from unembed.errors import InputError, UnembedError
from unembed.session.cache import Recent, RunCache
from unembed.session.channel import Channel
from unembed.session.corpora import Corpora
from unembed.session.indexes import Indexes
from unembed.session.jobs import TERMINAL, Job, Snapshot, State
from unembed.session.trainings import Trainings
from unembed.session.uploads import Uploads
from unembed.session.worker import Worker
from unembed.settings import Settings
from unembed.workspace import Workspace

__all__ = ["TERMINAL", "Channel", "Job", "Queue", "Session", "Snapshot", "State"]

Queue = Literal["compute", "text", "index", "workspace"]

_REMEMBERED = 256
_RECENT = 16
_MEASURED = 128


class Session:
    """One model and everything that asks something of it."""

    def __init__(self, model: Model, settings: Settings, *, threads: int = 1) -> None:
        self.model = model
        self.settings = settings
        self.cache = RunCache(settings.cache_bytes)
        self.recent = Recent(_RECENT)
        self.measured = Recent(_MEASURED)  # a few numbers each
        self._workers: dict[Queue, Worker] = {
            name: Worker(name, settings.max_queue, threads if name == "compute" else 1)
            for name in get_args(Queue)
        }
        self.workspace = Workspace(settings.workspace_file(), settings)
        self.indexes = Indexes(model, settings)
        self.corpora = Corpora(model, settings.cache_folder())
        self.trainings = Trainings(model, settings.cache_folder())
        self.uploads = Uploads(settings.max_upload_bytes)
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def submit(
        self,
        work: Callable[[Job], Any],
        name: str | None = None,
        *,
        on: Queue = "compute",
    ) -> Job:
        """Queue work for a thread; raises BusyError, or InputError on a name in use."""
        job = Job(work, name)
        with self._lock:
            self._forget()
            known = self._jobs.get(job.id)
            if known is not None and not known.is_over:
                raise InputError(
                    f"The job {job.id} is still running; a new request needs a name of its own.",
                    field="job",
                    value=job.id,
                    legal="a name that no running request has",
                )
            self._workers[on].submit(job)
            self._jobs[job.id] = job
            self._jobs.move_to_end(job.id)
        return job

    def job(self, name: str) -> Job | None:
        """A job by its id: waiting, running, or over not long ago."""
        with self._lock:
            return self._jobs.get(name)

    def stop(self, job: Job, reason: UnembedError | None = None) -> None:
        """Cancel a job; what waits for it gets `reason`."""
        for worker in self._workers.values():
            worker.cancel(job, reason)

    def give_way(self) -> None:
        """Called by long work, on the compute thread: first does what waits."""
        self._workers["compute"].give_way()

    def forget_runs(self) -> None:
        """Called where other nodes are attached: what was found of those before is not of them."""
        for held in (self.cache, self.recent, self.measured):
            held.clear()

    def run(
        self,
        job: Job,
        read: Read,
        edits: Sequence[Edit] = (),
        capture: Sequence[str] = (),
        *,
        logits: Literal["all", "last", "none"] = "none",
        start: tuple[int, Tensor] | None = None,
    ) -> Run:
        """A forward pass, from the cache when it was made before. Called by work, on its thread.

        `start` is the layer to enter, with the residual that this very pass has before it.
        """
        keys = tuple(edit.key for edit in edits)
        identity = (self.model.state, read, keys, logits)
        wanted = frozenset(capture)
        job.runs += 1
        run = self.cache.get(identity, wanted)
        if run is not None:
            job.cached_runs += 1
            return run
        run = self.model.run(
            read.prompt,
            sorted(wanted),
            edits,
            logits=logits,
            start=start,
            cancel=job.cancel,
            progress=job.progress,
        )
        self.cache.put(identity, wanted, run)
        return run

    def close(self) -> None:
        """Cancel everything and end the threads."""
        for worker in self._workers.values():
            worker.close()
        self.uploads.close()

    def _forget(self) -> None:
        over = [name for name, job in self._jobs.items() if job.is_over]
        for name in over[: max(0, len(self._jobs) - _REMEMBERED)]:
            del self._jobs[name]
