"""The autoencoders of one model on disk, and the one that is being trained. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unembed.engine.model import Model
from unembed.errors import BusyError
from unembed.index.corpus.about import checked_name
from unembed.session.jobs import Job
from unembed.training.kept import (
    TrainedSae,
    UnfinishedSae,
    autoencoders_in,
    trained,
    unfinished,
)
from unembed.training.result import Measured


@dataclass(frozen=True)
class SaeUnderway:
    """An autoencoder that is being trained."""

    name: str
    site: str
    job: Annotated[str, "Follow or cancel it by this name."]
    n_wanted: Annotated[int, "Tokens to be learnt from in all."]
    history: Annotated[tuple[Measured, ...], "What its checkpoints measured so far."]


class Trainings:
    """The autoencoders that were trained of a model, one folder each."""

    def __init__(self, model: Model, cache: Path) -> None:
        self._model, self._cache = model, cache
        self._running: tuple[str, str, Job, int] | None = None
        self._history: list[Measured] = []
        self._lock = threading.Lock()

    @property
    def root(self) -> Path:
        """Where they lie: of the model as it is now; waits for its fingerprint."""
        return autoencoders_in(self._cache, self._model)

    def folder(self, name: str) -> Path:
        """That of a name; raises InputError for a name that is none."""
        return self.root / checked_name(name)

    def listed(self) -> tuple[TrainedSae, ...]:
        """Those that are whole."""
        return trained(self.root)

    def unfinished(self) -> tuple[UnfinishedSae, ...]:
        """Those that go on from a checkpoint; what is being trained is not among them."""
        now = self.underway()
        return tuple(one for one in unfinished(self.root) if now is None or one.name != now.name)

    def underway(self) -> SaeUnderway | None:
        """What this session trains."""
        with self._lock:
            if self._running is None:
                return None
            name, site, job, tokens = self._running
            return SaeUnderway(name, site, job.id, tokens, tuple(self._history))

    @contextmanager
    def training(self, name: str, site: str, tokens: int, job: Job) -> Iterator[None]:
        """One at a time, told to whoever asks. Raises BusyError."""
        self.check_idle()
        with self._lock:
            self._running, self._history = (name, site, job, tokens), []
        try:
            yield
        finally:
            with self._lock:
                self._running = None

    def measured(self, one: Measured) -> None:
        """What a checkpoint of the one that is being trained measured."""
        with self._lock:
            self._history.append(one)

    def check_idle(self) -> None:
        """Raise BusyError while one is being trained."""
        now = self.underway()
        if now is not None:
            raise BusyError(
                f"The autoencoder {now.name!r} is being trained, as job {now.job}.", field="name"
            )
