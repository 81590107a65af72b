"""A run with something that writes to the stream taken out, patterns and norms held or not.

Held, each layer's pattern is set to what it was, norms have the scale of the run itself, and each
feed-forward adds what it added; so only direct edges are at work. It is the model's own code that
runs, layer by layer, not the maps that edges are computed from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.held import Held
from unembed.analyses.attribution_graph.sources import Sources
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, by_analysis, set_to
from unembed.engine.passes.attention_inputs import norms_frozen
from unembed.engine.passes.forward import Request, request_of, run_rows
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float

ROWS_AT_ONCE = 32


@dataclass(frozen=True, eq=False)
class HeldRuns:
    """What readers read without each of some sources: [row, pos, width] by layer, and the last
    residual. Row 0 is the run itself.
    """

    reads: dict[int, Float[Tensor, "row pos width"]]
    last: Float[Tensor, "row pos d_model"]


@torch.no_grad()
def held_runs(
    held: Held, sources: Sources, columns: Sequence[int], cancel: Cancel | None = None
) -> HeldRuns:
    """Runs without what some sources write, each alone, all else held."""
    parts = [
        _Pass(held, sources, columns[first : first + ROWS_AT_ONCE], cancel).found()
        for first in range(0, len(columns), ROWS_AT_ONCE)
    ]
    joined = {
        layer: torch.cat([part.reads[layer][order > 0 :] for order, part in enumerate(parts)])
        for layer in parts[0].reads
    }
    last = torch.cat([part.last[order > 0 :] for order, part in enumerate(parts)])
    return HeldRuns(joined, last)


class _Pass:
    """Some rows on their way through the layers."""

    def __init__(
        self, held: Held, sources: Sources, columns: Sequence[int], cancel: Cancel | None
    ) -> None:
        self.held, self.sources, self.cancel = held, sources, cancel
        self.run, self.model = held.run, held.model
        self.out = [sources.written(column) for column in columns]

    def found(self) -> HeldRuns:
        streams = [self.run["embed"], *(self._less(-1, self.run["embed"], row) for row in self.out)]
        reads: dict[int, Tensor] = {}
        with norms_frozen(self.model.module, by_first=len(streams)):
            for block in self.model.anatomy.blocks:
                here = self._layer(block.layer, streams, reads)
                streams = [one[f"L{block.layer}.resid_post"] for one in here]
        return HeldRuns(reads, torch.stack(streams))

    def _layer(self, layer: int, streams: Sequence[Tensor], reads: dict[int, Tensor]) -> list[Run]:
        pattern = by_analysis(set_to(f"L{layer}.pattern", self.run[f"L{layer}.pattern"]))
        after = f"L{layer}.resid_post"
        if layer not in self.sources.errors:
            return self._rows(layer, streams, [(pattern,)] * len(streams), [after])
        one = self.sources.transcoded.get(layer)
        writes = self.run[f"L{layer}.mlp_out"]
        rows = [writes, *(self._less(layer, writes, row) for row in self.out)]
        if one is not None:
            name = one.reads.name
            seen = self._rows(layer, streams, [(pattern,)] * len(streams), [name])
            reads[layer] = torch.stack([each[name] for each in seen])
            skip = one.sae.weights.skip
            if skip is not None:
                moved = (reads[layer] - reads[layer][0]).to(skip) @ skip
                rows = [row + more.to(row) for row, more in zip(rows, moved, strict=True)]
        edits = [(pattern, by_analysis(set_to(f"L{layer}.mlp_out", row))) for row in rows]
        return self._rows(layer, streams, edits, [after])

    def _less(self, layer: int, value: Tensor, row: Mapping[int, Tensor]) -> Tensor:
        return value - row[layer].to(value) if layer in row else value

    def _rows(
        self,
        layer: int,
        streams: Sequence[Tensor],
        edits: Sequence[tuple[Edit, ...]],
        sites: Sequence[str],
    ) -> list[Run]:
        requests: list[Request] = [
            request_of(self.run, sites, changes, start=(layer, stream), stop_after=sites[-1])
            for stream, changes in zip(streams, edits, strict=True)
        ]
        return run_rows(self.model, requests, self.cancel)
