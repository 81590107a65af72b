"""Large buffers go back to the system while tables are put together, and only then."""

from __future__ import annotations

import ctypes
import platform

import pytest

from unembed.index import memory

BUFFER = 24 << 20  # less than glibc ever takes from its heaps, more than lies free in them
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")


class Info(ctypes.Structure):
    """What mallinfo2 says; `hblks` are buffers that are mapped by themselves."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


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


def test_large_buffers_go_while_tables_are_put_together():
    with memory.handed_back():
        assert mapped_alone()
    assert not mapped_alone()
    with pytest.raises(ValueError, match="x"), memory.handed_back():
        raise ValueError("x")
    assert not mapped_alone()


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory.handed_back():
        pass
    assert not mapped_alone()
