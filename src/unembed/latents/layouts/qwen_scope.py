"""Qwen-Scope: config.json and one layern.sae.pt for each layer.

Named as SAELens names them, and both transposed: W_enc [n, d], W_dec [d, n]. TopK of what comes
behind a block; b_dec is not taken off.
"""

from __future__ import annotations

import re

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked, agree, layer_in, made, numbered, positive

NAME = "Qwen-Scope"
_LAYER = r"layer(\d+)\.sae\.pt$"


def recognises(files: Files) -> bool:
    return any(re.fullmatch(_LAYER, name) for name in files.candidates) and files.has("config.json")


def read(files: Files, asked: Asked) -> Autoencoder:
    config = files.config("config.json")
    if config.get("model_type") != "topk_sae":
        raise files.refusal(f"its model_type {config.get('model_type')!r} is not known")
    if config.get("hook_point", "resid_post") != "resid_post":
        raise files.refusal(f"its hook_point {config['hook_point']!r} is not known")
    name = numbered(files, files.candidates, _LAYER, asked.layer)
    layer = layer_in(name, _LAYER)
    tensors = files.tensors(name)
    b_enc, b_dec = tensors.get("b_enc", None), tensors.get("b_dec", None)
    n, d = len(b_enc), len(b_dec)
    agree(files, "d_model", config.get("d_model"), d)
    agree(files, "d_sae", config.get("d_sae"), n)
    place = SiteKey("resid_post", layer)
    return made(
        files,
        Weights(tensors.get("W_enc", n, d).T, tensors.get("W_dec", d, n).T, b_enc, b_dec),
        Description(
            layout=NAME,
            kind="sae",
            activation="topk",
            d_in=d,
            d_out=d,
            n=n,
            reads=place,
            writes=place,
            k=positive(files, config, "k"),
            model_name=config.get("base_model"),
        ),
    )
