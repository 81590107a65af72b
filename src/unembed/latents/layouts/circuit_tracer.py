"""circuit-tracer: config.yaml and one layer_i.safetensors for each layer, transcoders all.

W_enc [n, d], W_dec [n, d]; JumpReLU where there is a threshold; W_skip is used transposed.
"""

from __future__ import annotations

import re

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import Files
from unembed.latents.layouts.common import (
    Asked,
    hook,
    layer_in,
    made,
    numbered,
    relu_or,
    threshold_of,
    unweighted,
)

NAME = "circuit-tracer"
_LAYER = r"layer_(\d+)\.safetensors$"


def recognises(files: Files) -> bool:
    if not any(re.fullmatch(_LAYER, name) for name in files.candidates):
        return False
    return "feature_input_hook" in files.first_config("config.yaml")


def read(files: Files, asked: Asked) -> Autoencoder:
    config = files.config("config.yaml")
    if config.get("model_kind", "transcoder_set") != "transcoder_set":
        raise files.refusal(
            f"its model_kind {config.get('model_kind')!r} is another than its files"
        )
    name = numbered(files, files.candidates, _LAYER, asked.layer)
    layer = layer_in(name, _LAYER)
    tensors = files.tensors(name)
    b_enc, b_dec = tensors.get("b_enc", None), tensors.get("b_dec", None)
    n, d = len(b_enc), len(b_dec)
    threshold = threshold_of(files, tensors.maybe("activation_function.threshold", n))
    skip = tensors.maybe("W_skip", d, d)
    weights = Weights(
        W_enc=tensors.get("W_enc", n, d).T,
        W_dec=tensors.get("W_dec", n, d),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold,
        skip=None if skip is None else skip.T,
    )
    hook_in, hook_out = (str(config.get(f"feature_{way}_hook")) for way in ("input", "output"))
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="transcoder",
            activation=relu_or(threshold),
            d_in=d,
            d_out=d,
            n=n,
            reads=_of_layer(hook_in, layer),
            writes=_of_layer(hook_out, layer),
            model_name=config.get("model_name"),
            notes=unweighted(hook_in),
        ),
    )


def _of_layer(name: str, layer: int | None) -> SiteKey | None:
    return hook(f"blocks.{layer}.{name}")
