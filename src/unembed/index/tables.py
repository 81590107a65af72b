"""The tables of an index of value vectors: written layer by layer, read back, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unembed.index.about import Plan
from unembed.index.store import Array, Store, query, to_numpy

VECTORS, TOKENS = "vectors", "tokens"
LISTS = ("top_ids", "top_scores", "bottom_ids", "bottom_scores")
COLUMNS = ("layer", "neuron", "norm", *LISTS)


class Tables(Store):
    """The tables of one version of an index."""

    def rows_kept(self) -> list[int]:
        """The layer of every vector that was appended so far."""
        with self.folder.writing():
            if not self.has(VECTORS):
                return []
            column = query(self._open(VECTORS), ["layer"]).to_arrow()["layer"]
            return [int(layer) for layer in column.to_numpy()]

    def append(self, columns: dict[str, Array]) -> None:
        """Add the vectors of one layer: all of them, or after an error none."""
        self.add(VECTORS, columns)

    def columns(self, plan: Plan) -> dict[str, Array]:
        """Everything but the vectors themselves, in order. Raises LoadError on any mismatch."""
        with self.reading():
            table = query(self._open(VECTORS), COLUMNS).to_arrow()
            columns = {name: to_numpy(table[name]) for name in COLUMNS}
        neurons = [np.arange(width, dtype=np.int32) for width in plan.widths]
        expected = {
            "layer": np.repeat(np.array(plan.layers, np.int32), plan.widths),
            "neuron": np.concatenate(neurons),
        }
        if any(not np.array_equal(columns[name], array) for name, array in expected.items()):
            raise self.folder.damaged("its vectors are not the ones that its plan names")
        return columns

    def vectors(self, rows_at_once: int) -> Iterator[Array]:
        """The vectors, in order, some [rows, d] at a time."""
        for batch in self.stretches(VECTORS, ["vector"], rows_at_once):
            yield to_numpy(batch["vector"])

    def take_vectors(self, rows: Sequence[int]) -> Array:
        """The vectors of some rows [rows, d], in the order asked for."""
        return to_numpy(self.take(VECTORS, rows, ["vector"])["vector"])

    def write_texts(self, texts: Sequence[str]) -> None:
        """The text of every token, by id."""
        self.write(TOKENS, {"text": list(texts)})

    def texts(self) -> list[str]:
        """The text of every token, by id."""
        texts: list[str] = self.column(TOKENS, "text").to_pylist()
        return texts
