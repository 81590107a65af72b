"""One run with its attention patterns and the scales of its norms held: then it is linear.

What is between two feed-forwards is a linear map of the stream: each layer's norm, values, pattern
and output map. The maps are read off the model's own code, entered with unit vectors, so that they
are in no family's terms (fused, grouped, transposed), and held against what the run computed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.frozen import AGREEMENT, FrozenNorm, accurate, frozen_as, probes
from unembed.analyses.tools.plain_stream import why_no_edges
from unembed.analyses.tools.writes import BranchOutput, branch_output
from unembed.engine.editing.edits import Edit, by_analysis, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.passes.forward import Request, run
from unembed.engine.passes.inputs import filler
from unembed.engine.passes.run import Run
from unembed.errors import CapabilityError

if TYPE_CHECKING:
    from jaxtyping import Float

ROWS_AT_ONCE = 1024  # unit vectors that a layer is entered with
CLOSE = 1e-3  # of the largest number: float32, sums of a thousand terms


@dataclass(frozen=True, eq=False)
class HeldLayer:
    """The attention of one layer as a linear map of the stream."""

    norm: FrozenNorm  # before it
    values: Float[Tensor, "d_model kv_head d_head"]
    value_bias: Float[Tensor, "kv_head d_head"]
    pattern: Float[Tensor, "head query key"]
    output: BranchOutput

    def back(self, rows: Float[Tensor, "row pos d_model"]) -> Float[Tensor, "row pos d_model"]:
        """The transpose: how what attention adds along `rows` grows with the stream it reads."""
        turned = self._behind(rows)
        mixed = torch.einsum("hqk,rqhd->rkhd", self.pattern, turned)
        return self._of_values(mixed)

    def pairs(
        self, rows: Float[Tensor, "pos d_model"], stream: Float[Tensor, "pos d_model"]
    ) -> Float[Tensor, "head query key"]:
        """What each pair of query and key moves of a part of the stream along `rows`."""
        turned = self._behind(rows[None])[0]
        moved = torch.einsum("pd,dgz->pgz", self.norm.carry(stream), self.values)
        heads = torch.arange(len(self.pattern)) // self.group
        scores = torch.einsum("qhd,khd->hqk", turned, moved[:, heads])
        return self.pattern * scores

    def carry(self, stream: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_model"]:
        """What attention adds for a part of the stream; biases are no part."""
        return self.of_values(torch.einsum("pd,dgz->pgz", self.norm.carry(stream), self.values))

    def of_values(self, values: Float[Tensor, "pos kv_head d_head"]) -> Tensor:
        """What attention adds for values, without the bias of its output map."""
        heads = torch.arange(len(self.pattern)) // self.group
        mixed = torch.einsum("hqk,khd->qhd", self.pattern, values[:, heads]).flatten(1)
        inner = self.output.inner
        mixed = mixed if inner is None else inner.carry(mixed)
        return accurate(self.output.carry(mixed @ self.output.stored.to(mixed)))

    @property
    def group(self) -> int:
        """How many heads share a key and value."""
        return len(self.pattern) // self.values.shape[1]

    def _behind(self, rows: Float[Tensor, "row pos d_model"]) -> Tensor:
        """From the stream back to what each head mixes: [row, pos, head, d_head]."""
        norm, inner = self.output.norm, self.output.inner
        turned = rows if norm is None else norm.back(rows)
        turned = turned if self.output.multiplier == 1.0 else turned * self.output.multiplier
        turned = turned @ self.output.stored.to(turned).T
        turned = turned if inner is None else turned * inner.gain
        return turned.reshape(*turned.shape[:2], len(self.pattern), -1)

    def _of_values(self, mixed: Float[Tensor, "row pos head d_head"]) -> Tensor:
        """From what is wanted of each head's values back to the stream."""
        n_rows, n_keys, _, width = mixed.shape
        shared = mixed.reshape(n_rows, n_keys, -1, self.group, width).sum(3)
        return self.norm.back(torch.einsum("rkgd,mgd->rkm", shared, self.values))


@dataclass(frozen=True, eq=False)
class Held:
    """All layers of one run, held. `mlp_norms` are before the feed-forwards that were asked for."""

    run: Run
    layers: Sequence[HeldLayer]
    mlp_norms: dict[int, FrozenNorm]

    @property
    def model(self) -> Loaded:
        return self.run.model


def check_linear(model: Loaded) -> None:
    """Raise CapabilityError where a model with held patterns and norms is not linear."""
    model.require("lens")
    for block in model.anatomy.blocks:
        why = why_no_edges(model, block.layer)
        if why is not None:
            raise CapabilityError(
                f"{model.name} has no attribution graphs: {why}", field="model", value=model.name
            )


