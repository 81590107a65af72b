"""Says how far a training is: texts that are read, tokens learnt from, what was measured last."""

from __future__ import annotations

import time
from collections.abc import Callable

from unembed.models.progress import Progress
from unembed.training.result import Measured

Told = Callable[[Measured], None]
"""Called with what each checkpoint measured, those before an interruption among them."""


class Watch:
    """Tells `progress` after every step, and again after every pass in between.

    Args:
        total: tokens that are to be learnt from.
        told: see `Told`.
    """

    def __init__(
        self, progress: Progress | None = None, total: int = 0, told: Told | None = None
    ) -> None:
        self._progress, self._total, self._told = progress, total, told
        self._said = ("reading texts", 0, total)
        self._first, self._last, self._start = 0, "", time.monotonic()

    def begin_at(self, done: int) -> None:
        """What is learnt from then on counts for the rate."""
        self._first, self._start = done, time.monotonic()
        self.learnt(done)

    def learnt(self, done: int) -> None:
        """So many tokens were learnt from."""
        seconds = time.monotonic() - self._start
        rate = (done - self._first) / seconds if seconds and done > self._first else 0.0
        left = f", {(self._total - done) / rate / 60:.0f} min left" if rate else ""
        self._said = (f"{rate:,.0f} tokens a second{left}{self._last}", done, self._total)
        self.again()

    def measured(self, one: Measured) -> None:
        """What a checkpoint measured."""
        self._last = f"; {one.words()}"
        if self._told is not None:
            self._told(one)

    def again(self) -> None:
        """What was said last: whoever hears it may stop the work, or let others in."""
        if self._progress is not None:
            self._progress(*self._said)
