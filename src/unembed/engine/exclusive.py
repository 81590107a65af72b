"""One run at a time on one module, whoever asks and through however many Models."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from torch import nn

from unembed.errors import InputError

_uses: WeakKeyDictionary[nn.Module, ExclusiveUse] = WeakKeyDictionary()
_making = threading.Lock()


class ExclusiveUse:
    """Who may use a module now: one thread, and inside a run nothing but that run."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._running = False

    @contextmanager
    def held(self, running: bool) -> Iterator[None]:
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


def exclusive_use_of(module: nn.Module) -> ExclusiveUse:
    """The use of a module; the same one for every model that holds it."""
    with _making:
        return _uses.setdefault(module, ExclusiveUse())


def uses_touching(module: nn.Module) -> list[ExclusiveUse]:
    """The uses of every module that has parts in common with this one."""
    with _making:
        known = list(_uses.items())
    if not known:
        return []
    own = set(module.modules())
    return [use for root, use in known if any(part in own for part in root.modules())]
