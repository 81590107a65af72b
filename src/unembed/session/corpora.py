"""The corpora of one model on disk, opened once. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from unembed.engine.model import Model
from unembed.errors import BusyError
from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.collecting import unsplit
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.folder import CorpusFolder, corpora_in, unfinished
from unembed.index.corpus.opening import corpora, open_corpus
from unembed.index.corpus.options import Split
from unembed.index.versions import ABOUT
from unembed.session.jobs import Job

_Stamp = tuple[Path, int]


@dataclass(frozen=True)
class CorpusBuilding:
    """A corpus that is being built."""

    name: str
    job: Annotated[str, "Follow or cancel it by this name."]


@dataclass(frozen=True)
class UnfinishedCorpus:
    """What a build that was stopped left: one of the same files and options goes on with it."""

    name: str
    files: tuple[str, ...]
    split: Split
    max_tokens: int
    spacy: Annotated[str | None, "The pipeline that it was built with."]
    column: str
    metadata: Annotated[tuple[str, ...], "Fields of records that it keeps."]


class Corpora:
    """The corpora of a model; one that was built anew, or got more layers, is opened again."""

    def __init__(self, model: Model, cache: Path) -> None:
        self._model, self._cache = model, cache
        self.unsplit = unsplit(model)  # now, while nothing else computes
        self._opened: dict[str, tuple[_Stamp | None, Corpus]] = {}
        self._passing: Job | None = None
        self._building: CorpusBuilding | None = None
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where they lie: of the model as it is now; waits for its fingerprint."""
        return corpora_in(self._cache, self._model)

    def listed(self) -> tuple[CorpusAbout, ...]:
        """What each says of itself, without opening it."""
        return corpora(self._model, folder=self.folder)

    def opened(self, name: str) -> Corpus:
        """One of them. Raises IndexMissingError where there is none; see `open_corpus`."""
        with self._lock:
            stamp = self._stamp(name)
            held = self._opened.pop(name, None)
            if held is None or stamp is None or held[0] != stamp:
                held = (stamp, open_corpus(self._model, name, folder=self.folder))
            self._make_room()
            self._opened[name] = held
            return held[1]

    @contextmanager
    def alone(self, job: Job) -> Iterator[None]:
        """A pass over a corpus: it lets others in, but no other pass. Raises BusyError."""
        with self._lock:
            self.check_idle()
            self._passing = job
        try:
            yield
        finally:
            with self._lock:
                self._passing = None

    def check_idle(self) -> None:
        """Raise BusyError while a pass or a build runs."""
        other = self._passing
        if other is not None:
            raise BusyError(
                f"A pass over a corpus runs already, as job {other.id}.", field="corpus"
            )

    @contextmanager
    def building(self, name: str, job: Job) -> Iterator[None]:
        """A build, which is a pass as well, and is told to whoever asks. Raises BusyError."""
        with self.alone(job):
            self._building = CorpusBuilding(name, job.id)
            try:
                yield
            finally:
                self._building = None

    def being_built(self) -> CorpusBuilding | None:
        """What this session builds."""
        return self._building

    def unfinished(self) -> tuple[UnfinishedCorpus, ...]:
        """What builds that were stopped left, those of other processes that still run among it."""
        now = self._building
        return tuple(
            UnfinishedCorpus(
                name=plan.name,
                files=tuple(source.name for source in plan.files),
                split=plan.split,
                max_tokens=plan.max_tokens,
                spacy=plan.spacy.partition(" ")[0] or None,
                column=plan.column,
                metadata=plan.metadata,
            )
            for plan in unfinished(self.folder)
            if now is None or plan.name != now.name
        )

    def _make_room(self) -> None:
        """Close those that were used longest ago, until half of the budget is left for another."""
        most = self._model.settings.index_cache_bytes // 2
        while sum(corpus.bytes_in_memory for _, corpus in self._opened.values()) > most:
            del self._opened[next(iter(self._opened))]

    def _stamp(self, name: str) -> _Stamp | None:
        """What changes whenever something is published."""
        version = CorpusFolder.of(self._model, name, self.folder).published()
        if version is None:
            return None
        try:
            return version, (version / ABOUT).stat().st_mtime_ns
        except OSError:
            return None
