"""Layouts of sparsify."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .parts import LINEAR, TRANSCODED, Layout, Parts, Source, relu, shifted, straight, top


def _sparsify(transcode: bool, activation: str = "topk") -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        held = {"encoder.weight": p.enc.T, "encoder.bias": p.b_enc}
        held |= {"W_dec": p.dec, "b_dec": p.b_dec}
        if p.skip is not None:
            held["W_skip"] = p.skip.T
        config = {
            "activation": activation,
            "expansion_factor": 32,
            "normalize_decoder": True,
            "num_latents": p.n,
            "k": p.k,
            "multi_topk": False,
            "skip_connection": p.skip is not None,
            "transcode": transcode,
            "d_in": p.d,
        }
        folder = f"layers.{p.layer}{'.mlp' if transcode else ''}"
        return Source("", {"cfg.json": config}, {"sae.safetensors": held}, folder)

    return write


def _groups(p: Parts, x: Tensor) -> Tensor:
    values = relu(shifted(p, x))
    found, size = torch.zeros_like(values), p.n // p.k
    for row in range(len(values)):
        for group in range(p.k):
            own = values[row, group * size : (group + 1) * size]
            found[row, group * size + int(own.argmax())] = own.max()
    return found


SPARSIFY = (
    Layout(
        "sparsify",
        _sparsify(False),
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=LINEAR | {"dec": "W_dec"},
    ),
    Layout(
        "sparsify-groupmax",
        _sparsify(False, "groupmax"),
        _groups,
        shifts=True,
        activation="groupmax",
    ),
    Layout(
        "sparsify-skip-transcoder",
        _sparsify(True),
        lambda p, x: top(straight(p, x), p.k),
        where=TRANSCODED,
        needs=("skip",),
        activation="topk",
        roles=LINEAR | {"dec": "W_dec"},
    ),
)
