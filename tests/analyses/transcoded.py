"""Tiny models with transcoders of no meaning attached, in all layers but one."""

from __future__ import annotations

import torch

import unembed as ue
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = (1, 72, 5, 33, 9, 72)
BARE = 1  # a layer without a transcoder


def transcoder(model, layer, *, skip=False, reads="mlp_in", n=30):
    width = model.anatomy.d_model
    generator = torch.Generator().manual_seed(layer)

    def random_numbers(*shape, size=1.0):
        return torch.randn(*shape, generator=generator, dtype=torch.float64) * size

    weights = Weights(
        random_numbers(width, n, size=width**-0.5),
        random_numbers(n, width, size=width**-0.5),
        random_numbers(n, size=0.1),
        random_numbers(width, size=0.1),
        skip=random_numbers(width, width, size=1 / width) if skip else None,
    )
    reads, writes = places(f"L{layer}.{reads}>L{layer}.mlp_out")
    says = Description(
        "made up", "transcoder", "topk", width, width, n, reads=reads, writes=writes, k=6
    )
    return ue.Sae(says, weights)


def with_transcoders(name, dtype=torch.float64, **choices):
    model = ue.load(tiny_model(name, dtype=dtype), tokenizer=tiny_tokenizer())
    for layer in range(model.anatomy.n_layers):
        if layer != BARE:
            model.attach(transcoder(model, layer, **choices), verify=False)
    return model
