"""Gemma Scope 2 (Gemma 3): config.json and params.safetensors, of one layer.

w_enc [d_in, n], w_dec [n, d_out]; JumpReLU; affine_skip_connection [d_in, d_out], untransposed.
"""

from __future__ import annotations

from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked, hook, made, number, threshold_of

NAME = "Gemma Scope 2"
WEIGHTS = "params.safetensors"


def recognises(files: Files) -> bool:
    if not (files.has("config.json") and files.has(WEIGHTS)):
        return False
    return "hf_hook_point_in" in files.config("config.json")


def read(files: Files, _asked: Asked) -> Autoencoder:
    config = files.config("config.json")
    if config.get("architecture") not in ("jump_relu", "jumprelu"):
        raise files.refusal(f"its architecture {config.get('architecture')!r} is not known")
    tensors = files.tensors(WEIGHTS)
    b_enc, b_dec = tensors.get("b_enc", None), tensors.get("b_dec", None)
    n, d_out = len(b_enc), len(b_dec)
    is_transcoder = config.get("type") == "transcoder"
    d_in = tensors.get("w_enc", None, n).shape[0] if is_transcoder else d_out
    width = number(files, config, "width")
    if width is not None and width != n:
        raise files.refusal(f"its settings say width {width:g}, its tensors have {n}")
    affine = "affine_skip_connection" in tensors
    if bool(config.get("affine_connection")) != affine:
        raise files.refusal("its settings and its tensors disagree on affine_skip_connection")
    weights = Weights(
        W_enc=tensors.get("w_enc", d_in, n),
        W_dec=tensors.get("w_dec", n, d_out),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold_of(files, tensors.get("threshold", n)),
        skip=tensors.maybe("affine_skip_connection", d_in, d_out),
    )
    reads = hook(config["hf_hook_point_in"])
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="transcoder" if is_transcoder else "sae",
            activation="jumprelu",
            d_in=d_in,
            d_out=d_out,
            n=n,
            reads=reads,
            writes=hook(config.get("hf_hook_point_out")) if is_transcoder else reads,
            declared_l0=number(files, config, "l0"),
            model_name=config.get("model_name"),
        ),
    )
