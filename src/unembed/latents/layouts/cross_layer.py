"""Cross-layer transcoders and crosscoders, of circuit-tracer and Gemma Scope 2: known, and refused.

Each of their latents writes at several layers, which one site and one direction do not say.
"""

from __future__ import annotations

import re

from unembed.latents.autoencoder import Autoencoder
from unembed.latents.files import Files
from unembed.latents.layouts.common import Asked

NAME = "cross-layer transcoders"
_FILES = re.compile(r"(params_layer_\d+|W_(enc|dec)_\d+)\.safetensors")


def recognises(files: Files) -> bool:
    return any(_FILES.fullmatch(name) for name in files.candidates)


def read(files: Files, _asked: Asked) -> Autoencoder:
    raise files.refusal(
        "its latents write at several layers (a cross-layer transcoder or a crosscoder), which is "
        "not read",
        legal="an autoencoder, or a transcoder of one layer",
    )
