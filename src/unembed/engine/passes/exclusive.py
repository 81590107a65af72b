"""One run at a time on one module, whoever asks and through however many Models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

from unembed.errors import InputError

_turns: WeakKeyDictionary[nn.Module, Turn] = WeakKeyDictionary()
_making = threading.Lock()


class Turn:
    """Who may use a module now: one thread, and inside a run nothing but that run."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running = False

    @contextmanager
    def taken(self, running: bool) -> Iterator[None]:
        """Wait for the module; `running`: its hooks are on until the context ends.

        Raises InputError when this thread is inside a run of the same module (in a progress
        callback, say): waiting would be for ever, and going on would mix the two.
        """
        with self._lock:
            if self._running:
                raise InputError(
                    "this model is in the middle of a run in this thread (a progress callback?); "
                    "start the next run after it has ended"
                )
            self._running = running
            try:
                yield
            finally:
                self._running = False


def turn_of(module: nn.Module) -> Turn:
    """The turn of a module; the same one for every Model that holds it."""
    with _making:
        return _turns.setdefault(module, Turn())


def turns_touching(module: nn.Module) -> list[Turn]:
    """The turns of every module that has parts in common with this one."""
    with _making:
        known = list(_turns.items())
    if not known:
        return []
    own = set(module.modules())
    return [turn for root, turn in known if any(part in own for part in root.modules())]
