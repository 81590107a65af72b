"""The vector indexes of one model on disk: opened once, built one at a time.

Thread-safe: the compute thread builds, both it and the disk thread search.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import torch

from unembed.analyses.tools.projections import PROJECTIONS, ProjectionName
from unembed.engine.model import Model
from unembed.errors import BusyError, UnembedError
from unembed.index.about import IndexAbout, Plan
from unembed.index.build import Builder
from unembed.index.clusters import Clusters
from unembed.index.folder import IndexFolder
from unembed.index.latent_index import latent_index
from unembed.index.opening import look, open_index, unfinished
from unembed.index.options import BuildOptions, ClustersOptions
from unembed.index.vector_index import VectorIndex
from unembed.session.jobs import Job
from unembed.settings import Settings

_SLOWER = 1.5  # a build against the bare product: bench/vectors.py
_SAMPLE = (512, 8192)  # vectors and tokens of the product that is timed
_TRIES = 4  # the fastest counts: others may compute meanwhile


@dataclass(frozen=True)
class Building:
    """A build that runs, or one that was interrupted and goes on where it stopped."""

    projection: ProjectionName
    job: Annotated[str | None, "Follow or cancel it by this name; null: it does not run."]
    done: Annotated[int, "Vectors that are done."]
    total: Annotated[int, "Of a build that goes on: what was left of it."]


@dataclass(frozen=True)
class Estimate:
    """What building would cost."""

    vectors: int
    seconds: float
    bytes: int


class Indexes:
    """The indexes of a model, and what is being done to them."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._cache = settings.cache_folder()
        self._opened: dict[str, VectorIndex] = {}
        self._latents: dict[str, VectorIndex] = {}
        self._running: dict[str, tuple[str, Job]] = {}
        self._estimate: Estimate | None = None
        self._lock = threading.Lock()

    @property
    def _root(self) -> Path:
        """Of the model as it is now; waits for its fingerprint."""
        return self._cache / "index" / self._model.fingerprint

    # ------------------------------------------------------------ searching

    def opened(self, projection: str) -> VectorIndex:
        """The published index. Raises IndexMissingError where there is none; see `open_index`."""
        published = self._folder(projection).published()
        with self._lock:
            held = self._opened.get(projection)
            if held is None or held.tables.version != published or not held.is_current:
                held = open_index(self._model, projection=projection, folder=self._root)
                self._opened[projection] = held
            return held

    def latents(self, projection: str, job: Job, give_way: Callable[[], None]) -> VectorIndex:
        """That of the latents, opened, or made and kept, when it is first asked for.

        Lets others in meanwhile.

        Raises BusyError where it is being made, CapabilityError where there are no latents.
        """
        held = self._latents.get(projection)
        if held is not None and held.is_current:
            return held

        def between(stage: str, done: int, total: int) -> None:
            job.progress(stage, done, total)
            give_way()

        with self._alone("projection of latents", projection, job):
            made = latent_index(
                self._model,
                projection=projection,
                folder=self._root,
                cancel=job.cancel,
                progress=between,
            )
        self._latents[projection] = made
        return made

    def find(self, projection: str) -> VectorIndex | None:
        """The published index, or None where there is none, or a damaged one."""
        try:
            return self.opened(projection)
        except UnembedError:
            return None

    def warm(self) -> None:
        """Open what there is, so that the first search does not wait for it: it takes seconds."""
        for projection in PROJECTIONS:
            index = self.find(projection)
            if index is not None:
                with contextlib.suppress(UnembedError):  # a model without a tokenizer has no words
                    index.warm()

    # ------------------------------------------------------------ building

    def build(self, options: BuildOptions, job: Job, give_way: Callable[[], None]) -> IndexAbout:
        """Build, letting others in several times a layer; see `build_index`.

        Raises BusyError while another build runs.
        """

        def between(stage: str, done: int, total: int) -> None:
            job.progress(stage, done, total)
            job.cancel.check()
            give_way()

        with (
            self._alone("build", options.projection, job),
            Builder(self._model, options, self._root) as builder,
        ):
            if builder.prepare(progress=between):
                while builder.remaining:
                    builder.step(job.cancel, between)
                builder.finish()
        return self.opened(options.projection).about

    def clusters(
        self,
        projection: str,
        options: ClustersOptions,
        job: Job,
        give_way: Callable[[], None],
    ) -> Clusters:
        """Computed when they are first asked for, letting others in meanwhile.

        Raises BusyError where others are being computed.
        """
        index = self.opened(projection)
        has_begun = False
        with ExitStack() as computing:

            def between(stage: str, done: int, total: int) -> None:
                nonlocal has_begun
                if not has_begun:  # those that are kept wait for nobody
                    computing.enter_context(self._alone("clustering", projection, job))
                    has_begun = True
                job.progress(stage, done, total)
                give_way()

            return index.clusters(options=options, cancel=job.cancel, progress=between)

    def check_idle(self) -> None:
        """Raise BusyError while something is built or made."""
        with self._lock:
            for what, (projection, job) in self._running.items():
                message = f"A {what} of the {projection} index runs, as job {job.id}."
                raise BusyError(message, field="projection", value=projection)

    @contextmanager
    def _alone(self, what: str, projection: str, job: Job) -> Iterator[None]:
        """Work of which there is only one at a time; raises BusyError where there is one."""
        with self._lock:
            other = self._running.get(what)
            if other is not None:
                message = f"A {what} of the {other[0]} index runs already, as job {other[1].id}."
                raise BusyError(message, field="projection", value=projection)
            self._running[what] = (projection, job)
        try:
            yield
        finally:
            with self._lock:
                del self._running[what]

    # ------------------------------------------------------------ what there is

    def about(self, projection: str) -> IndexAbout | None:
        """What an index says of itself, without opening it. Raises LoadError where damaged."""
        return look(self._model, projection=projection, folder=self._root)

    def building(self) -> Building | None:
        """The build that runs, or the one that was interrupted."""
        with self._lock:
            running = self._running.get("build")
        if running is None:
            return self._interrupted()
        projection, job = running
        now = job.snapshot()
        return Building(cast("ProjectionName", projection), job.id, now.done, max(now.total, 1))

    def estimate(self) -> Estimate:
        """What a build costs. Raises CapabilityError where this model has nothing to index."""
        with self._lock:
            if self._estimate is None:
                self._estimate = self._measured(self._plan())
            return self._estimate

    def _folder(self, projection: str) -> IndexFolder:
        return IndexFolder.of(self._model, projection, self._root)

    def _plan(self) -> Plan:
        """The plan of whichever projection this model has."""
        first, other = (BuildOptions(projection=name) for name in PROJECTIONS)
        try:
            return Builder(self._model, first, self._root).plan
        except UnembedError:
            return Builder(self._model, other, self._root).plan

    def _measured(self, plan: Plan) -> Estimate:
        """The time of the bare product, from a part of it, and what is done beside it."""
        n, width = _SAMPLE[0], min(_SAMPLE[1], plan.vocab_size)
        tokens = self._model.unembedding.weight[:width].to(torch.float32)
        rows = torch.ones(n, tokens.shape[1], device=tokens.device)
        times = []
        for _ in range(_TRIES):
            start = time.perf_counter()
            float((rows @ tokens.T)[0, 0])  # reading a number waits for a GPU
            times.append(time.perf_counter() - start)
        seconds = min(times) / (n * width) * plan.n_vectors * plan.vocab_size * _SLOWER
        return Estimate(plan.n_vectors, seconds, plan.expected_bytes)

    def _interrupted(self) -> Building | None:
        """What an interrupted build left, if it finished a layer."""
        for projection in PROJECTIONS:
            kept = unfinished(self._model, projection=projection, folder=self._root)
            if kept is not None:
                return Building(projection, None, *kept)
        return None
