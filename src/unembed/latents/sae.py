"""An autoencoder that a model can have attached: its latents are then nodes, as in `L6.F77`.

Edits of latents keep what the autoencoder does not explain: the site is what it was, plus what the
change of the latents stands for. So attaching one changes no logit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.derived import Derived, without
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import LATENT, LATENT_AT_SITE, NodeKind
from unembed.engine.targets import SiteKey, Target
from unembed.errors import LoadError, TargetError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.check import SaeCheck, decided, placed
from unembed.latents.description import AttachedSae, Description

if TYPE_CHECKING:
    from jaxtyping import Float


class Sae(Autoencoder):
    """A sparse autoencoder or transcoder; make one with `unembed.load_sae`."""

    def attached_to(self, model: Loaded, verify: bool) -> Derived:
        """See `Model.attach`."""
        found, check = decided(self, model) if verify else (self, None)
        reads, _ = placed(found.description, model)
        if reads.layer is None:
            raise LoadError(
                f"the {self.description.words} is of no layer: latents are named by their layer, "
                "as in L6.F77",
                field="site",
                value=self.description.where,
                legal="a site of a layer",
            )
        refuse_two(model, found.description)
        row = LATENT if reads.layer not in attached(model) else at_site(reads)
        held = model.derived.get(row.kind)
        saes, checks = (held.saes, held.checks) if isinstance(held, Latents) else ({}, {})
        checks = {**checks, **({} if check is None else {reads.layer: check})}
        return latents_of({**saes, reads.layer: found}, checks, row)

    def __repr__(self) -> str:
        return f"Sae({self.description.words})"


def refuse_two(model: Loaded, says: Description) -> None:
    """Raise LoadError where another one reads, or writes, the same site."""
    for other in every(model):
        held = other.sae.description
        if says.reads == held.reads or set(says.ends) & set(held.ends):
            raise LoadError(
                f"{says.where} has the {held.words} attached already",
                field="site",
                value=says.where,
                legal="one autoencoder that reads, and one that writes, each site",
                fix="model.detach(), then attach the other one",
            )


@dataclass(frozen=True, eq=False)
class Split:
    """A site's activation, taken apart: `latents` written + `constant` + `error` are all of it.

    Args:
        values: of the latents.
        written: what they stand for, together.
        constant: the bias, and whatever else is written however active they are.
        error: what the autoencoder does not explain.
    """

    values: Float[Tensor, "pos n"]
    written: Float[Tensor, "pos d_out"]
    constant: Float[Tensor, "pos d_out"]
    error: Float[Tensor, "pos d_out"]


def split(
    sae: Autoencoder, reads: Float[Tensor, "pos ..."], writes: Float[Tensor, "pos ..."]
) -> Split:
    """What an autoencoder makes of a site; of a transcoder `reads` and `writes` are two."""
    x = reads.to(torch.promote_types(reads.dtype, torch.float32))
    sae = sae.like(x)
    values = sae.encode(x)
    written, constant = sae.written(values, x), sae.constant(x)
    whole = writes.reshape(len(writes), -1).to(x)
    return Split(values, written, constant, whole - written - constant)


def at_site(reads: SiteKey) -> NodeKind:
    """What latents are called of a second autoencoder of a layer: "L6.mlp_out.F77"."""
    return replace(
        LATENT_AT_SITE,
        kind=f"{LATENT.kind}.{reads.site}",
        forms=tuple(one.replace("{site}", reads.site) for one in LATENT_AT_SITE.forms),
        words=LATENT_AT_SITE.words.replace("{site}", reads.site),
        site=reads.site,
        sites=(),
    )


@dataclass(frozen=True, eq=False)
class Attached:
    """One autoencoder that a model has attached.

    Args:
        stem: its latents' names without their number, "L6.F" or "L6.mlp_out.F".
    """

    stem: str
    layer: int
    sae: Autoencoder
    check: SaeCheck | None


def every(model: Loaded) -> list[Attached]:
    """All that a model has attached, by layer, the first of each layer first."""
    found = [
        Attached(one.stem(layer), layer, sae, one.checks.get(layer))
        for one in model.derived.values()
        if isinstance(one, Latents)
        for layer, sae in one.saes.items()
    ]
    return sorted(found, key=lambda one: one.layer)


def attached(model: Loaded) -> Mapping[int, Autoencoder]:
    """By layer: the autoencoder whose latents have the short names, "L6.F77". See `every`."""
    found = model.derived.get(LATENT.kind)
    return found.saes if isinstance(found, Latents) else {}


def what_is_attached(model: Loaded) -> tuple[AttachedSae, ...]:
    """The autoencoders that a model has attached, by layer, with the evidence, in words."""
    return tuple(map(_said, every(model)))


def owner_of(model: Loaded, latent: Target) -> str:
    """Whose what is kept of a latent is: its own autoencoder's, whatever else is attached."""
    kind = model.attached(latent)
    if not isinstance(kind, Latents):
        return _of_maps(kind)
    stems = {f"{one.stem}{latent.index}": one for one in what_is_attached(model)}
    return stems[latent.stem].owner


def owners(model: Loaded) -> tuple[str, ...]:
    """All that `owner_of` gives for what a model has attached."""
    others = (one for one in model.derived.values() if not isinstance(one, Latents))
    return (*(one.owner for one in what_is_attached(model)), *map(_of_maps, others))


