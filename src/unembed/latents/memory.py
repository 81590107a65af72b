"""How much memory reading a file of weights takes, against what there is, before any of it is read.

Only what cannot be is refused: memory that is free or can be freed, and swap. Where the system says
nothing (it is no Linux), nothing is refused.
"""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUP = Path("/sys/fs/cgroup")  # of this process, as containers see it
HEADER_LIMIT = 100_000_000  # bytes that safetensors itself takes a header to have at most
_BYTES = {"F64": 8, "I64": 8, "U64": 8}  # what is kept of a number: float32 at least


def available(meminfo: Path = MEMINFO, group: Path = GROUP) -> int | None:
    """Bytes that this process may still take; None where that is not known."""
    try:
        lines = meminfo.read_text("utf-8").splitlines()
        table = {name: int(rest.split()[0]) * 1024 for name, _, rest in map(_parted, lines)}
        found = table["MemAvailable"] + table.get("SwapFree", 0)
    except (OSError, ValueError, KeyError, IndexError):
        return None
    left = _left_of_group(group)
    return found if left is None else min(found, left)


def needed(path: Path) -> int:
    """Bytes that the numbers of a file take when they are read, float32 each at least.

    Of an archive, what is unpacked; of a file that says nothing of its numbers, its size.
    """
    size = path.stat().st_size
    if path.suffix == ".npz":
        try:
            with zipfile.ZipFile(path) as opened:
                return sum(one.file_size for one in opened.infolist())
        except (zipfile.BadZipFile, OSError):
            return size  # what reads it says what is wrong
    if path.suffix != ".safetensors":
        return size
    return min(max(size, _of_header(path)), 4 * size)  # a header may lie; no number is below a byte


def _of_header(path: Path) -> int:
    """What a file of safetensors says that it holds; 0 for one that is damaged."""
    try:
        with path.open("rb") as raw:
            length = int.from_bytes(raw.read(8), "little")
            header = json.loads(raw.read(length)) if length <= HEADER_LIMIT else {}
        held = [one for name, one in header.items() if name != "__metadata__"]
        return sum(math.prod(map(int, one["shape"])) * _BYTES.get(one["dtype"], 4) for one in held)
    except (
        OSError,
        ArithmeticError,
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ):
        return 0


# the limit, what is used, and what of it can be freed: of cgroups 2, and of cgroups 1
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file "),
    (
        "memory/memory.limit_in_bytes",
        "memory/memory.usage_in_bytes",
        "memory/memory.stat",
        "total_inactive_file ",
    ),
)


def _left_of_group(group: Path) -> int | None:
    """What the limit of a container leaves; None without one."""
    for limit_of, used_of, stat_of, freed in _GROUPS:
        try:
            # "max" of 2 is no number; that of 1 is so large that it says nothing
            limit = int((group / limit_of).read_text("utf-8"))
            used = int((group / used_of).read_text("utf-8"))
            lines = (group / stat_of).read_text("utf-8").splitlines()
            cached = next((int(one.split()[1]) for one in lines if one.startswith(freed)), 0)
            return max(limit - used + cached, 0)
        except (OSError, ValueError, IndexError):
            continue
    return None


def _parted(line: str) -> tuple[str, str, str]:
    return line.partition(":")
