"""Writes an autoencoder as SAELens and sparsify read it, each file whole or not at all.

SAELens (6) has no TopK transcoder: that is written in sparsify's layout.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from unembed.errors import InputError, LoadError
from unembed.latents.autoencoder import Autoencoder
from unembed.latents.description import Activation, Kind
from unembed.latents.layouts import saelens, sparsify
from unembed.latents.layouts.common import hook_name
from unembed.models.store import flush

CONFIG = "cfg.json"  # written last: without it the folder holds no autoencoder
_SAELENS: dict[tuple[Kind, Activation, bool], str] = {  # by kind, activation, whether it skips
    ("sae", "topk", False): "topk",
    ("sae", "relu", False): "standard",
    ("sae", "jumprelu", False): "jumprelu",
    ("transcoder", "relu", False): "transcoder",
    ("transcoder", "relu", True): "skip_transcoder",
    ("transcoder", "jumprelu", False): "jumprelu_transcoder",
    ("transcoder", "jumprelu", True): "jumprelu_skip_transcoder",
}


def layout_of(kind: Kind, activation: Activation) -> str:
    """In which layout one of this kind is written."""
    return sparsify.NAME if (kind, activation) == ("transcoder", "topk") else saelens.NAME


def weights_file(layout: str) -> str:
    """The file of weights beside cfg.json."""
    return sparsify.WEIGHTS if layout == sparsify.NAME else saelens.WEIGHTS


def save_sae(sae: Autoencoder, folder: Path, about: Mapping[str, Any]) -> None:
    """Write it into a folder that is there, in the layout that its description says.

    Args:
        about: plain values that go into cfg.json beside what the layout has: where it comes from.

    Raises:
        InputError: a form that neither layout has.
        LoadError: the disk is full, or the folder cannot be written.
    """
    write = _sparsify if sae.description.layout == sparsify.NAME else _saelens
    config, tensors = write(sae, about)
    save_tensors(tensors, folder / weights_file(sae.description.layout))
    with whole(folder / CONFIG) as path:
        path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")


def _saelens(sae: Autoencoder, about: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    says, held = sae.description, sae.weights
    named = held.named()
    key = (says.kind, says.activation, held.skip is not None)
    plain = (says.normalise, says.decoder_norm, says.scale_in, says.scale_out, says.centred)
    if key not in _SAELENS or plain != ("none", "none", 1.0, 1.0, False):
        raise InputError(f"SAELens has no form for the {says.words}", field="sae")
    if "skip" in named:
        named["W_skip"] = named.pop("skip").T
    sites = {"hook_name": hook_name(says.reads)}
    if says.kind == "transcoder":
        sites["hook_name_out"] = hook_name(says.writes)
    config = {
        "architecture": _SAELENS[key],
        "d_in": says.d_in,
        "d_sae": says.n,
        "dtype": str(held.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": says.subtract_bias,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if says.reads and says.reads.site == "z" else "none",
        # SAELens takes a folder without a version for one of before 6
        "metadata": {**sites, "sae_lens_version": "6.0.0", **about},
    }
    if says.kind == "transcoder":
        config["d_out"] = says.d_out
    if says.k is not None:
        config |= {"k": says.k, "rescale_acts_by_decoder_norm": False}
    return config, named


def _sparsify(sae: Autoencoder, about: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    says, held = sae.description, sae.weights
    if says.d_in != says.d_out:
        raise InputError(
            f"no layout has a TopK transcoder from {says.d_in} to {says.d_out} numbers",
            field="activation",
            value="topk",
            legal='"batchtopk" or "jumprelu"',
        )
    tensors = {
        "encoder.weight": held.W_enc.T,
        "encoder.bias": held.b_enc,
        "W_dec": held.W_dec,
        "b_dec": held.b_dec,
    }
    if held.skip is not None:
        tensors["W_skip"] = held.skip.T
    config = {
        "activation": "topk",
        "d_in": says.d_in,
        "num_latents": says.n,
        "k": says.k,
        "normalize_decoder": True,
        "transcode": True,
        "skip_connection": held.skip is not None,
        # sparsify drops what it does not know
        "metadata": {
            "hook_name": hook_name(says.reads), "hook_name_out": hook_name(says.writes), **about,
        },
    }  # fmt: skip
    return config, tensors


# ---------------------------------------------------------------- files


def save_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """A file of tensors, whole or as it was before. Raises LoadError."""
    held = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
    with whole(path) as beside:
        save_file(held, beside, metadata=None if metadata is None else dict(metadata))


def sweep(folder: Path, *names: str) -> None:
    """Remove what a kill left of files of these names: half of one, beside its place.

    Half of what safetensors itself writes beside that, first, has a name of its own.
    """
    for pattern in (*(f".{name}.*" for name in names), ".tmp??????"):
        for beside in folder.glob(pattern):
            beside.unlink(missing_ok=True)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A name to write to, which takes the place of `path` when it is whole. Raises LoadError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield beside
        flush(beside)
        os.replace(beside, path)
        flush(path.parent)
    except (OSError, SafetensorError) as error:
        raise LoadError(
            f"{path.name} cannot be written to {path.parent}: "
            f"{getattr(error, 'strerror', None) or str(error).splitlines()[0]}",
            field="folder",
            value=str(path.parent),
            fix="make room there, or choose a folder that can be written",
        ) from error
    finally:
        beside.unlink(missing_ok=True)