def _of_maps(kind: Derived) -> str:
    return f"maps {kind.row.derived}"


def _said(one: Attached) -> AttachedSae:
    sae, check, says = one.sae, one.check, one.sae.description
    return AttachedSae(
        layer=one.layer,
        stem=one.stem,
        site=says.where,
        kind=says.kind,
        words=says.words,
        n_latents=says.n,
        fingerprint=sae.fingerprint,
        explained=None if check is None else check.explained,
        active=None if check is None else check.active,
        declared=says.declared_l0,
        read=None if check is None else check.read,
        doubts=() if check is None else (*check.doubts, *check.notes),
    )


def sae_of(model: Loaded, latent: Target) -> Autoencoder:
    """The autoencoder that a latent is of; raises TargetError where it is not attached."""
    held = model.attached(latent)
    found = held.saes.get(latent.layer or 0) if isinstance(held, Latents) else None
    if found is None:
        raise TargetError(f"{latent.text} is of no autoencoder that is attached", field="target")
    return found


STREAM = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "embed")
"""Sites whose activation is part of the residual stream as it is."""


def direction_of(model: Loaded, latent: Target) -> Float[Tensor, " d_model"] | None:
    """What a latent that is attached adds to the residual stream for a value of 1: its decoder's
    row; of one that writes at several layers, the sum of its rows. None where its autoencoder
    writes no part of the stream."""
    if not isinstance(model.attached(latent), Latents):
        return None
    sae = sae_of(model, latent)
    number = torch.tensor([latent.index or 0], device=sae.weights.W_dec.device)
    return sae.in_all(number)[0] if _of_stream(sae) else None


def directions_of(model: Loaded, latent: Target) -> Float[Tensor, "n d_model"] | None:
    """`direction_of` every latent of the same autoencoder; None of maps that are none."""
    if not isinstance(model.attached(latent), Latents):
        return None
    sae = sae_of(model, latent)
    return sae.in_all() if _of_stream(sae) else None


def writes_several(model: Loaded, node: Target) -> bool:
    """Whether it is a latent that writes at several layers."""
    if not node.row.derived or not isinstance(model.attached(node), Latents):
        return False
    return len(sae_of(model, node).description.ends) > 1


def _of_stream(sae: Autoencoder) -> bool:
    writes = sae.description.writes
    return writes is not None and writes.site in STREAM


@dataclass(frozen=True, eq=False)
class Latents(Derived):
    """The latents of the autoencoders of several layers."""

    saes: Mapping[int, Autoencoder] = field(default_factory=dict)
    checks: Mapping[int, SaeCheck] = field(default_factory=dict)

    def without(self, layer: int) -> Latents:
        """See `Derived.without`: the autoencoder of a layer goes as well."""
        return latents_of(without(self.saes, layer), without(self.checks, layer), self.row)


FIXED = (
    "a latent of a crosscoder stands for several states of the stream, which contain one another",
    'run = model.run(prompt, crosscoder.sites), then edits=crosscoder.changed(run, {"L5.F7": 0.0})',
)
"""Why latents of a crosscoder are not edited, and what is done instead."""


def latents_of(
    saes: Mapping[int, Autoencoder],
    checks: Mapping[int, SaeCheck] | None = None,
    row: NodeKind = LATENT,
) -> Latents:
    """The nodes of one autoencoder for each layer; `checks` is what was found of them.

    `row` is what they are called.
    """
    ready = _Ready(saes)
    says = {layer: one.description for layer, one in saes.items()}
    digest = ",".join(f"{layer}:{saes[layer].fingerprint}" for layer in sorted(saes))
    return Latents(
        row=replace(row, derived=digest),
        counts={layer: one.n for layer, one in says.items()},
        encode=ready.encode,
        decode=ready.decode,
        sites={layer: one.reads.site for layer, one in says.items() if one.reads is not None},
        writes={
            layer: one.ends for layer, one in says.items() if one.ends and one.ends != (one.reads,)
        },
        fixed={layer: FIXED for layer, one in says.items() if one.kind == "crosscoder"},
        saes=saes,
        checks=checks or {},
    )


class _Ready:
    """The autoencoders in the type, and on the device, that a layer's activations come in."""

    def __init__(self, saes: Mapping[int, Autoencoder]) -> None:
        self._saes = saes
        self._made: dict[int, Autoencoder] = {}

    def encode(self, layer: int, activation: Tensor) -> Tensor:
        x = _accurate(activation)
        return self._of(layer, x).encode(x)

    def decode(self, layer: int, values: Tensor, activation: Tensor) -> Tensor:
        x = _accurate(activation)
        found = self._of(layer, x).decode(values.to(x), x)
        return found.reshape(activation.shape) if found.numel() == activation.numel() else found

    def _of(self, layer: int, like: Tensor) -> Autoencoder:
        found = self._made.get(layer)
        held = None if found is None else found.weights.W_enc
        if held is None or (held.dtype, held.device) != (like.dtype, like.device):
            self._made[layer] = found = self._saes[layer].like(like)
        return found or self._saes[layer]


def _accurate(activation: Tensor) -> Tensor:
    return activation.to(torch.promote_types(activation.dtype, torch.float32))
