"""Turns a file of torch's into safetensors, in a process of its own: a pickle is a program.

Run as `python -m unembed.latents.unpickle FROM TO`. torch reads it with `weights_only=True`, which
builds tensors and plain values and refuses everything else. What is no tensor goes into the header,
as JSON under "values"; nested names are joined by dots.

A file is mapped, not read, and written some megabytes at a time: it takes its size in memory once,
which the system can take back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unembed.errors import LoadError

SECONDS = 600
FAILED = 3
PART_BYTES = 4 * 1024 * 1024
MOST_REPEATED = 16  # numbers written for each number of the file, before it is refused
ALIGNED = 8
TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def converted(path: Path, to: Path) -> None:
    """Write the tensors of `path` to `to`. Raises LoadError for what is more than tensors."""
    command = [sys.executable, "-m", "unembed.latents.unpickle", str(path), str(to)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise LoadError(
            f"{path.name} was not read within {SECONDS} seconds", field="source", value=str(path)
        ) from None
    if done.returncode == 0:
        return
    said = done.stdout.strip() or f"the process ended with status {done.returncode}"
    raise LoadError(
        f"{path.name} is not read: {said}",
        field="source",
        value=str(path),
        legal="a file of tensors and plain values, which torch reads with weights_only=True",
        fix="save its state dict as .safetensors",
    )


def flattened(value: Any, name: str = "") -> dict[str, Any]:
    """Tensors, numbers and texts of nested dicts, by their joined names."""
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for key, one in value.items():
            found |= flattened(one, f"{name}.{key}" if name else str(key))
        return found
    return {name: value} if isinstance(value, Tensor | int | float | str | bool) else {}


def main(source: str, to: str) -> int:
    """Convert; what is wrong is printed in a line."""
    try:
        mapped = _can_be_mapped(source)
        held = flattened(
            torch.load(source, map_location="cpu", weights_only=True, mmap=mapped or None)
        )
        tensors = {name: one.detach() for name, one in held.items() if isinstance(one, Tensor)}
        values = {name: one for name, one in held.items() if not isinstance(one, Tensor)}
        write(Path(to), tensors, {"values": json.dumps(values)})
    except Exception as error:  # whatever a broken or hostile file leads to
        print(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__)
        return FAILED
    return 0


def write(to: Path, tensors: Mapping[str, Tensor], said: Mapping[str, str]) -> None:
    """Tensors as safetensors, the header first; never more than a part of one is copied.

    Two names of one memory are two tensors in the file. Raises ValueError for what it cannot hold.
    """
    _check(tensors)
    # wide numbers first: so each stands where a number of its width may
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": dict(said)}
    end = 0
    for name in names:
        one = tensors[name]
        start, end = end, end + one.nbytes
        shape = list(one.shape)
        header[name] = {"dtype": TYPES[one.dtype], "shape": shape, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % ALIGNED)
    with to.open("wb") as raw:
        raw.write(len(encoded).to_bytes(8, "little") + encoded)
        for name in names:
            for part in _parts(tensors[name]):
                raw.write(part.contiguous().reshape(-1).view(torch.uint8).numpy().data)


def _check(tensors: Mapping[str, Tensor]) -> None:
    for name, one in tensors.items():
        if one.dtype not in TYPES or one.layout != torch.strided or one.is_meta:
            kind = str(one.dtype).removeprefix("torch.")
            raise ValueError(f"{name!r} is no plain tensor of numbers ({kind}, {one.layout})")
        if name == "__metadata__":
            raise ValueError("a tensor is called '__metadata__', which is no name of one")
    # rows that are one row in memory take nothing in a pickle, and would fill a disk
    memories = {one.untyped_storage().data_ptr(): one.untyped_storage() for one in tensors.values()}
    held = sum(one.nbytes() for one in memories.values())
    total = sum(one.nbytes for one in tensors.values())
    if total > MOST_REPEATED * held + PART_BYTES:
        raise ValueError(f"its tensors are {total:,} bytes that repeat {held:,}")


def _parts(tensor: Tensor) -> Iterator[Tensor]:
    """Some rows at a time."""
    if tensor.numel() == 0:
        return
    if tensor.dim() == 0:
        yield tensor
        return
    row_bytes = tensor.nbytes // len(tensor)
    yield from torch.split(tensor, max(1, PART_BYTES // row_bytes))


def _can_be_mapped(source: str) -> bool:
    """Whether its numbers stand in the file as they are. torch would map packed ones all the same,
    and take them for numbers."""
    try:
        with zipfile.ZipFile(source) as opened:
            return all(one.compress_type == zipfile.ZIP_STORED for one in opened.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # of an early torch; or torch says what is wrong


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
