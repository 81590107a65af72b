"""What one unit of attention moves from a key to a query: the key's value through W_O, and all
that the block applies after it at the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import INSIDE, branch_output, gate
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError
from unembed.models.anatomy import AttentionAnatomy

if TYPE_CHECKING:
    from jaxtyping import Float


def moved_capture(
    model: Loaded, layer: int, branch: Branch = "attn", *, encoder: bool = False
) -> tuple[str, ...]:
    """What a run must have captured for `MovedValues` of the same."""
    sites = [INSIDE[branch], "cross_v" if branch == "cross" else "v"]
    if _attention(model, layer, branch, encoder=encoder).gated:
        sites.append("pattern")
    return tuple(SiteKey(site, layer, encoder).name for site in sites)


def _attention(model: Loaded, layer: int, branch: Branch, *, encoder: bool) -> AttentionAnatomy:
    """Raises CapabilityError for gates that are not known of this attention."""
    block = model.anatomy.stack(encoder).blocks[layer]
    found = block.crossed if branch == "cross" else block.attention
    if found.gated and (branch == "cross" or encoder):
        raise CapabilityError(
            f"what heads of layer {layer} move is not known: a gate follows their attention",
            field="measure",
            legal='"attention"',
        )
    return found


class MovedValues:
    """The values of one layer's heads, as what they are in the residual stream.

    `branch` "cross": of attention to the encoder, whose keys are the source's; `encoder`: of a
    layer of the encoder, in its own stream.
    """

    def __init__(
        self, run: Run, layer: int, branch: Branch = "attn", *, encoder: bool = False
    ) -> None:
        self.run, self.layer = run, layer
        self.whole = branch_output(run, layer, branch, encoder=encoder)
        self.values = run[SiteKey("cross_v" if branch == "cross" else "v", layer, encoder).name]
        attention = _attention(run.model, layer, branch, encoder=encoder)
        self.gated, self.group = attention.gated, attention.n_heads // attention.n_kv_heads
        self._factors: dict[int, Tensor] = {}

    @torch.no_grad()
    def norms(self, head: int, queries: Sequence[int]) -> Float[Tensor, "query key"]:
        """Norm of what one unit of a head's attention moves from every key to some queries."""
        if self.gated or self.whole.inner is not None:
            every = range(len(self.values))
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
        if self.gated or self.whole.inner is not None:
            values = values * self._before_the_map(query)[head].to(values)
        return self._behind_the_map(query, self._through(values, head))

    def _values(self, head: int) -> Float[Tensor, "key d_head"]:
        found: Tensor = accurate(self.values[:, head // self.group])
        return found

    def _through(self, values: Float[Tensor, "n d_head"], head: int) -> Float[Tensor, "n d_model"]:
        width = values.shape[-1]
        rows = self.whole.stored[head * width : (head + 1) * width]
        written: Tensor = values @ accurate(rows)
        return written

    def _before_the_map(self, query: int) -> Float[Tensor, "head d_head"]:
        """What values are multiplied with at a query before W_O: a gate, a norm's gain."""
        found = self._factors.get(query)
        if found is None:
            width = self.values.shape[-1]
            inner = self.whole.inner
            found = torch.ones_like(accurate(self.whole.inside[query]))
            found = found if inner is None else found * inner.gain[query]
            found = found.reshape(-1, width)
            gates = gate(self.run, self.layer, query) if self.gated else None
            found = self._factors[query] = found if gates is None else found * gates
        return found

    def _behind_the_map(self, query: int, parts: Float[Tensor, "n d_model"]) -> Tensor:
        """What the block makes of parts of W_O's result at a query."""
        norm = self.whole.norm
        frozen = None if norm is None else replace(norm, gain=norm.gain[query, None])
        return replace(self.whole, norm=frozen).carry(parts[None])[0]
