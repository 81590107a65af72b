"""Llamascopium (OpenMOSS, before it Language-Model-SAEs): config.json and sae_weights.safetensors.

W_E [d, n], W_D [n, d]. Lengths of activations are scalars beside the weights, or folded already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.description import Activation, Description, Normalise
from unembed.latents.files import Files, Tensors
from unembed.latents.layouts import llamascopium_clt
from unembed.latents.layouts.common import Asked, hook, made, positive, threshold_of

NAME = "Llamascopium"
WEIGHTS = "sae_weights.safetensors"
_ACTIVATIONS: dict[str, Activation] = {
    "relu": "relu",
    "jumprelu": "jumprelu",
    "topk": "topk",
    "batchtopk": "batchtopk",
}


def recognises(files: Files) -> bool:
    return (
        files.has("config.json")
        and files.has(WEIGHTS)
        and "sae_type" in files.config("config.json")
    )


def read(files: Files, asked: Asked) -> Autoencoder | LayeredAutoencoder:
    config = files.config("config.json")
    if config.get("sae_type") == "clt":
        return llamascopium_clt.read(files, config, asked)
    _refuse_others(files, config)
    transcodes, act = config["sae_type"] == "transcoder", config["act_fn"]
    tensors = files.tensors(WEIGHTS)
    weights = _weights(files, config, tensors)
    (d_in, n), d_out = weights.W_enc.shape, weights.W_dec.shape[1]
    into, out = (str(config.get(f"hook_point_{way}")) for way in ("in", "out"))
    normalise, scales = _normalised(files, config, tensors, (into, out), (d_in, d_out))
    reads = hook(into)
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="transcoder" if transcodes else "sae",
            activation=_ACTIVATIONS[act],
            d_in=d_in,
            d_out=d_out,
            n=n,
            reads=reads,
            writes=hook(out) if transcodes else reads,
            k=positive(files, config, "top_k") if "topk" in act else None,
            normalise=normalise,
            scale_in=scales[0],
            scale_out=scales[1],
            decoder_norm="choice" if config.get("sparsity_include_decoder_norm") else "none",
        ),
    )


def _refuse_others(files: Files, config: Mapping[str, Any]) -> None:
    """Raise LoadError for what is no autoencoder or transcoder of one layer, or of another kind."""
    kind, act = config.get("sae_type"), config.get("act_fn")
    if kind == "crosscoder":
        raise files.refusal(
            "it is a crosscoder, whose latents have another value at each site that they stand "
            "for, and are read from all of them at once: it is not read",
            legal="sae, transcoder, clt",
        )
    if kind not in ("sae", "transcoder") or config.get("use_glu_encoder"):
        raise files.refusal(
            f"its sae_type {kind!r} is not read", legal="sae, transcoder, clt, no GLU"
        )
    if act not in _ACTIVATIONS:
        raise files.refusal(f"its act_fn {act!r} is not read", legal=", ".join(_ACTIVATIONS))


def _weights(files: Files, config: Mapping[str, Any], tensors: Tensors) -> Weights:
    b_enc = tensors.get("b_E", None)
    n = len(b_enc)
    w_dec = tensors.get("W_D", n, None)
    d_out = w_dec.shape[1]
    transcodes = config["sae_type"] == "transcoder"
    d_in = tensors.get("W_E", None, n).shape[0] if transcodes else d_out
    b_dec = tensors.get("b_D", d_out) if config.get("use_decoder_bias", True) else None
    return Weights(
        W_enc=tensors.get("W_E", d_in, n),
        W_dec=w_dec,
        b_enc=b_enc,
        b_dec=torch.zeros(d_out) if b_dec is None else b_dec,
        threshold=_threshold(files, tensors, n) if config["act_fn"] == "jumprelu" else None,
    )


def _threshold(files: Files, tensors: Tensors, n: int) -> Tensor | None:
    """Of some files the logarithm is kept."""
    for name in ("log_jumprelu_threshold", "activation_function.log_jumprelu_threshold"):
        if name in tensors:
            return tensors.get(name, n).exp()
    for name in ("threshold", "activation_function.threshold"):
        if name in tensors:
            return threshold_of(files, tensors.get(name, n))
    raise files.refusal("it is JumpReLU and has no thresholds")


def _normalised(
    files: Files,
    config: Mapping[str, Any],
    tensors: Tensors,
    hooks: tuple[str, str],
    widths: tuple[int, int],
) -> tuple[Normalise, tuple[float, float]]:
    said = config.get("norm_activation", "inference")
    if said == "inference":
        return "none", (1.0, 1.0)
    if said == "token-wise":
        return "length", (1.0, 1.0)
    if said != "dataset-wise":
        raise files.refusal(f"its norm_activation {said!r} depends on the batch, and is not read")
    scales = []
    for name, width in zip(hooks, widths, strict=True):
        length = float(tensors.get(f"dataset_average_activation_norm.{name}"))
        if not length > 0:
            raise files.refusal(f"the mean length of activations at {name} is {length:g}")
        scales.append(width**0.5 / length)
    return "none", (scales[0], scales[1])
