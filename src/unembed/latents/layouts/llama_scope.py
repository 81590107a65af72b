"""Llama Scope (fnlp): hyperparams.json and checkpoints/final.safetensors.

encoder.weight [n, d], decoder.weight [d, n]. Activations are scaled to a mean length of sqrt(d);
the threshold is one number, which is meant before that scaling: what is active tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import full_like

from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked, agree, hook, made, number

NAME = "Llama Scope"
WEIGHTS = "checkpoints/final.safetensors"


def recognises(files: Files) -> bool:
    return files.has("hyperparams.json") and files.has(WEIGHTS)


def read(files: Files, asked: Asked) -> Autoencoder:
    config = files.config("hyperparams.json")
    tensors = files.tensors(WEIGHTS)
    b_enc, b_dec = tensors.get("encoder.bias", None), tensors.get("decoder.bias", None)
    n, d = len(b_enc), len(b_dec)
    agree(files, "d_model", config.get("d_model"), d)
    agree(files, "d_sae", config.get("d_sae"), n)
    threshold = number(files, config, "jump_relu_threshold")
    if threshold is None:
        raise files.refusal("hyperparams.json has no jump_relu_threshold")
    into = _scale(files, config, "in", d) if asked.scale is None else asked.scale
    reads, writes = hook(config.get("hook_point_in")), hook(config.get("hook_point_out"))
    is_transcoder = reads != writes
    out = _scale(files, config, "out", d) if is_transcoder else into
    weights = Weights(
        W_enc=tensors.get("encoder.weight", n, d).T,
        W_dec=tensors.get("decoder.weight", d, n).T,
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=full_like(b_enc, threshold * into),
    )
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="transcoder" if is_transcoder else "sae",
            activation="jumprelu",
            d_in=d,
            d_out=d,
            n=n,
            reads=reads,
            writes=writes,
            scale_in=into,
            scale_out=out,
            open=("threshold",),
        ),
    )


def _scale(files: Files, config: Mapping[str, Any], way: str, d: int) -> float:
    lengths = config.get("dataset_average_activation_norm")
    found = number(files, lengths, way) if isinstance(lengths, dict) else None
    if found is None or not found > 0:
        raise files.refusal(
            f"hyperparams.json has no dataset_average_activation_norm.{way}, which activations are "
            "scaled by",
            fix="ue.load_sae(source, scale=sqrt(d_model) / mean length)",
        )
    return float(d**0.5 / found)
