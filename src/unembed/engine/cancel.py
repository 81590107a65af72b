"""Stopping work that nobody waits for any more."""

from __future__ import annotations

import threading

from unembed.errors import CancelledError


class Cancel:
    """A flag that one thread raises and another one checks between layers. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raise CancelledError if the work was cancelled."""
        if self._event.is_set():
            raise CancelledError("the work was cancelled")
