"""Which rows of an index a question is about, and which of them an answer shows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unembed.errors import InputError
from unembed.index.about import Plan


def layer_rows(plan: Plan, layers: tuple[int, ...] | None) -> range:
    """Rows of layers first to last; raises InputError unless they hold neurons."""
    starts = [0, *accumulate(plan.widths)]
    if layers is None:
        return range(0, starts[-1])
    first, last = layers
    inside = [place for place, layer in enumerate(plan.layers) if first <= layer <= last]
    known = f"{plan.layers[0]}-{plan.layers[-1]}"
    if first > last or not inside or first < 0 or last > plan.layers[-1]:
        raise InputError(
            f"layers {first}-{last} are not in this index: it has layers {known}",
            field="layers",
            value=[first, last],
            legal=known,
        )
    return range(starts[inside[0]], starts[inside[-1] + 1])


def page(items: Sequence[int] | NDArray[Any], limit: int, offset: int) -> list[int]:
    """The stretch of an answer."""
    return [int(one) for one in items[offset : offset + limit]]


def best_rows(
    values: NDArray[Any], rows: range, limit: int, offset: int, total: int | None = None
) -> list[int]:
    """Rows by value, highest first, ties by row; only as many are sorted as are asked for."""
    wanted = page(range(len(rows) if total is None else total), limit, offset)
    own = -values[rows.start : rows.stop]
    if not wanted:
        return []
    edge = np.partition(own, wanted[-1])[wanted[-1]]
    candidates = np.flatnonzero(own <= edge)
    order = candidates[np.argsort(own[candidates], kind="stable")]
    return [int(order[place]) + rows.start for place in wanted]
