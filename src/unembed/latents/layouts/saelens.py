"""SAELens, from 6 on and before: cfg.json and sae_weights.safetensors.

W_enc [d_in, n], W_dec [n, d_out]. BatchTopK and Matryoshka are saved as JumpReLU.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Activation, Description, Normalise
from unembed.latents.files import Files, Tensors
from unembed.latents.layouts.common import (
    Asked,
    agree,
    hook,
    made,
    positive,
    threshold_of,
    unweighted,
)

NAME = "SAELens"
WEIGHTS = "sae_weights.safetensors"
_ACTIVATIONS: dict[str, Activation] = {
    "standard": "relu",
    "topk": "topk",
    "abstopk": "abstopk",
    "batchtopk": "batchtopk",
    "jumprelu": "jumprelu",
    "gated": "gated",
    "transcoder": "relu",
    "skip_transcoder": "relu",
    "jumprelu_transcoder": "jumprelu",
    "jumprelu_skip_transcoder": "jumprelu",
}
_NORMALISED: dict[str, Normalise] = {
    "none": "none",
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "length",
    "expected_average_only_in": "none",  # with a factor, below
}


def recognises(files: Files) -> bool:
    if not files.has("cfg.json") or not files.has(WEIGHTS):
        return False
    return "d_sae" in files.config("cfg.json")


def read(files: Files, asked: Asked) -> Autoencoder:
    config = _current(files.config("cfg.json"))
    tensors = files.tensors(WEIGHTS)
    architecture = config["architecture"]
    if architecture not in _ACTIVATIONS:
        raise files.refusal(
            f"its architecture {architecture!r} is not known",
            legal=", ".join(sorted(_ACTIVATIONS)),
        )
    is_transcoder = architecture.endswith("transcoder")
    b_dec = tensors.get("b_dec", None)
    d_out = len(b_dec)
    activation = _ACTIVATIONS[architecture]
    b_enc = tensors.get("b_gate" if activation == "gated" else "b_enc", None)
    n = len(b_enc)
    d_in = tensors.get("W_enc", None, n).shape[0] if is_transcoder else d_out
    agree(files, "d_in", config.get("d_in"), d_in)
    agree(files, "d_sae", config.get("d_sae"), n)
    weights = Weights(
        W_enc=tensors.get("W_enc", d_in, n),
        W_dec=tensors.get("W_dec", n, d_out),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=_threshold(files, tensors, activation, n),
        r_mag=tensors.get("r_mag", n) if activation == "gated" else None,
        b_mag=tensors.get("b_mag", n) if activation == "gated" else None,
        skip=_skip(tensors, architecture, d_in, d_out),
    )
    _check_tuned(files, tensors, n)
    return made(files, weights, _described(files, config, weights, activation, asked))


def _described(
    files: Files, config: Mapping[str, Any], weights: Weights, activation: Activation, asked: Asked
) -> Description:
    is_transcoder = config["architecture"].endswith("transcoder")
    name, out = config.get("hook_name"), config.get("hook_name_out")
    reads = hook(name)
    scale, notes = _factor(files, config, asked), unweighted(name)
    if config.get("reshape_activations") == "hook_z" and reads is None:
        notes = (*notes, f"it reads the results of all heads, at {name}")
    centred = bool((config.get("model_from_pretrained_kwargs") or {}).get("center_writing_weights"))
    if centred:
        notes = (*notes, "it was trained on a model whose writing weights are centred")
    return Description(
        layout=NAME,
        kind="transcoder" if is_transcoder else "sae",
        activation=activation,
        d_in=weights.W_enc.shape[0],
        d_out=weights.W_dec.shape[1],
        n=weights.W_enc.shape[1],
        reads=reads,
        writes=hook(out) if is_transcoder else reads,
        k=positive(files, config, "k") if activation in ("topk", "abstopk", "batchtopk") else None,
        subtract_bias=bool(config.get("apply_b_dec_to_input", True)) and not is_transcoder,
        normalise=_normalised(files, config),
        scale_in=scale,
        scale_out=scale,
        decoder_norm="values" if config.get("rescale_acts_by_decoder_norm") else "none",
        centred=centred and reads is not None and reads.site.startswith("resid"),
        model_name=config.get("model_name"),
        notes=notes,
    )


def _current(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as version 6 has them, in one table, with the defaults of before."""
    found = {**config, **(config.get("metadata") or {})}
    for old, new in (("hook_point", "hook_name"), ("activation_fn_str", "activation_fn")):
        if old in found:
            found.setdefault(new, found[old])
    normalised = found.get("normalize_activations")
    if normalised is None or isinstance(normalised, bool):
        found["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    found.setdefault("architecture", "standard")
    if found.get("activation_fn") == "topk" and found["architecture"] == "standard":
        found["architecture"] = "topk"
        found["k"] = (found.get("activation_fn_kwargs") or {}).get("k")
    return found


def _normalised(files: Files, config: Mapping[str, Any]) -> Normalise:
    said = config["normalize_activations"]
    if said not in _NORMALISED:
        raise files.refusal(
            f"its normalize_activations {said!r} is not known", legal=", ".join(_NORMALISED)
        )
    return _NORMALISED[said]


def _factor(files: Files, config: Mapping[str, Any], asked: Asked) -> float:
    """What activations are multiplied with; it stands in no file of this layout."""
    if config["normalize_activations"] != "expected_average_only_in":
        return 1.0 if asked.scale is None else asked.scale
    found = asked.scale or config.get("norm_scaling_factor")
    if not isinstance(found, int | float) or not found > 0:
        raise files.refusal(
            "its activations were scaled by a factor (expected_average_only_in) that is in none of "
            "its files",
            fix="ue.load_sae(source, scale=FACTOR), the norm_scaling_factor of its release: "
            "sqrt(d_in) over the mean length of the activations",
        )
    return float(found)


def _threshold(files: Files, tensors: Tensors, activation: Activation, n: int) -> Tensor | None:
    if activation == "jumprelu":
        return threshold_of(files, tensors.get("threshold", n))
    if "threshold" in tensors and activation != "batchtopk":
        raise files.refusal(f"it is {activation}, and has thresholds: is it JumpReLU?")
    return None


def _skip(tensors: Tensors, architecture: str, d_in: int, d_out: int) -> Tensor | None:
    if "skip" in architecture:
        return tensors.get("W_skip", d_out, d_in).T
    if "W_skip" in tensors:
        raise tensors.files.refusal(f"it is a {architecture}, and has W_skip")
    return None


def _check_tuned(files: Files, tensors: Tensors, n: int) -> None:
    """Refuse scaling factors of old files, which are ones unless they were tuned."""
    factor = tensors.maybe("scaling_factor", n)
    if factor is not None and not torch.allclose(factor, torch.ones_like(factor)):
        raise files.refusal(
            "its latents have scaling factors that were tuned after training, which are not read",
            fix="fold scaling_factor into W_dec",
        )
