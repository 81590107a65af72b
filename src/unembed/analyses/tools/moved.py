"""What one unit of attention moves from a key to a query: the key's value through W_O, and all
that the block applies after it at the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.writes import BranchOutput, branch_output, gate
from unembed.engine.loaded import Loaded
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float


def moved_capture(model: Loaded, layer: int) -> tuple[str, ...]:
    """What a run must have captured for `MovedValues` of a layer."""
    gated = model.block(layer).attention.gated
    return (f"L{layer}.z", f"L{layer}.v", *([f"L{layer}.pattern"] if gated else []))


class MovedValues:
    """The values of one layer's heads, as what they are in the residual stream."""

    def __init__(self, run: Run, layer: int) -> None:
        self.run, self.layer = run, layer
        self.whole = branch_output(run, layer, "attn")
        attention = run.model.block(layer).attention
        self.gated, self.group = attention.gated, attention.n_heads // attention.n_kv_heads

    @torch.no_grad()
    def norms(self, head: int, queries: Sequence[int]) -> Float[Tensor, "query key"]:
        """Norm of what one unit of a head's attention moves from every key to some queries."""
        if self.gated:
            every = range(len(self.run.ids))
            rows = [self.at(query, head, every).norm(dim=-1) for query in queries]
            return torch.stack(rows)
        written = self._through(self._values(head), head)
        norm, multiplier = self.whole.norm, abs(self.whole.multiplier)
        if norm is None:
            norms: Tensor = written.norm(dim=-1) * multiplier
            return norms.expand(len(queries), -1)
        # ‖gain ∘ y‖² is a product of squares: no vector for each pair of query and key
        centred = written - written.mean(-1, keepdim=True) if norm.centres else written
        gain = norm.gain[list(queries)].to(centred)
        squares: Tensor = gain.square() @ centred.square().T
        return squares.sqrt() * multiplier

    @torch.no_grad()
    def at(self, query: int, head: int, keys: Sequence[int]) -> Float[Tensor, "key d_model"]:
        """What one unit of a head's attention moves from some keys to a query."""
        values = self._values(head)[list(keys)]
        if self.gated:
            values = values * self._gates(query)[head].to(values)
        return self._at(query).carry(self._through(values, head)[None])[0]

    def _values(self, head: int) -> Float[Tensor, "key d_head"]:
        found: Tensor = _accurate(self.run[f"L{self.layer}.v"][:, head // self.group])
        return found

    def _through(self, values: Float[Tensor, "n d_head"], head: int) -> Tensor:
        width = values.shape[-1]
        rows = self.whole.weight[head * width : (head + 1) * width]
        written: Tensor = values @ _accurate(rows)
        return written

    def _gates(self, query: int) -> Float[Tensor, "head d_head"]:
        found = self._gate_of.get(query)
        if found is None:
            made = gate(self.run, self.layer, query)
            if made is None:
                raise AssertionError("the layer is gated")
            found = self._gate_of[query] = made
        return found

    @cached_property
    def _gate_of(self) -> dict[int, Tensor]:
        return {}

    def _at(self, query: int) -> BranchOutput:
        """The branch at one position: its norm as it was frozen there."""
        norm = self.whole.norm
        frozen = None if norm is None else replace(norm, gain=norm.gain[query, None])
        return replace(self.whole, inside=self.whole.inside[query, None], norm=frozen)


def _accurate(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
