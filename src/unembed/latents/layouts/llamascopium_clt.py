"""A cross-layer transcoder of Llamascopium: config.json and sae_weights.safetensors.

W_E [layers, d, n], b_E [layers, n]; W_D.o [o + 1, n, d], the decoders into layer o of the layers
before it and of its own; b_D.o [d].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unembed.latents.autoencoder import Weights
from unembed.latents.cross_layer import LayeredAutoencoder
from unembed.latents.description import Activation
from unembed.latents.files import Files, Tensors
from unembed.latents.layouts.common import Asked, hook, positive, threshold_of
from unembed.latents.layouts.layered import Ends, ends_of, layered

NAME = "Llamascopium"
WEIGHTS = "sae_weights.safetensors"
_ACTIVATIONS: dict[str, Activation] = {"relu": "relu", "jumprelu": "jumprelu", "topk": "topk"}


def read(files: Files, config: Mapping[str, Any], asked: Asked) -> LayeredAutoencoder:
    """What these settings and the weights beside them hold."""
    act = config.get("act_fn")
    if act not in _ACTIVATIONS:
        raise files.refusal(
            f"its act_fn {act!r} chooses among the latents of all layers, or of all tokens: it is "
            "not read",
            legal=", ".join(_ACTIVATIONS),
        )
    if config.get("sparsity_include_decoder_norm"):
        raise files.refusal(
            "its latents are chosen by the length of their decoders (sparsity_include_decoder_norm)"
            ", which is not read of a cross-layer transcoder"
        )
    hooks = [_hooks(files, config, way) for way in ("in", "out")]
    files.ask_memory([WEIGHTS])
    tensors = files.tensors(WEIGHTS)
    n_layers = _n_layers(files, tensors, *map(len, hooks))
    scales = [_scales(files, config, tensors, names) for names in hooks]
    return layered(
        files,
        layout=NAME,
        weights=_weights(files, tensors, n_layers, jumps=act == "jumprelu", scales=scales),
        ends=ends_of(asked, n_layers, lambda layer: _places(hooks, layer)),
        activation=_ACTIVATIONS[act],
        k=positive(files, config, "top_k") if act == "topk" else None,
    )


def _hooks(files: Files, config: Mapping[str, Any], way: str) -> list[str]:
    found = config.get(f"hook_points_{way}")
    if not isinstance(found, list) or not found:
        raise files.refusal(f"its settings have no hook_points_{way}, the names of its layers")
    return list(map(str, found))


def _places(hooks: list[list[str]], layer: int) -> Ends:
    return hook(hooks[0][layer]), hook(hooks[1][layer])


def _n_layers(files: Files, tensors: Tensors, n_in: int, n_out: int) -> int:
    found = tensors.get("b_E", None, None).shape[0]
    if not found == n_in == n_out:
        raise files.refusal(
            f"its settings name {n_in} layers that it reads and {n_out} that it writes, its "
            f"tensors have {found}"
        )
    return found


def _scales(
    files: Files, config: Mapping[str, Any], tensors: Tensors, names: list[str]
) -> list[float]:
    """What activations are multiplied with at each hook."""
    said = config.get("norm_activation", "inference")
    if said == "inference":
        return [1.0] * len(names)
    if said != "dataset-wise":
        raise files.refusal(f"its norm_activation {said!r} is not read of a cross-layer transcoder")
    width, found = tensors.get("W_E", None, None, None).shape[1], []
    for name in names:
        length = float(tensors.get(f"dataset_average_activation_norm.{name}"))
        if not length > 0:
            raise files.refusal(f"the mean length of activations at {name} is {length:g}")
        found.append(width**0.5 / length)
    return found


def _weights(
    files: Files, tensors: Tensors, n_layers: int, *, jumps: bool, scales: list[list[float]]
) -> list[Weights]:
    """By layer, with the scales in them: what goes in is multiplied, what comes out divided."""
    b_enc = tensors.get("b_E", n_layers, None)
    n = b_enc.shape[1]
    w_enc = tensors.get("W_E", n_layers, None, n)
    d, (into, out) = w_enc.shape[1], scales
    w_dec = [tensors.get(f"W_D.{layer}", layer + 1, n, d) / out[layer] for layer in range(n_layers)]
    thresholds = _thresholds(files, tensors, n_layers, n) if jumps else [None] * n_layers

    def from_own(layer: int) -> Tensor:
        return torch.stack([w_dec[to][layer] for to in range(layer, n_layers)], 1)

    return [
        Weights(
            W_enc=w_enc[layer] * into[layer],
            W_dec=from_own(layer).reshape(n, -1),
            b_enc=b_enc[layer],
            b_dec=_bias(tensors, layer, d) / out[layer],
            threshold=thresholds[layer],
        )
        for layer in range(n_layers)
    ]


def _bias(tensors: Tensors, layer: int, d: int) -> Tensor:
    found = tensors.maybe(f"b_D.{layer}", d)
    return torch.zeros(d) if found is None else found


def _thresholds(files: Files, tensors: Tensors, n_layers: int, n: int) -> list[Tensor | None]:
    for name in ("activation_function.log_jumprelu_threshold", "log_jumprelu_threshold"):
        if name in tensors:
            return list(tensors.get(name, n_layers, n).exp())
    for name in ("activation_function.threshold", "threshold"):
        if name in tensors:
            return [threshold_of(files, one) for one in tensors.get(name, n_layers, n)]
    raise files.refusal("it is JumpReLU and has no thresholds")
