"""The corpora of one model on disk, opened once. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unembed.engine.model import Model
from unembed.errors import BusyError
from unembed.index.corpus.about import CorpusAbout
from unembed.index.corpus.corpus import Corpus, corpora, open_corpus
from unembed.index.corpus.folder import CorpusFolder
from unembed.index.versions import ABOUT
from unembed.session.jobs import Job

_Stamp = tuple[Path, int]


class Corpora:
    """The corpora of a model; one that was built anew, or got more layers, is opened again."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._opened: dict[str, tuple[_Stamp | None, Corpus]] = {}
        self._passing: Job | None = None
        self._lock = threading.Lock()

    def listed(self) -> tuple[CorpusAbout, ...]:
        """What each says of itself, without opening it."""
        return corpora(self._model)

    def opened(self, name: str) -> Corpus:
        """One of them. Raises IndexMissingError where there is none; see `open_corpus`."""
        with self._lock:
            stamp = self._stamp(name)
            held = self._opened.pop(name, None)
            if held is None or stamp is None or held[0] != stamp:
                held = (stamp, open_corpus(self._model, name))
            self._make_room()
            self._opened[name] = held
            return held[1]

    @contextmanager
    def alone(self, job: Job) -> Iterator[None]:
        """A pass over a corpus: it lets others in, but no other pass. Raises BusyError."""
        with self._lock:
            other = self._passing
            if other is not None:
                raise BusyError(
                    f"A pass over a corpus runs already, as job {other.id}.", field="corpus"
                )
            self._passing = job
        try:
            yield
        finally:
            with self._lock:
                self._passing = None

    def _make_room(self) -> None:
        """Close those that were used longest ago, until half of the budget is left for another."""
        most = self._model.settings.index_cache_bytes // 2
        while sum(corpus.bytes_in_memory for _, corpus in self._opened.values()) > most:
            del self._opened[next(iter(self._opened))]

    def _stamp(self, name: str) -> _Stamp | None:
        """What changes whenever something is published."""
        version = CorpusFolder.of(self._model, name, None).published()
        if version is None:
            return None
        try:
            return version, (version / ABOUT).stat().st_mtime_ns
        except OSError:
            return None
