"""Forward passes that were made already, least recently used thrown out first.

A cached run may serve a request only if it was made with the same tokens, the same edits and the
same kind of logits, and captured at least what is asked; so an answer cannot depend on what came
before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from unembed.engine.passes.run import Run

Key = tuple[Hashable, frozenset[str]]
Made = TypeVar("Made")


class RunCache:
    """Runs within a budget of bytes."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.nbytes = 0
        self._runs: OrderedDict[Key, Run] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def get(self, identity: Hashable, capture: frozenset[str]) -> Run | None:
        """A run of this identity that captured at least `capture`."""
        with self._lock:
            for key in reversed(self._runs):
                if key[0] == identity and capture <= key[1]:
                    self._runs.move_to_end(key)
                    return self._runs[key]
        return None

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._runs.clear()
            self.nbytes = 0

    def put(self, identity: Hashable, capture: frozenset[str], run: Run) -> None:
        """Keep a run; one that is larger than the whole budget is not kept."""
        if run.nbytes > self.budget:
            return
        with self._lock:
            old = self._runs.pop((identity, capture), None)
            if old is not None:
                self.nbytes -= old.nbytes
            self._runs[(identity, capture)] = run
            self.nbytes += run.nbytes
            while self.nbytes > self.budget:
                _, gone = self._runs.popitem(last=False)
                self.nbytes -= gone.nbytes


class Recent:
    """The last few results of analyses, by what decides them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._made.clear()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """The result of this key, made unless it is among the last ones."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                kept: Made = self._made[key]
                return kept
        made = make()  # unlocked: it may take seconds, and give way to others
        with self._lock:
            self._made[key] = made
            while len(self._made) > self.size:
                self._made.popitem(last=False)
        return made
