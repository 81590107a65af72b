"""Gemma Scope (Gemma 2): params.npz, and no settings; the path says the layer and the L0.

W_enc [d_in, n], W_dec [n, d_out]; JumpReLU; b_dec is not taken off.
"""

from __future__ import annotations

import re

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import Files
from unembed.latents.layouts.common import UNWEIGHTED, Asked, layer_in, made, threshold_of

NAME = "Gemma Scope"
WEIGHTS = "params.npz"
_SITES = {"res": "resid_post", "mlp": "mlp_out", "att": "z", "transcoders": "mlp_in"}


def recognises(files: Files) -> bool:
    return files.has(WEIGHTS) and files.main in (None, WEIGHTS)


def read(files: Files, asked: Asked) -> Autoencoder:
    tensors = files.tensors(WEIGHTS)
    lower = "w_enc" in tensors
    names = {name: name.lower() if lower else name for name in ("W_enc", "W_dec")}
    b_enc, b_dec = tensors.get("b_enc", None), tensors.get("b_dec", None)
    n, d = len(b_enc), len(b_dec)
    if "scaling_factor" in tensors:
        raise files.refusal("it has a scaling_factor, which is not read")
    weights = Weights(
        W_enc=tensors.get(names["W_enc"], d, n),
        W_dec=tensors.get(names["W_dec"], n, d),
        b_enc=b_enc,
        b_dec=b_dec,
        threshold=threshold_of(files, tensors.get("threshold", n)),
    )
    reads, writes = _place(files.source, asked)
    l0 = layer_in(files.source, r"average_l0_(\d+)")
    is_transcoder = reads is not None and reads != writes
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
            declared_l0=None if l0 is None else float(l0),
            model_name="google/gemma-2" if "gemma-scope" in files.source else None,
            notes=(UNWEIGHTED,) if is_transcoder else (),
        ),
    )


def _place(source: str, asked: Asked) -> tuple[SiteKey | None, SiteKey | None]:
    """What the names of the repository and the folder say."""
    layer = layer_in(source, r"layer_(\d+)")
    kind = re.search(r"gemma-scope-\w+-(?:pt|it)-(res|mlp|att|transcoders)", source)
    if "embedding/" in source:
        return SiteKey("embed", None), SiteKey("embed", None)
    if layer is None or kind is None:
        return asked.reads, asked.writes
    reads = SiteKey(_SITES[kind[1]], layer)
    return reads, SiteKey("mlp_out", layer) if kind[1] == "transcoders" else reads
