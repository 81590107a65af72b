"""A question to who sits at the terminal, from work that is under way: yes or no.

The work waits on its own thread, the terminal is asked on the main one: Ctrl-C ends both.
"""

from __future__ import annotations

import sys
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from rich.console import Console

from unembed.cli.loading import Bars

YES = ("y", "yes")


class Terminal:
    """Questions and answers, one at a time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._questions: SimpleQueue[str | None] = SimpleQueue()
        self._answers: SimpleQueue[bool] = SimpleQueue()

    @classmethod
    def here(cls, console: Console) -> Terminal | None:
        """The terminal; None where nobody can be asked: in scripts, behind pipes."""
        return cls(console) if sys.stdin.isatty() and console.is_terminal else None

    def agrees(self, question: str) -> bool:
        """The answer to a question, awaited by the thread that works."""
        self._questions.put(question)
        return self._answers.get()

    def serve(self, work: Future[Any], bars: Bars) -> None:
        """Ask what the work asks, until it is done; its bars are away meanwhile."""
        work.add_done_callback(lambda _: self._questions.put(None))
        while (question := self._questions.get()) is not None:
            agreed = False
            try:
                with bars.away():
                    agreed = self._asked(question)
            finally:
                self._answers.put(agreed)  # who works is let go, whatever happened here

    def _asked(self, question: str) -> bool:
        """Anything but yes is no, the end of the input, too."""
        self._console.print(question, markup=False, highlight=False, soft_wrap=True)
        self._console.print("Send them? [y/N] ", end="", markup=False, highlight=False)
        return sys.stdin.readline().strip().casefold() in YES
