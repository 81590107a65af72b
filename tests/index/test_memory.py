"""Large buffers go back to the system while tables are put together, and only then."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUFFER = 24 << 20  # less than glibc ever takes from its heaps, more than lies free in them
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")


class Info(ctypes.Structure):
    """What mallinfo2 says; `hblks` are buffers that are mapped by themselves."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


def in_fresh_process(code):
    """What it prints: here some heap may have room for the buffer, and then it is not mapped."""
    names = "from tests.index.test_memory import mapped_alone\nfrom unembed.index import memory\n"
    found = subprocess.run(
        [sys.executable, "-c", names + code], check=True, capture_output=True, text=True, cwd=ROOT
    )
    return found.stdout.split()


def mapped_alone():
    """Whether a large buffer is mapped by itself."""
    glibc = ctypes.CDLL(None)
    glibc.mallinfo2.restype = Info
    glibc.malloc.restype, glibc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    before = glibc.mallinfo2().hblks
    buffer = glibc.malloc(ctypes.c_size_t(BUFFER))
    found = glibc.mallinfo2().hblks - before
    glibc.free(buffer)
    return found > 0


WITHIN = """
with memory.handed_back():
    print(mapped_alone())
print(mapped_alone())
try:
    with memory.handed_back():
        raise ValueError
except ValueError:
    print(mapped_alone())
"""


def test_large_buffers_go_while_tables_are_put_together():
    assert in_fresh_process(WITHIN) == ["True", "False", "False"]


def test_elsewhere_nothing_is_done():
    freed = "print(mapped_alone())"  # which teaches glibc to take the next one from its heaps
    code = f"{freed}\nmemory._glibc = lambda: None\nwith memory.handed_back():\n    {freed}"
    assert in_fresh_process(code) == ["True", "False"]
