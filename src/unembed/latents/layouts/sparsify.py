"""EleutherAI's sparsify: a folder for each hook point, with cfg.json and sae.safetensors.

encoder.weight [n, d], W_dec [n, d]; TopK after ReLU; b_dec is taken off unless it is a transcoder.
"""

from __future__ import annotations

from pathlib import PurePath

from unembed.engine.targets import SiteKey
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description, Open
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked, agree, hook, made, positive

NAME = "sparsify"
WEIGHTS = "sae.safetensors"
_ACTIVATIONS = ("topk", "groupmax")


def recognises(files: Files) -> bool:
    return files.has("cfg.json") and files.has(WEIGHTS)


def read(files: Files, asked: Asked) -> Autoencoder:
    config = files.config("cfg.json")
    if config.get("signed"):
        raise files.refusal("its latents are signed, which is not read")
    activation = config.get("activation", "topk")
    if activation not in _ACTIVATIONS:
        raise files.refusal(f"its activation {activation!r} is not known", legal="topk, groupmax")
    tensors = files.tensors(WEIGHTS)
    b_enc, b_dec = tensors.get("encoder.bias", None), tensors.get("b_dec", None)
    n, d = len(b_enc), len(b_dec)
    agree(files, "d_in", config.get("d_in"), d)
    agree(files, "num_latents", config.get("num_latents") or None, n)
    skips = bool(config.get("skip_connection", False))
    if skips != ("W_skip" in tensors):
        raise files.refusal("its settings and its tensors disagree on a skip connection (W_skip)")
    weights = Weights(
        W_enc=tensors.get("encoder.weight", n, d).T,
        W_dec=tensors.get("W_dec", n, d),
        b_enc=b_enc,
        b_dec=b_dec,
        skip=tensors.get("W_skip", d, d).T if skips else None,
    )
    said = config.get("transcode")
    transcodes = skips if said is None else bool(said)
    unsaid: tuple[Open, ...] = ("subtract_bias",) if said is None and skips else ()
    k = positive(files, config, "k")
    if activation == "groupmax" and n % k:
        raise files.refusal(f"its {n} latents do not make {k} groups")
    reads, writes = _place(files, transcodes, asked)
    return made(
        files,
        weights,
        Description(
            layout=NAME,
            kind="transcoder" if transcodes else "sae",
            activation="groupmax" if activation == "groupmax" else "topk",
            d_in=d,
            d_out=d,
            n=n,
            reads=reads,
            writes=writes,
            k=k,
            subtract_bias=not transcodes,
            open=unsaid,
        ),
    )


def _place(files: Files, transcodes: bool, asked: Asked) -> tuple[SiteKey | None, SiteKey | None]:
    """The folder is called as the module whose output is modelled."""
    said = files.config("cfg.json").get("metadata") or {}  # where `saving` wrote it
    if told := hook(said.get("hook_name")):
        return told, hook(said.get("hook_name_out"))
    source = PurePath(files.source)
    found = hook((source.parent if files.main else source).name) or asked.reads
    if found is not None and transcodes and found.site == "mlp_out":
        return SiteKey("mlp_in", found.layer), found
    return found, found
