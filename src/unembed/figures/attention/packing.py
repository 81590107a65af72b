"""Attention in few bytes, for pages: half precision, rows cut where only zeros follow.

As web/src/draw/attention/json.ts reads it. A number keeps three digits down to a billionth of the
largest of its array.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from unembed.analyses.attention.result import AttentionResult
from unembed.result import plain

if TYPE_CHECKING:
    from torch import Tensor

TOP = 2.0**15  # what the largest number becomes; half precision ends at 65,504
MOST_COMBINED = 36_000  # numbers of the heads made one; a page is to stay below 400 KB
MOST_VALUES = 56_000  # of those and of each head
MOST_MEANS = 25_000
MOST_EDGES = 5_000


def side(result: AttentionResult, n_sides: int = 1) -> dict[str, Any]:
    """One side as the page draws it, with as much of it as one of so many sides has room for.

    Tokens and the strongest pairs are always there; the heads made one, each head, and the means
    of heads where they are small enough.
    """
    n_combined, n_values = _numbers(result.combined), _numbers(result.values)
    has_values = n_combined + n_values <= MOST_VALUES // n_sides
    has_combined = has_values or n_combined <= MOST_COMBINED // n_sides
    sent, received = result.sent(), result.received()
    has_means = not has_values and sent.numel() + received.numel() <= MOST_MEANS // n_sides
    most = MOST_EDGES // n_sides
    row_of = {query: row for row, query in enumerate(result.queries)}
    rows = [row_of[query] for query in result.edge_queries[:most].tolist()]
    return {
        "queries": list(result.queries),
        "tokens": plain(result.tokens),
        "key_tokens": None if result.key_tokens is None else plain(result.key_tokens),
        "values": packed(result.values) if has_values else None,
        "combined": packed(result.combined) if has_combined else None,
        "sink": None if result.sink is None else packed(result.sink),
        "sent": packed(sent) if has_means else None,
        "received": packed(received) if has_means else None,
        "edge_rows": _words(rows),
        "edge_keys": _words(result.edge_keys[:most].tolist()),
        "edge_values": packed(result.edge_values[:most]),
        "edge_count": len(result.edge_values),
    }


def left_out(side: dict[str, Any]) -> str:
    """What a packed side has no room for, as a sentence; "": it is all there."""
    n_edges, n_kept = side["edge_count"], side["edge_values"]["shape"][-1]
    parts = {
        "single heads": side["values"] is None,
        "the maps beside the columns": side["values"] is None and side["sent"] is None,
        "pairs that are not drawn as curves": side["combined"] is None,
        f"{n_edges - n_kept:,} weaker ones of the {n_edges:,} curves": n_kept < n_edges,
    }
    missing = ", ".join(name for name, is_missing in parts.items() if is_missing)
    return missing and f"Left out, since the page would be too large: {missing}."


def packed(values: Tensor) -> dict[str, Any]:
    """Any array: its shape, its unit, how much of each row is there, and the numbers in Base64."""
    numbers = values.detach().cpu().double().numpy()
    most = float(np.abs(numbers).max()) if numbers.size else 0.0
    unit = most / TOP or 1.0
    halves = (numbers / unit).astype("<f2")
    rows = halves.reshape(-1, halves.shape[-1]) if halves.size else halves.reshape(0, 0)
    lengths = _lengths(rows != 0).tolist()
    kept = [row[:length] for row, length in zip(rows, lengths, strict=True)]
    data = np.concatenate(kept) if kept else halves.reshape(0)
    return {
        "shape": list(numbers.shape),
        "unit": unit,
        "lengths": lengths,
        "data": base64.b64encode(data.tobytes()).decode(),
    }


def _numbers(values: Tensor) -> int:
    """How many numbers of an array are written, rows cut where only zeros follow."""
    return int(_lengths((values != 0).cpu().numpy().reshape(-1, values.shape[-1])).sum())


def _lengths(there: Any) -> Any:
    """Of each row, how much of it ends with the last that is there; two NumPy arrays."""
    width = there.shape[-1]
    return np.where(there.any(-1), width - there[:, ::-1].argmax(-1), 0) if width else np.zeros(0)


def _words(numbers: Sequence[int]) -> str:
    """Of 16 bits, without a sign: a prompt has at most 65,535 tokens."""
    return base64.b64encode(np.asarray(numbers, dtype="<u2").tobytes()).decode()
