"""What work hands out before it is done: written by a thread, read by whoever waits."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Channel(Generic[Item]):
    """Items in the order in which they were put; thread-safe, for one reader."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._lock = threading.Lock()
        self._listener: Callable[[], None] = lambda: None

    def put(self, item: Item) -> None:
        """Hand an item out."""
        with self._lock:
            self._items.append(item)
        self._listener()

    def take(self) -> list[Item]:
        """What was put since the last time."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
        return items

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` on every item, from any thread."""
        self._listener = listener