def held_capture(model: Loaded, mlp: Collection[int]) -> tuple[str, ...]:
    """What a run must have captured for `held`."""
    found = ["embed"]
    for block in model.anatomy.blocks:
        sites = ["resid_pre", "attn_in", "pattern", "z", "attn_out"]
        if block.feed_forward is not None:
            sites += ["mlp_out"] if block.parallel else ["resid_mid", "mlp_out"]
        if block.layer in mlp:
            sites.append("mlp_in")
        found += [f"L{block.layer}.{site}" for site in sites]
    return tuple(found)


@torch.no_grad()
def held(seen: Run, mlp: Collection[int]) -> Held:
    """The layers of a run, and the norms before the feed-forwards of some.

    Raises CapabilityError where a layer's attention is not the linear map that was read off it.
    """
    layers, norms = [], {}
    for block in seen.model.anatomy.blocks:
        layer = block.layer
        probed = _probed(seen, layer, mlp=layer in mlp)
        stream = f"L{layer}.resid_pre"
        layers.append(_layer(seen, layer, _norm(seen, stream, f"L{layer}.attn_in", probed)))
        if layer in mlp:
            stream = stream if block.parallel else f"L{layer}.resid_mid"
            norms[layer] = _norm(seen, stream, f"L{layer}.mlp_in", probed)
    return Held(seen, layers, norms)


def _probed(seen: Run, layer: int, *, mlp: bool) -> Run:
    """What attention, and the feed-forward, read of the probes of norms: one pass of one layer."""
    model, block = seen.model, seen.model.block(layer)
    states = probes(seen[f"L{layer}.resid_pre"])
    sites = [f"L{layer}.attn_in"] + ([f"L{layer}.mlp_in"] if mlp else [])
    moved = mlp and not block.parallel
    edits = (by_analysis(set_to(f"L{layer}.resid_mid", states)),) if moved else ()
    return _entered(model, layer, states, edits, sites)


def _norm(seen: Run, stream: str, read: str, probed: Run) -> FrozenNorm:
    """The norm between the stream and what is read of it."""
    return frozen_as(seen[stream], seen[read], probed[read], f"what stands before {read}")


def _layer(seen: Run, layer: int, norm: FrozenNorm) -> HeldLayer:
    values, bias = _values(seen.model, layer)
    found = HeldLayer(
        norm=norm,
        values=values,
        value_bias=bias,
        pattern=accurate(seen[f"L{layer}.pattern"]),
        output=branch_output(seen, layer, "attn"),
    )
    _check(seen, layer, found)
    return found


def _check(seen: Run, layer: int, found: HeldLayer) -> None:
    """Raise CapabilityError unless the map makes of the stream what the run did."""
    read = found.norm.carry(seen[f"L{layer}.resid_pre"]) + found.norm.bias
    values = torch.einsum("pd,dgz->pgz", read, found.values) + found.value_bias
    made = found.of_values(values) + found.output.bias_write()
    wanted = accurate(seen[f"L{layer}.attn_out"])
    limit = AGREEMENT.get(seen[f"L{layer}.attn_out"].dtype, CLOSE)
    apart = float((made - wanted).abs().max())
    if not apart <= limit * max(float(wanted.abs().max()), float(values.abs().max())):
        raise CapabilityError(
            f"attention of layer {layer} of {seen.model.name} is not linear with its pattern held:"
            f" what it adds is off by {apart:.1e}",
            field="model",
            value=seen.model.name,
        )


def _values(model: Loaded, layer: int) -> tuple[Tensor, Tensor]:
    """The map from what attention reads to its values, and its bias: unit vectors go through."""
    width = model.anatomy.d_model
    units = torch.eye(width, dtype=model.dtype, device=model.device)
    units = torch.cat([torch.zeros_like(units[:1]), units])
    rows = min(ROWS_AT_ONCE, model.max_positions)
    made = []
    for some in torch.split(units, rows):
        edits = (by_analysis(set_to(f"L{layer}.attn_in", some)),)
        made.append(_entered(model, layer, some, edits, [f"L{layer}.v"])[f"L{layer}.v"])
    whole = accurate(torch.cat(made))
    return whole[1:] - whole[0], whole[0]


def _entered(
    model: Loaded,
    layer: int,
    states: Float[Tensor, "n d_model"],
    edits: Sequence[Edit],
    sites: Sequence[str],
) -> Run:
    """A layer entered with these states, each as if at position 0, up to the last of its sites."""
    request = Request(
        ids=(filler(model),) * len(states),
        capture=tuple(sites),
        edits=tuple(edits),
        logits="none",
        stop_after=sites[-1],
        start=(layer, states),
        position_ids=(0,) * len(states),
    )
    return run(model, request)
