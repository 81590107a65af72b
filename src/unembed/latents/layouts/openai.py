"""OpenAI's sparse_autoencoder: one .pt, whose state dict says the activation.

encoder.weight [n, d], decoder.weight [d, n]; pre_bias is taken off and added; TopK ones normalise
each token's activation and bring what is written back.
"""

from __future__ import annotations

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.files import PICKLES, Files
from unembed.latents.layouts.common import Asked, layer_in, made, positive

NAME = "OpenAI"
_SITES = (
    ("mlp_post_act", "mlp_post"),
    ("resid_delta_attn", "attn_out"),
    ("resid_delta_mlp", "mlp_out"),
    ("resid_post_attn", "resid_mid"),
    ("resid_post_mlp", "resid_post"),
)


def recognises(files: Files) -> bool:
    """A .pt with no settings beside it; its names are looked at when it is read."""
    return files.main is not None and files.main.endswith(PICKLES)


def read(files: Files, asked: Asked) -> Autoencoder | None:
    tensors = files.tensors(str(files.main))
    if "pre_bias" not in tensors or "latent_bias" not in tensors:
        return None
    b_enc, b_dec = tensors.get("latent_bias", None), tensors.get("pre_bias", None)
    n, d = len(b_enc), len(b_dec)
    activation = tensors.values.get("activation", "ReLU")
    if activation not in ("ReLU", "TopK"):
        raise files.refusal(f"its activation {activation!r} is not known", legal="ReLU, TopK")
    weights = Weights(
        W_enc=tensors.get("encoder.weight", n, d).T,
        W_dec=tensors.get("decoder.weight", d, n).T,
        b_enc=b_enc,
        b_dec=b_dec,
    )
    top = activation == "TopK"
    place = _place(files.source) or asked.reads
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="sae",
            activation="topk" if top else "relu",
            d_in=d,
            d_out=d,
            n=n,
            reads=place,
            writes=place,
            k=positive(files, tensors.values, "activation_state_dict.k") if top else None,
            subtract_bias=True,
            normalise="layer_norm" if top else "none",
        ),
    )


def _place(source: str) -> SiteKey | None:
    """`…/resid_post_mlp_v5_32k/autoencoders/7.pt`."""
    layer = layer_in(source, r"/(\d+)\.pth?$")
    found = next((site for name, site in _SITES if name in source), None)
    return None if layer is None or found is None else SiteKey(found, layer)
