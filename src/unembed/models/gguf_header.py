"""Reads the header of a GGUF file and proves that the file is whole; knows no torch and no model.

Everything that comes from the file is bounds-checked here, before any other reader sees it: a
truncated or damaged file gives one LoadError that says what is wrong, never a traceback and never
a loop over a length that the file invented.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from unembed.errors import LoadError

Value = int | float | bool | str | list["Value"]

_FIXED = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_DIMENSIONS = 8
_MAX_DEPTH = 4


@dataclass(frozen=True)
class TensorEntry:
    """One row of the tensor table; `shape` is fastest axis first, as the file has it."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


@dataclass(frozen=True)
class Header:
    """What a GGUF file says about itself; arrays longer than 64 are kept as their length only."""

    path: Path
    metadata: dict[str, Value]
    tensors: tuple[TensorEntry, ...]
    array_lengths: dict[str, int]
    data_start: int

    @property
    def architecture(self) -> str:
        return str(self.metadata["general.architecture"])

    @property
    def n_numbers(self) -> int:
        """How many numbers all tensors hold together."""
        return sum(prod(tensor.shape) for tensor in self.tensors)

    def about_model(self) -> dict[str, Value]:
        """The keys under the architecture's own name, without that prefix."""
        prefix = self.architecture + "."
        return {
            key[len(prefix) :]: value
            for key, value in self.metadata.items()
            if key.startswith(prefix)
        }


def read_header(path: Path) -> Header:
    """Parse the header and check that every tensor lies inside the file; raises LoadError."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            return _Reader(file, path, size).header()
    except OSError as error:
        raise LoadError(
            f"{path} cannot be read: {error.strerror or error}", field="source", value=str(path)
        ) from error
    except (struct.error, UnicodeDecodeError, OverflowError, MemoryError) as error:
        raise _damaged(path, "its header cannot be decoded") from error


def check_whole(header: Header, block_sizes: dict[int, tuple[int, int]]) -> None:
    """Every tensor's bytes lie inside the file; `block_sizes`: type -> (numbers, bytes) a block."""
    size = header.path.stat().st_size
    for tensor in header.tensors:
        if tensor.kind not in block_sizes:
            raise LoadError(
                f"{header.path.name} stores {tensor.name} as ggml type {tensor.kind}, "
                "which the installed `gguf` package does not know",
                field="source",
                value=str(header.path),
                fix='pip install --upgrade "unembed[gguf]"',
            )
        numbers, n_bytes = block_sizes[tensor.kind]
        end = header.data_start + tensor.offset + prod(tensor.shape) // numbers * n_bytes
        if end > size:
            raise _damaged(
                header.path, f"{tensor.name} ends at byte {end:,} of a file of {size:,}; truncated?"
            )


def _damaged(path: Path, what: str) -> LoadError:
    return LoadError(
        f"{path.name} is not a readable GGUF file: {what}",
        field="source",
        value=str(path),
        fix="fetch the file again and compare its checksum with the publisher's",
    )


class _Reader:
    """A cursor over the open file; every length is compared with what is left before it is used."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.file = file
        self.path = path
        self.size = size
        self.array_lengths: dict[str, int] = {}

    def header(self) -> Header:
        if self.take(4) != b"GGUF":
            raise _damaged(self.path, "it does not start with the letters GGUF")
        version = self.number("<I")
        if version not in _VERSIONS:
            raise _damaged(self.path, f"it is version {version}; versions 2 and 3 are read")
        n_tensors, n_keys = int(self.number("<Q")), int(self.number("<Q"))
        self.expect(n_keys * 12 + n_tensors * 24)
        metadata = dict(self.pair() for _ in range(n_keys))
        tensors = tuple(self.tensor() for _ in range(n_tensors))
        if not isinstance(metadata.get("general.architecture"), str):
            raise _damaged(self.path, "it does not name its architecture")
        alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise _damaged(self.path, f"its alignment is {alignment!r}")
        data_start = -(-self.file.tell() // alignment) * alignment
        return Header(self.path, metadata, tensors, self.array_lengths, data_start)

    def pair(self) -> tuple[str, Value]:
        key = self.string()
        return key, self.value(key, int(self.number("<I")))

    def tensor(self) -> TensorEntry:
        name = self.string()
        n_dimensions = int(self.number("<I"))
        if n_dimensions > _MAX_DIMENSIONS:
            raise _damaged(self.path, f"{name[:80]!r} has {n_dimensions} dimensions")
        shape = tuple(int(self.number("<Q")) for _ in range(n_dimensions))
        return TensorEntry(name, shape, int(self.number("<I")), int(self.number("<Q")))

    def value(self, key: str, kind: int, depth: int = 0) -> Value:
        if kind in _FIXED:
            return self.number(_FIXED[kind])
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY and depth < _MAX_DEPTH:
            return self.array(key, depth)
        raise _damaged(self.path, f"{key[:80]!r} has the unknown type {kind}")

    def array(self, key: str, depth: int) -> Value:
        kind, length = int(self.number("<I")), int(self.number("<Q"))
        width = struct.calcsize(_FIXED[kind]) if kind in _FIXED else 8
        self.expect(length * width)
        self.array_lengths[key] = length
        if length <= 64:
            return [self.value(key, kind, depth + 1) for _ in range(length)]
        if kind in _FIXED:
            self.file.seek(length * width, 1)
        else:
            for _ in range(length):
                self.value(key, kind, depth + 1)
        return []

    def string(self) -> str:
        return self.take(int(self.number("<Q"))).decode("utf-8")

    def number(self, code: str) -> int | float | bool:
        number: int | float | bool = struct.unpack(code, self.take(struct.calcsize(code)))[0]
        return number

    def take(self, n_bytes: int) -> bytes:
        self.expect(n_bytes)
        return self.file.read(n_bytes)

    def expect(self, n_bytes: int) -> None:
        """Refuse a length that reaches past the end of the file, before anything is allocated."""
        if n_bytes > self.size - self.file.tell():
            raise _damaged(self.path, "it ends in the middle of its header; truncated?")
