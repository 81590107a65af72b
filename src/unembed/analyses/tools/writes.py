"""What each node writes to the residual stream.

A head writes its z through its rows of W_O, a neuron its activation times its value vector. What
the block applies on the way belongs to the write: the weights of a norm before the map (BitNet) and
of a post-norm, their scales frozen at the run's values, and the residual multiplier. So the writes
of all heads (or neurons) of a branch and the write of its bias sum to `attn_out` (or `mlp_out`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.frozen import FrozenNorm, freeze
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target
from unembed.engine.names.taps import refuse
from unembed.engine.nodes import KINDS, Branch
from unembed.engine.passes.run import Run
from unembed.engine.reading.maps import Maps
from unembed.engine.targets import Name, SiteKey, Target
from unembed.errors import CapabilityError, TargetError
from unembed.latents.sae import FIXED, STREAM, direction_of, sae_of

if TYPE_CHECKING:
    from jaxtyping import Float


_EXAMPLES = ", ".join(row.example for row in KINDS if row.is_node)
INSIDE: dict[Branch, str] = {"attn": "z", "cross": "cross_z", "mlp": "mlp_post"}
ROWS_AT_ONCE = 4096  # of an output map, where each row is worked on: a copy of all would be large


@dataclass(frozen=True, eq=False)
class BranchOutput:
    """The output map of one branch of one block, and what this run had it followed by."""

    inside: Float[Tensor, "pos d_in"]  # z of all heads, or the activations of all neurons
    stored: Float[Tensor, "d_in d_model"]
    bias: Float[Tensor, " d_model"] | None
    inner: FrozenNorm | None  # between `inside` and the map
    norm: FrozenNorm | None
    multiplier: float

    @cached_property
    def weight(self) -> Float[Tensor, "d_in d_model"]:
        """What one unit of each input becomes behind the map, at the branch's first position."""
        if self.inner is None:
            return self.stored
        gained: Tensor = self.inner.gain[0, :, None].to(self.stored) * self.stored
        return gained

    @cached_property
    def read(self) -> Float[Tensor, "pos d_in"]:
        """What the map itself reads of its inputs."""
        return self.inside if self.inner is None else self.inner.carry(self.inside).to(self.inside)

    @property
    def has_bias(self) -> bool:
        """Whether it writes anything whatever its nodes do, be it zero."""
        return self.bias is not None or (self.norm is not None and bool(self.norm.bias.any()))

    def carry(self, parts: Float[Tensor, "pos *parts d_model"]) -> Tensor:
        """From parts of the output map's result to parts of what joins the stream."""
        carried = parts if self.norm is None else self.norm.carry(parts)
        return carried if self.multiplier == 1.0 else carried * self.multiplier

    def back(self, directions: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_model"]:
        """The transpose of `carry`: what parts of the map's result must point along."""
        turned = directions if self.norm is None else self.norm.back(directions)
        return turned if self.multiplier == 1.0 else turned * self.multiplier

    def unit_norms(self) -> Float[Tensor, " d_in"]:
        """Norm of what one unit of each input writes, at the branch's first position."""
        accurate = torch.promote_types(self.weight.dtype, torch.float32)
        if self.norm is None:
            norms: Tensor = torch.linalg.vector_norm(self.weight, dim=1, dtype=accurate)
            return norms * abs(self.multiplier)
        first = replace(self, norm=replace(self.norm, gain=self.norm.gain[:1]))
        parts = torch.split(self.weight, ROWS_AT_ONCE)
        norm = torch.linalg.vector_norm
        return torch.cat(
            [norm(first.carry(rows[None])[0], dim=1, dtype=accurate) for rows in parts]
        )

    def bias_write(self) -> Float[Tensor, "pos d_model"]:
        """What the branch writes whatever its nodes do: the biases of map and norm."""
        write = self.inside.new_zeros(len(self.inside), self.stored.shape[1])
        if self.bias is not None:
            write = self.carry(self.bias.expand_as(write))
        if self.norm is not None:
            write = write + self.norm.bias * self.multiplier
        return write


@torch.no_grad()
def branch_output(
    run: Run,
    layer: int,
    branch: Branch,
    position: int | None = None,
    *,
    encoder: bool = False,
) -> BranchOutput:
    """One branch in one run, which captured its z or mlp_post; at every position, or at one.

    `encoder`: of a layer of the encoder, whose stream is another one.

    Raises CapabilityError where the branch has no output map (a mixture of experts), or a norm that
    cannot be frozen.
    """
    model = run.model
    maps = Maps(model.module, model.anatomy.stack(encoder), model.name) if encoder else model
    weight = maps.output_weight(layer, branch)
    bias = maps.output_bias(layer, branch)
    inside = run[f"{'E' if encoder else 'L'}{layer}.{INSIDE[branch]}"].flatten(1)
    inside = inside if position is None else inside[position, None]
    multiplier = maps.residual_multiplier(layer, branch)
    inner = _inner(model, maps.inner_norm(layer, branch), layer, inside)
    out = BranchOutput(inside, weight, bias, inner, None, multiplier)
    norm = maps.post_norm(layer, branch)
    if norm is None:
        return out
    product = out.read @ weight
    with model.evaluating():
        return replace(out, norm=freeze(norm, product if bias is None else product + bias))


def _inner(
    model: Loaded,
    norm: Callable[[Tensor], Tensor] | None,
    layer: int,
    inside: Float[Tensor, "pos d_in"],
) -> FrozenNorm | None:
    """The norm before the output map. Raises CapabilityError where it mixes the inputs."""
    if norm is None:
        return None
    with model.evaluating():
        frozen = freeze(norm, inside)
    if frozen.centres or bool(frozen.bias.any()):
        raise CapabilityError(
            f"{type(norm).__name__} before the output map of layer {layer} takes the mean of all "
            "its inputs away, or adds a bias: what each of them writes is then not its own",
            field="target",
        )
    return frozen


@torch.no_grad()
def check_split(model: Loaded, layer: int, branch: Branch) -> None:
    """Raise CapabilityError where what heads or neurons of a branch write is not their own, because
    of a norm before its output map. That is seen without a run, on inputs that are made up.
    """
    norm = model.inner_norm(layer, branch)
    if norm is not None:
        weight = model.output_weight(layer, branch)
        made_up = torch.randn(4, len(weight), generator=torch.Generator().manual_seed(0))
        _inner(model, norm, layer, made_up.to(weight))


@torch.no_grad()
def gate(run: Run, layer: int, position: int) -> Float[Tensor, "head d_head"] | None:
    """What each number of pattern·v is multiplied with to be z; None where nothing is.

    Needs z, v and the pattern of the position captured.
    """
    if not run.model.block(layer).attention.gated:
        return None
    pattern, values = run[f"L{layer}.pattern@{position}"], run[f"L{layer}.v"]
    heads = torch.arange(len(pattern)) // (len(pattern) // values.shape[1])
    mixed = torch.einsum("hk,khd->hd", pattern.to(values), values[:, heads])
    # what nothing was mixed into, nothing comes from
    return torch.where(mixed == 0, 0.0, run[f"L{layer}.z"][position] / mixed)


@torch.no_grad()
def head_writes(
    run: Run, layer: int, heads: list[int] | None = None
) -> Float[Tensor, "pos head d_model"]:
    """What heads of a layer, all or some, write at every position; needs z captured."""
    z = run[f"L{layer}.z"]
    whole = branch_output(run, layer, "attn")
    chosen = slice(None) if heads is None else heads
    maps = whole.stored.reshape(z.shape[1], z.shape[2], -1)[chosen]
    read = whole.read.reshape(z.shape)[:, chosen]
    return whole.carry(torch.einsum("phz,hzd->phd", read, maps))


@torch.no_grad()
def neuron_writes(
    run: Run, layer: int, neurons: list[int] | None = None
) -> Float[Tensor, "pos neuron d_model"]:
    """What neurons of a layer write at every position; needs mlp_post captured.

    All neurons of a large model are [pos, d_mlp, d_model] numbers: name the ones you need.
    """
    whole = branch_output(run, layer, "mlp")
    chosen = slice(None) if neurons is None else neurons
    return whole.carry(whole.read[:, chosen, None] * whole.stored[chosen])


@torch.no_grad()
def bias_write(run: Run, layer: int, branch: Branch) -> Float[Tensor, "pos d_model"]:
    """What a branch writes whatever its nodes do; needs z or mlp_post captured."""
    return branch_output(run, layer, branch).bias_write()


@torch.no_grad()
def write(run: Run, node: Name) -> Float[Tensor, "pos d_model"]:
    """What one node writes at every position: "L9.H6", "L12.N512", "L6.F77", "L5.mlp", "embed".

    Needs `write_capture(node)` captured. Raises TargetError for anything that is not a node,
    CapabilityError for a latent that writes inside of a branch.
    """
    target = node_of(run.model, node)
    if target.row.derived:
        return _latent_write(run, target)
    if target.layer is None or target.row.writes is None or target.row.number is None:
        return run.value_of(target, every_position=True)
    whole = branch_output(run, target.layer, target.row.writes)
    if target.head is not None:
        width = run.model.attention_of(target.layer, target.row.writes).d_head
        own = slice(target.head * width, (target.head + 1) * width)
        return whole.carry(whole.read[:, own] @ whole.stored[own])
    return whole.carry(whole.read[:, target.neuron, None] * whole.stored[target.neuron])


def _latent_write(run: Run, latent: Target) -> Float[Tensor, "pos d_model"]:
    """What a latent stands for where its autoencoder writes: nothing of its bias and error.

    Of one that writes at several layers, all of it together.
    """
    direction, sae = direction_of(run.model, latent), sae_of(run.model, latent)
    if sae.description.kind == "crosscoder":
        raise CapabilityError(
            f"{latent.text} is of a crosscoder: it stands for states of the stream, and writes "
            "nothing to it",
            field="target",
            value=latent.text,
            legal="latents of autoencoders and transcoders",
            fix=FIXED[1],
        )
    if direction is None:
        raise CapabilityError(
            f"{latent.text} writes inside of a branch, at {sae.description.where}: it adds nothing "
            "to the residual stream by itself",
            field="target",
            value=latent.text,
            legal=f"latents of {', '.join(STREAM)}",
        )
    values = run.value_of(latent, every_position=True)
    factor = sae.factor(run[latent.site_key.name].to(values)).to(values)
    return values[:, None] * direction.to(values) * factor


@torch.no_grad()
def latent_writes(
    run: Run, latent: Target, position: int
) -> list[tuple[SiteKey, Float[Tensor, "1 d_model"]]]:
    """What a latent writes at a position, site by site. Needs `write_capture` captured."""
    sae = sae_of(run.model, latent)
    values = run.value_of(latent, every_position=True)
    factor = sae.factor(run[latent.site_key.name].to(values)).to(values)[position]
    size = values[position] * factor
    index = latent.index or 0
    return [
        (key, (size * sae.directions_at(key)[index].to(values))[None])
        for key in sae.description.ends
    ]


def joins_stream(model: Loaded, writes: SiteKey) -> tuple[int | None, Branch | None] | None:
    """The layer and branch whose step of the stream ends at a site where an autoencoder writes.

    (None, None) is the embedding. None: inside of a branch, or behind a norm of the stream.
    """
    layer, branch = writes.layer, _STEPS.get(writes.site)
    if writes.site == "resid_pre" and layer:
        layer, branch = layer - 1, "mlp"
    elif writes.site in ("embed", "resid_pre"):
        return None, None
    if branch is None or layer is None:
        return None
    added = writes.site.endswith("_out")
    behind = not added and model.block(layer).arrangement == "post_norm"
    return None if behind else (layer, branch)


_STEPS: dict[str, Branch] = {
    "attn_out": "attn",
    "cross_out": "cross",
    "mlp_out": "mlp",
    "resid_mid": "attn",
    "resid_mid_cross": "cross",
    "resid_post": "mlp",
}


def write_capture(model: Loaded, node: Name) -> tuple[str, ...]:
    """What a run must have captured for `write`."""
    target = node_of(model, node)
    site = target.site
    return (site if target.layer is None else f"L{target.layer}.{site}",)


def node_of(model: Loaded, node: Name) -> Target:
    """The parsed name of a node of this model; raises TargetError, or CapabilityError."""
    target = model.read_name(node)
    if not target.row.is_node:
        raise TargetError(
            f"{target.text!r} is not a node; nodes are {_EXAMPLES}",
            field="target",
            value=target.text,
            legal=_EXAMPLES,
        )
    check_target(target, model.anatomy, model.name)
    if target.row.derived:
        return model.node(target)
    if target.encoder:
        raise CapabilityError(
            f"{target.text} writes to the encoder's stream, which reaches the logits through the "
            "attention of the decoder only: it has no direct effects",
            field="target",
            value=target.text,
            legal="nodes of the decoder",
            fix="edit it and look at what changes: ue.zero(...)",
        )
    refuse(model.anatomy, target.site_key, model.name, "target")
    return target
