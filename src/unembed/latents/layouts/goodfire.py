"""Goodfire: one .pt or .pth of two linear layers, and no settings; ReLU, nothing taken off."""

from __future__ import annotations

from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import PICKLES, Files
from unembed.latents.layouts.common import Asked, layer_in, made

NAME = "Goodfire"


def recognises(files: Files) -> bool:
    return _file(files) is not None


def read(files: Files, asked: Asked) -> Autoencoder | None:
    tensors = files.tensors(str(_file(files)))
    if "encoder_linear.weight" not in tensors:
        return None
    b_enc = tensors.get("encoder_linear.bias", None)
    b_dec = tensors.get("decoder_linear.bias", None)
    n, d = len(b_enc), len(b_dec)
    layer = layer_in(files.source, r"-l(\d+)\b")
    site = asked.reads
    notes = () if layer is None else (f"its name says layer {layer}",)
    return made(
        files,
        Weights(
            tensors.get("encoder_linear.weight", n, d).T,
            tensors.get("decoder_linear.weight", d, n).T,
            b_enc,
            b_dec,
        ),
        Description(
            layout=NAME,
            kind="sae",
            activation="relu",
            d_in=d,
            d_out=d,
            n=n,
            reads=site,
            writes=site,
            notes=notes,
        ),
    )


def _file(files: Files) -> str | None:
    found = [name for name in files.candidates if name.endswith(PICKLES)]
    return found[0] if len(found) == 1 else None
