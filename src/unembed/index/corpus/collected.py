"""Examples of all neurons, or heads, of some layers, kept beside a corpus: a table for each layer.

Kept are numbers of tokens, values and counts; texts and the values of whole sentences are looked
up, and computed, when examples are asked for. They are of the corpus as it is: files that are added
make another one, without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from unembed.engine.targets import Target
from unembed.index.corpus.examples_result import AlikeNode, Group, Histogram
from unembed.index.corpus.measures import HEAD
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

Kind = Literal["neurons", "heads"]
Table = tuple[Kind, int]  # the nodes of one kind in one layer
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
    tables: frozenset[Table]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CollectedAbout:
        """Read back from JSON; raises KeyError, TypeError, ValueError or InputError."""
        options = ExamplesOptions(**data["options"])
        tables = {(kind, int(layer)) for kind, key in _SAID.items() for layer in data.get(key, ())}
        return cls(options, frozenset(tables))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"options": self.options.values()} | {
            key: self.layers(kind) for kind, key in _SAID.items()
        }

    def layers(self, kind: Kind) -> list[int]:
        """Where every node of a kind has its examples kept."""
        return sorted(layer for one, layer in self.tables if one == kind)


_SAID: dict[Kind, str] = {"neurons": "layers", "heads": "heads"}  # heads are kept since later


class Collected:
    """The examples of a corpus that are kept, if any are."""

    def __init__(self, rows: Rows, about: CollectedAbout | None) -> None:
        self._rows, self.about = rows, about

    def of(self, targets: Sequence[Target | None], asked: ExamplesOptions) -> list[Found] | None:
        """What is kept of these nodes; None unless all of them are kept, with these options.

        Raises LoadError for a damaged table.
        """
        about = self.about
        if about is None or about.options != asked:
            return None
        found = []
        for target in targets:
            place = None if target is None else _place_of(target)
            if target is None or place is None or place[0] not in about.tables:
                return None
            found.append(self._of(target, *place))
        return found

    def _of(self, target: Target, table: Table, number: int) -> Found:
        columns = self._rows.take(name_of(table), [number], COLUMNS)
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


def name_of(table: Table) -> str:
    """As it is on disk."""
    kind, layer = table
    return f"L{layer}.examples" if kind == "neurons" else f"L{layer}.H.examples"


def _place_of(target: Target) -> tuple[Table, int] | None:
    """The table that a node would be in, and its row."""
    if target.neuron is not None:
        return ("neurons", target.layer or 0), target.neuron
    if target.kind == HEAD:
        return ("heads", target.layer or 0), target.head or 0
    return None


def write_table(
    rows: Rows, table: Table, found: Sequence[Found], alike: Sequence[Sequence[int]]
) -> None:
    """Keep what was found of every node of a table, in their order.

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
    rows.write(name_of(table), columns)


def _numbers(found: Sequence[Found], names: Sequence[str], dtype: Any) -> dict[str, Column]:
    return {name: np.array([getattr(one, name) for one in found], dtype) for name in names}


def _padded(lists: Sequence[Sequence[float]], dtype: Any) -> Array:
    """Lists of unequal length as [list, width], NONE behind them."""
    width = max(1, *(len(one) for one in lists))
    found = np.full((len(lists), width), NONE, dtype)
    for row, one in zip(found, lists, strict=True):
        row[: len(one)] = one
    return found
