"""One layer's attention at one position, in numbers: who writes what, and what of it is shown.

A head's result is the sum of its attention times the values of the positions it looks at. Through
its rows of W_O each value is a vector of the residual stream, and so is each entry of z times its
row of W_O. Writes include what the block applies after W_O (see `writes`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.flow.qk import Matching, matching
from unembed.analyses.flow.selection import Selector
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import branch_output, gate
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import CROSS, Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey

if TYPE_CHECKING:
    from jaxtyping import Float, Int


class HeadParts:
    """What a layer's heads do at one position, and which of them are shown.

    `branch` is "attn", or "cross": then positions that they look at are of the source.
    """

    def __init__(
        self, run: Run, layer: int, position: int, selector: Selector, branch: Branch = "attn"
    ) -> None:
        self.run, self.layer, self.position, self.branch = run, layer, position, branch
        self.prefix = f"L{layer}.{CROSS if branch == 'cross' else ''}"
        self.whole = branch_output(run, layer, branch, position)
        self.added = accurate(run[f"L{layer}.{branch}_out"][position])
        self.pattern = accurate(run[f"{self.prefix}pattern@{position}"])  # [head, key]
        self.n_heads = len(self.pattern)
        self.z = accurate(self.whole.inside[0])
        self.norm = float(self.added.norm())
        self.heads = selector.heads(layer, self.head_writes.norm(dim=-1), self.norm, branch)
        seen = (self.pattern > 0).any(0)
        self.memory = selector.memory(layer, self.pattern[list(self.heads)], seen, branch)

    @cached_property
    def head_writes(self) -> Float[Tensor, "head d_model"]:
        z = self.z.reshape(self.n_heads, -1)
        return self._carried(torch.einsum("hz,hzd->hd", z, self._maps))

    @cached_property
    def value_writes(self) -> Float[Tensor, "shown memory d_model"]:
        """The values that the heads shown look at, through W_O."""
        heads = self._heads.repeat_interleave(self._n_memory)
        positions = self._positions.flatten()
        values = self._values(positions, heads)
        through = torch.einsum("nz,nzd->nd", values, self._maps[heads])
        return self._carried(through).reshape(len(self.heads), self._n_memory, -1)

    @cached_property
    def scores(self) -> Float[Tensor, "shown memory"]:
        """Attention of the heads shown."""
        return self.pattern[list(self.heads)].gather(1, self._positions.to(self.z.device))

    @cached_property
    def bias(self) -> Float[Tensor, " d_model"]:
        return accurate(self.whole.bias_write()[0])

    @property
    def _n_memory(self) -> int:
        return len(self.memory[0]) if self.memory else 0

    @property
    def _heads(self) -> Int[Tensor, " shown"]:
        return torch.tensor(self.heads, dtype=torch.long)

    @property
    def _positions(self) -> Int[Tensor, "shown memory"]:
        return torch.tensor(self.memory, dtype=torch.long).reshape(len(self.heads), self._n_memory)

    @cached_property
    def _maps(self) -> Float[Tensor, "head d_head d_model"]:
        return accurate(self.whole.weight).reshape(self.n_heads, len(self.z) // self.n_heads, -1)

    def _values(self, positions: Tensor, heads: Tensor) -> Float[Tensor, "n d_head"]:
        values = self.run[f"{self.prefix}v"]
        found = accurate(values[positions, heads // (self.n_heads // values.shape[1])])
        return found if self._gate is None else found * self._gate[heads]

    @cached_property
    def _gate(self) -> Float[Tensor, "head d_head"] | None:
        if self.branch == "cross":
            return None
        found = gate(self.run, self.layer, self.position)
        return None if found is None else accurate(found)

    def _carried(self, rows: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_model"]:
        return accurate(self.whole.carry(rows[None])[0])


class AttentionParts(HeadParts):
    """What a layer's own attention does: its heads, and the rows of W_O that are shown."""

    def __init__(
        self, run: Run, layer: int, position: int, selector: Selector, rows: bool = True
    ) -> None:
        super().__init__(run, layer, position, selector)
        sinks = why_not(run.model.anatomy, SiteKey("sink", layer)) is None
        self.sink = accurate(run[f"L{layer}.sink@{position}"]) if sinks else None  # [head]
        self.d_head = len(self.z) // self.n_heads
        scores = self.z * self.whole.unit_norms().to(self.z)
        self.z_rows = selector.z_rows(layer, scores, self.norm) if rows else ()

    def at(self, site: str) -> Tensor:
        """A site of this layer at the position."""
        return accurate(self.run[f"L{self.layer}.{site}"][self.position])

    @cached_property
    def matching(self) -> Matching:
        """Queries and keys of the heads shown, as directions."""
        return matching(self.run, self.layer, self.position, self.heads, self.memory)

    @cached_property
    def own_value(self) -> Float[Tensor, " d_model"]:
        """The position's own values, through W_O, summed over all heads."""
        heads = torch.arange(self.n_heads)
        values = self._values(torch.full_like(heads, self.position), heads)
        return self._carried(torch.einsum("hz,hzd->d", values, self._maps)[None])[0]

    @cached_property
    def key_norms(self) -> Float[Tensor, "shown memory"]:
        keys = self.run[f"L{self.layer}.k"]
        group = self.n_heads // keys.shape[1]
        heads = self._heads[:, None] // group
        found: Tensor = accurate(keys[self._positions, heads]).norm(dim=-1)
        return found

    @cached_property
    def unit_writes(self) -> Float[Tensor, "shown d_model"]:
        """What one unit of each shown entry of z writes."""
        return self._carried(accurate(self.whole.weight[list(self.z_rows)]))

    @cached_property
    def together(self) -> tuple[bool, Float[Tensor, " d_model"]]:
        """All heads: their z where that is as wide as the stream, else what they write."""
        wide = self.z.shape == self.added.shape
        return wide, self.z if wide else self.head_writes.sum(0)
