"""The gguf package's reader, for vocabularies: arrays of a GGUF header read at once.

`gguf.GGUFReader` makes two numpy views, through half a dozen calls, of every token, merge and
score; then transformers turns each into a Python value, once for the config and once for the
weights. Of a vocabulary of 262,144 that is three quarters of the time that a conversion takes. What
is here gives the same fields and values; only for files that `gguf_header` found whole.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRING, _ARRAY = 8, 9
_WHOLE = frozenset((0, 1, 2, 3, 4, 5, 10, 11))
_FLOATS = frozenset((6, 12))
_HEAD = struct.Struct("<IQ")  # of an array: the type of its items and how many
_LENGTH = struct.Struct("<Q")

Parts = tuple[int, list[NDArray[Any]], list[int], list[Any]]


@cache
def reader_class() -> Any:
    """A `gguf.GGUFReader` whose arrays are read at once."""
    from gguf import GGUFReader, GGUFValueType

    class Reader(GGUFReader):  # type: ignore[misc]  # gguf has no types
        def _get_field_parts(self, orig_offs: int, raw_type: int) -> Parts:
            if raw_type != _ARRAY or self.byte_order != "I":
                return self._one_by_one(orig_offs, raw_type)
            raw: Any = np.asarray(self.data)
            kind, length = _HEAD.unpack_from(raw, orig_offs)
            start = orig_offs + _HEAD.size
            if length == 0 or kind == _ARRAY:
                return self._one_by_one(orig_offs, raw_type)
            if kind == _STRING:
                size, parts = _strings(raw, start, length)
            else:
                width = np.dtype(self.gguf_scalar_to_np[GGUFValueType(kind)])
                size = length * width.itemsize
                items = raw[start : start + size].view(width)
                parts = list(items.reshape(-1, 1))
            head = [raw[orig_offs : orig_offs + 4].view(np.uint32)]
            head.append(raw[orig_offs + 4 : start].view(np.uint64))
            data = range(3, 2 + len(parts), 2) if kind == _STRING else range(2, 2 + len(parts))
            types = [GGUFValueType.ARRAY, GGUFValueType(kind)]
            return _HEAD.size + size, head + parts, list(data), types

        def _one_by_one(self, orig_offs: int, raw_type: int) -> Parts:
            found: Parts = super()._get_field_parts(orig_offs, raw_type)
            return found

    return Reader


def _strings(raw: Any, start: int, count: int) -> tuple[int, list[NDArray[Any]]]:
    """How many bytes they take; and of each its length and its bytes, one after the other."""
    parts: list[NDArray[Any]] = []
    at, view = start, memoryview(raw)
    for _ in range(count):
        [length] = _LENGTH.unpack_from(view, at)
        end = at + 8 + length
        parts += (raw[at : at + 8].view(np.uint64), raw[at + 8 : end])
        at = end
    return at - start, parts


def value_of(part: Any, types: Any) -> Any:
    """A Python value of what a field holds, as transformers' `_gguf_parse_value` makes it."""
    kind = types if isinstance(types, int) else types[-1]
    if kind == _STRING:
        return bytes(part).decode()
    if kind in _WHOLE:
        return int(part[0])
    if kind in _FLOATS:
        return float(part[0])
    return bool(part[0]) if kind == 7 else part
