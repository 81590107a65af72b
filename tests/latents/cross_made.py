"""A cross-layer transcoder made up on the spot, and what its latents write, by hand."""

from __future__ import annotations

import torch
from torch import Tensor

import unembed as ue
from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description

N, K = 20, 4


def made(model, *, reads="mlp_in", skip=False, n=N) -> ue.CrossLayerTranscoder:
    """Latents of every layer with a feed-forward, biases and skips, all at random, in float64."""
    drawn = torch.Generator().manual_seed(7)
    d = model.anatomy.d_model
    own = [block.layer for block in model.anatomy.blocks if block.feed_forward is not None]

    def random(*shape: int, size: float) -> Tensor:
        return torch.randn(*shape, generator=drawn, dtype=torch.float64) * size

    layers = []
    for order, layer in enumerate(own):
        ends = [SiteKey("mlp_out", to) for to in own[order:]]
        says = Description(
            "made up",
            "clt",
            "topk",
            d,
            d,
            n,
            reads=SiteKey(reads, layer),
            writes=ends[0],
            also=tuple(ends[1:]),
            k=K,
        )
        weights = Weights(
            random(d, n, size=d**-0.5),
            random(n, len(ends) * d, size=d**-0.5),
            random(n, size=0.1),
            random(d, size=0.1),
            skip=random(d, d, size=1 / d) if skip else None,
        )
        layers.append(Autoencoder(says, weights))
    return ue.CrossLayerTranscoder(tuple(layers))


def attached(plain, **choices) -> tuple[ue.Model, ue.CrossLayerTranscoder]:
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    clt = made(plain, **choices)
    model.attach(clt, verify=False)
    return model, clt


def values_of(one: Autoencoder, x: Tensor) -> Tensor:
    held = one.weights
    pre = x.double() @ held.W_enc + held.b_enc
    kept = pre >= pre.sort(-1, descending=True).values[:, K - 1 : K]
    return pre.clamp(min=0) * kept


def rows_of(one: Autoencoder, latent: int) -> dict[int, Tensor]:
    """What one latent writes for a value of 1, by layer."""
    parts = one.weights.W_dec[latent].reshape(-1, one.description.d_out)
    return {key.layer: row for key, row in zip(one.description.ends, parts, strict=True)}
