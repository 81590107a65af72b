"""Examples of all neurons of some layers, kept beside a corpus: a table for each layer.

Kept are numbers of tokens, values and counts; texts and the values of whole sentences are looked
up, and computed, when examples are asked for. They are of the corpus as it is: files that are added
make another one, without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unembed.engine.targets import Target
from unembed.index.corpus.examples_result import AlikeNode, Group, Histogram
from unembed.index.corpus.options import ExamplesOptions
from unembed.index.corpus.rows import Rows
from unembed.index.store import Array, Column, to_numpy

QUANTILES = (0.99, 0.9, 0.75, 0.5)
KINDS: tuple[tuple[Group, float | None], ...] = (
    ("top", None),
    *(("quantile", quantile) for quantile in QUANTILES),
    ("random", None),
)
NONE = -1  # where a list is shorter than its column

Place = tuple[Group, float | None, float, int]  # group, quantile, value, row of a token


@dataclass(frozen=True)
class Found:
    """What is kept of one node."""

    n: int  # tokens that were looked at
    active: int
    total: float
    least: float
    most: float
    n_drawn: int
    places: tuple[Place, ...]
    histogram: Histogram | None
    alike: tuple[AlikeNode, ...]


@dataclass(frozen=True)
class CollectedAbout:
    """What about.json says of them."""

    options: ExamplesOptions
    layers: tuple[int, ...]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CollectedAbout:
        """Read back from JSON; raises KeyError, TypeError, ValueError or InputError."""
        layers = tuple(int(layer) for layer in data["layers"])
        options = ExamplesOptions(**data["options"])
        return cls(options, layers)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"options": self.options.values(), "layers": list(self.layers)}


class Collected:
    """The examples of a corpus that are kept, if any are."""

    def __init__(self, rows: Rows, about: CollectedAbout | None) -> None:
        self._rows, self.about = rows, about

    def of(self, targets: Sequence[Target | None], asked: ExamplesOptions) -> list[Found] | None:
        """What is kept of these nodes; None unless they are neurons, all kept with these options.

        Raises LoadError for a damaged table.
        """
        about = self.about
        if about is None or about.options != asked:
            return None
        found = []
        for target in targets:
            if target is None or target.neuron is None or target.layer not in about.layers:
                return None
            found.append(self._of(target))
        return found

    def _of(self, target: Target) -> Found:
        name = table_of(target.layer or 0)
        columns = self._rows.take(name, [target.neuron or 0], COLUMNS)
        row = {column: to_numpy(columns[column])[0] for column in COLUMNS}
        n = int((row["row"] != NONE).sum())
        places = zip(*(row[name][:n].tolist() for name in ("kind", "value", "row")), strict=True)
        n_alike = int((row["alike"] != NONE).sum())
        others = zip(row["alike"][:n_alike].tolist(), row["correlation"].tolist(), strict=False)
        return Found(
            int(row["n"]),
            int(row["active"]),
            float(row["total"]),
            float(row["least"]),
            float(row["most"]),
            int(row["n_drawn"]),
            tuple((*KINDS[kind], value, at) for kind, value, at in places),
            Histogram(tuple(row["edges"].tolist()), tuple(row["counts"].tolist()))
            if row["counts"].any()
            else None,
            tuple(AlikeNode(target.numbered(other).text, value) for other, value in others),
        )


COLUMNS = (
    "n", "n_drawn", "active", "total", "least", "most", "kind", "value", "row", "edges", "counts",
    "alike", "correlation",
)  # fmt: skip


def table_of(layer: int) -> str:
    """The table of a layer's neurons."""
    return f"L{layer}.examples"


def write_layer(
    rows: Rows, layer: int, found: Sequence[Found], alike: Sequence[Sequence[int]]
) -> None:
    """Keep what was found of every neuron of a layer, in their order.

    `alike` has the numbers of the nodes that `Found.alike` names.
    """
    places = [one.places for one in found]
    bars = [one.histogram or Histogram((), ()) for one in found]
    columns: dict[str, Column] = {
        **_numbers(found, ("n", "n_drawn", "active"), np.int64),
        **_numbers(found, ("total", "least", "most"), np.float64),
        "kind": _padded([[KINDS.index(at[:2]) for at in each] for each in places], np.int8),
        "value": _padded([[at[2] for at in each] for each in places], np.float64),
        "row": _padded([[at[3] for at in each] for each in places], np.int64),
        "edges": _padded([one.edges for one in bars], np.float64),
        "counts": np.maximum(_padded([one.counts for one in bars], np.int64), 0),
        "alike": _padded(alike, np.int32),
        "correlation": _padded(
            [[other.correlation for other in one.alike] for one in found], np.float64
        ),
    }
    rows.write(table_of(layer), columns)


def _numbers(found: Sequence[Found], names: Sequence[str], dtype: Any) -> dict[str, Column]:
    return {name: np.array([getattr(one, name) for one in found], dtype) for name in names}


def _padded(lists: Sequence[Sequence[float]], dtype: Any) -> Array:
    """Lists of unequal length as [list, width], NONE behind them."""
    width = max(1, *(len(one) for one in lists))
    found = np.full((len(lists), width), NONE, dtype)
    for row, one in zip(found, lists, strict=True):
        row[: len(one)] = one
    return found
