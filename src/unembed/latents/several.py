"""Autoencoders that write to each other's sites: what all of them together put there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder

if TYPE_CHECKING:
    from jaxtyping import Float


def sides(sae: Autoencoder, rows: Float[Tensor, "some d_outs"]) -> dict[SiteKey, Tensor]:
    """Rows of all sites side by side, by the site that they are written to."""
    parts = torch.split(rows, sae.description.d_out, -1)
    return dict(zip(sae.description.ends, parts, strict=True))


def written_together(
    saes: Iterable[Autoencoder],
    values: Iterable[Float[Tensor, "pos _"]],
    reads: Iterable[Float[Tensor, "pos ..."]],
) -> dict[SiteKey, Float[Tensor, "pos d_out"]]:
    """What the latents of all write to each site, without biases."""
    found: dict[SiteKey, Tensor] = {}
    for sae, some, x in zip(saes, values, reads, strict=True):
        for key, part in sides(sae, sae.written(some, x)).items():
            found[key] = found[key] + part if key in found else part
    return found


def reconstructed(
    saes: Sequence[Autoencoder], seen: Mapping[SiteKey, Float[Tensor, "pos ..."]]
) -> dict[SiteKey, Float[Tensor, "pos d_out"]]:
    """What all together make of each site that they write to, from what each reads."""
    reads = [read_by(sae, seen) for sae in saes]
    values = [sae.encode(x) for sae, x in zip(saes, reads, strict=True)]
    found = written_together(saes, values, reads)
    for sae, x in zip(saes, reads, strict=True):
        key = sae.description.ends[0]
        found[key] = found[key] + sae.constant(x)
    return found


def read_by(sae: Autoencoder, seen: Mapping[SiteKey, Tensor]) -> Tensor:
    """The activation that one reads, in the type of its weights."""
    reads = sae.description.reads
    if reads is None:
        raise AssertionError("an autoencoder without a place reads nothing")
    return seen[reads].to(sae.weights.b_enc)
