"""Progress as lines, where the output is no terminal: what a log says of hours of work."""

from __future__ import annotations

import time

from rich.console import Console

SECONDS = 60.0  # between two lines; what takes less says nothing
clock = time.monotonic


class ProgressLines:
    """Called with (what is said, done, total); prints a line from time to time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = self._said = clock()
        self._first = self._last = -1

    def __call__(self, said: str, done: int, total: int) -> None:
        now = clock()
        if self._last < 0 or done < self._last:  # another stage
            self._begun, self._first = now, done
        self._last = done
        if now - self._said < SECONDS:
            return
        self._said = now
        self._console.print(f"{said}, {_how_far(done, total)}{self._left(now, done, total)}")

    def _left(self, now: float, done: int, total: int) -> str:
        """At the rate since the stage began."""
        passed, more = now - self._begun, done - self._first
        if more <= 0 or done >= total:
            return ""
        return f", {_in_words(passed * (total - done) / more)} left"


def _how_far(done: int, total: int) -> str:
    return f"{done:,} of {total:,} ({done / total:.0%})" if total else f"{done:,}"


def _in_words(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
