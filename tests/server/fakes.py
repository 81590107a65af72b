"""A model that computes nothing: layers take time, and a second thread would spoil its state."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from unembed.engine.cancel import Cancel
from unembed.session import Session


@dataclass
class FakeEdit:
    key: int


@dataclass
class FakeRun:
    ids: tuple[int, ...]
    total: int
    nbytes: int = 1000


class FakeModel:
    """`run` adds up ids and edits, layer by layer, as a forward pass goes through blocks."""

    fingerprint = state = "fake"
    anatomy = SimpleNamespace(n_layers=0)  # none whose heads would be looked at

    def __init__(
        self, n_layers: int = 5, seconds_per_layer: float = 0.0, nbytes: int = 1000
    ) -> None:
        self.n_layers = n_layers
        self.seconds_per_layer = seconds_per_layer
        self.nbytes = nbytes
        self.layers_run = 0
        self.runs = 0
        self.hooks: list[FakeEdit] = []
        self.lock = threading.Lock()
        self.before_layer: Callable[[int], None] = lambda _: None

    def run(
        self,
        ids: tuple[int, ...],
        capture: Sequence[str] = (),
        edits: Sequence[FakeEdit] = (),
        *,
        logits: str = "all",
        start: Any = None,
        cancel: Cancel | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Any:
        with self.lock:
            return self._run(ids, edits, cancel, progress)

    def _run(self, ids: Any, edits: Any, cancel: Any, progress: Any) -> FakeRun:
        self.runs += 1
        self.hooks = list(edits)
        try:
            total = sum(ids)
            for layer in range(self.n_layers):
                if cancel is not None:
                    cancel.check()
                self.before_layer(layer)
                time.sleep(self.seconds_per_layer)
                total = total * 31 + sum(edit.key for edit in self.hooks)
                self.layers_run += 1
                if progress is not None:
                    progress("forward pass", layer + 1, self.n_layers)
            return FakeRun(ids, total, self.nbytes)
        finally:
            self.hooks = []


class NoLock:
    """What a lock is replaced by to show what it is for."""

    @contextmanager
    def held(self, running: bool) -> Iterator[None]:
        yield

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


class Gate:
    """Work that waits until it is let go, so that a test decides what runs when."""

    def __init__(self) -> None:
        self.began, self.go = threading.Event(), threading.Event()

    def __call__(self, job: Any) -> str:
        self.began.set()
        while not self.go.wait(0.005):
            job.cancel.check()
        return "done"


def hold(session: Session) -> Gate:
    gate = Gate()
    session.submit(gate)
    assert gate.began.wait(5)
    return gate
