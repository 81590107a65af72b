"""Memory that is handed back: what glibc keeps of large buffers that come and go.

glibc learns from each large buffer that is freed to take the next one from its heaps, up to 32 MB,
which saves page faults where a model runs. Tables that are put together free buffers of all sizes
in several threads, and leave the heaps of each full of holes: more of them the larger a table is.
Knows no Lance; elsewhere than on Linux with glibc it does nothing.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt
SMALL = 128 * 1024  # glibc's own start
_LEARNT = 32 * 1024 * 1024  # where glibc's learning ends; it learns no more once it was told


@contextmanager
def handed_back() -> Iterator[None]:
    """Within, every buffer of 128 KB or more is one of its own, which goes when it is freed."""
    glibc = _glibc()
    if glibc is None:
        yield
        return
    glibc.mallopt(_MMAP_THRESHOLD, SMALL)
    try:
        yield
    finally:
        glibc.mallopt(_MMAP_THRESHOLD, _LEARNT)
        glibc.mallopt(_TRIM_THRESHOLD, 2 * _LEARNT)
        glibc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library, where it is glibc."""
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
