"""dictionary_learning: ae.pt and config.json, whose dict_class says how to read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Activation, Description, Open
from unembed.latents.files import Files, Tensors
from unembed.latents.layouts.common import Asked, agree, hook, made, positive, threshold_of

NAME = "dictionary_learning"
WEIGHTS = "ae.pt"
_ACTIVATIONS: dict[str, Activation] = {
    "AutoEncoder": "relu",
    "AutoEncoderNew": "relu",
    "GatedAutoEncoder": "gated",
    "JumpReluAutoEncoder": "jumprelu",
    "AutoEncoderTopK": "topk",
    "BatchTopKSAE": "batchtopk",
    "MatryoshkaBatchTopKSAE": "batchtopk",
}
_SUBTRACTS = ("AutoEncoder", "GatedAutoEncoder", *(name for name in _ACTIVATIONS if "TopK" in name))
_TRANSPOSED = ("JumpReluAutoEncoder", "MatryoshkaBatchTopKSAE")  # W_enc [d, n]; others as nn.Linear
_BIAS = {
    "AutoEncoder": "bias",
    "AutoEncoderNew": "decoder.bias",
    "GatedAutoEncoder": "decoder_bias",
}


def recognises(files: Files) -> bool:
    if not (files.has(WEIGHTS) and files.has("config.json")):
        return False
    return "dict_class" in (files.config("config.json").get("trainer") or {})


def read(files: Files, asked: Asked) -> Autoencoder:
    config = files.config("config.json")["trainer"]
    kind = config["dict_class"]
    if "crosscoder" in str(kind).lower():
        raise files.refusal(
            f"its dict_class {kind} is a crosscoder of activations that are stacked outside of the "
            "files, often of two models: nothing in them says which sites those are",
            legal=", ".join(_ACTIVATIONS),
        )
    if kind not in _ACTIVATIONS:
        raise files.refusal(f"its dict_class {kind!r} is not known", legal=", ".join(_ACTIVATIONS))
    tensors = files.tensors(WEIGHTS)
    b_dec = tensors.get(_BIAS.get(kind, "b_dec"), None)
    d, place = len(b_dec), _place(config) or asked.reads
    agree(files, "activation_dim", config.get("activation_dim"), d)
    weights = _weights(files, tensors, kind, b_dec)
    agree(files, "dict_size", config.get("dict_size"), weights.W_enc.shape[1])
    activation = _ACTIVATIONS[kind]
    unsaid: tuple[Open, ...] = ("subtract_bias",) if kind == "JumpReluAutoEncoder" else ()
    notes: tuple[str, ...] = ()
    if activation == "batchtopk" and weights.threshold is None:
        notes = ("it has no threshold: the largest of a whole prompt are kept",)
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="sae",
            activation=activation,
            d_in=d,
            d_out=d,
            n=weights.W_enc.shape[1],
            reads=place,
            writes=place,
            k=positive(files, config, "k") if "topk" in activation else None,
            subtract_bias=kind in _SUBTRACTS,
            model_name=config.get("lm_name"),
            open=unsaid,
            notes=notes,
        ),
    )


def _weights(files: Files, tensors: Tensors, kind: str, b_dec: Tensor) -> Weights:
    d = len(b_dec)
    if kind in _TRANSPOSED:
        b_enc = tensors.get("b_enc", None)
        n = len(b_enc)
        w_enc, w_dec = tensors.get("W_enc", d, n), tensors.get("W_dec", n, d)
    else:
        b_enc = tensors.get("gate_bias" if kind == "GatedAutoEncoder" else "encoder.bias", None)
        n = len(b_enc)
        w_enc, w_dec = tensors.get("encoder.weight", n, d).T, tensors.get("decoder.weight", d, n).T
    if kind == "AutoEncoder":  # its own loader gives the decoder's rows length 1: the same sums
        lengths = w_dec.norm(dim=-1).clamp_min(1e-30)
        w_enc, b_enc, w_dec = w_enc * lengths, b_enc * lengths, w_dec / lengths[:, None]
    gated = kind == "GatedAutoEncoder"
    return Weights(
        W_enc=w_enc,
        W_dec=w_dec,
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=_threshold(files, tensors, kind, n),
        r_mag=tensors.get("r_mag", n) if gated else None,
        b_mag=tensors.get("mag_bias", n) if gated else None,
    )


def _threshold(files: Files, tensors: Tensors, kind: str, n: int) -> Tensor | None:
    if kind == "JumpReluAutoEncoder":
        return threshold_of(files, tensors.get("threshold", n))
    if _ACTIVATIONS[kind] != "batchtopk" or "threshold" not in tensors:
        return None
    found = tensors.get("threshold")  # one number; below zero: it was never set
    return None if float(found) < 0 else found.expand(n).clone()


def _place(config: Mapping[str, Any]) -> SiteKey | None:
    """`submodule_name` is the user's own word for it: "resid_post_layer_8", "mlp_out_layer3"."""
    name, layer = str(config.get("submodule_name", "")), config.get("layer")
    if found := re.search(r"(resid_pre|resid_mid|resid_post|attn_out|mlp_out)", name):
        at = re.search(r"layer_?(\d+)", name)
        number = int(at[1]) if at else layer
        return SiteKey(found[1], number) if isinstance(number, int) else None
    return hook(name)
