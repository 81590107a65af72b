"""Looking at a few numbers of a mapped weight without making the system read the rest of it.

A page fault makes Linux read ahead, megabytes on some machines, in the belief that they come next.
Where one number of each weight is wanted, that would read a whole checkpoint.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

MOST_HEADER = 100_000_000  # bytes; the format's own limit


@contextmanager
def peeking(weight: Tensor) -> Iterator[None]:
    """Tell the system that reads of this weight come from anywhere, while the context lasts."""
    advise = _madvise() if weight.device.type == "cpu" else None
    if advise is None or not weight.is_contiguous():
        yield
        return
    start = weight.data_ptr() // mmap.PAGESIZE * mmap.PAGESIZE
    length = weight.data_ptr() + weight.nbytes - start
    advise(start, length, mmap.MADV_RANDOM)
    try:
        yield
    finally:
        advise(start, length, mmap.MADV_NORMAL)


def _madvise() -> Callable[[int, int, int], int] | None:
    """The C library's madvise; None where there is none."""
    if not hasattr(mmap, "MADV_RANDOM"):
        return None
    try:
        function = ctypes.CDLL(None).madvise
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return function


def read_first_pages(folder: Path) -> None:
    """Bring in the page where each weight of the safetensors in `folder` starts.

    torch looks at the first number of what it wraps; found in memory, that reads nothing ahead.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    for path in folder.glob("*.safetensors"):
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            length = int.from_bytes(file.read(8), "little")
            if length > MOST_HEADER:
                return  # no safetensors; the loader says so
            header = json.loads(file.read(length))
            for name, entry in header.items():
                if name != "__metadata__":
                    os.pread(file.fileno(), 1, 8 + length + entry["data_offsets"][0])
