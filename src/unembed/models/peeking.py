"""Looking at the first number of mapped weights without making the system read the rest of it.

A page fault makes Linux read ahead, megabytes on some machines, in the belief that they come next.
Where one number of each weight is wanted, that would read a whole checkpoint.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

MOST_HEADER = 100_000_000  # bytes; the format's own limit


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
