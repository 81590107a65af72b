"""Layouts of SAELens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .parts import (
    JUMP,
    NAMES,
    TRANSCODED,
    Layout,
    Parts,
    Source,
    gated,
    jump,
    layer_normed,
    normed_y,
    relu,
    shifted,
    straight,
    top,
)


def _saelens(architecture: str, **settings: Any) -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        held = {"W_enc": p.enc, "W_dec": p.dec, "b_dec": p.b_dec}
        gate = architecture == "gated"
        held["b_gate" if gate else "b_enc"] = p.b_enc
        if gate:
            held |= {"r_mag": p.r_mag, "b_mag": p.b_mag}
        if p.threshold is not None:
            held["threshold"] = p.threshold
        if p.skip is not None:
            held["W_skip"] = p.skip.T
        transcodes = architecture.endswith("transcoder")
        hooks = {"hook_name": f"blocks.{p.layer}.hook_resid_post"}
        if transcodes:
            hooks = {
                "hook_name": f"blocks.{p.layer}.hook_mlp_in",
                "hook_name_out": f"blocks.{p.layer}.hook_mlp_out",
            }
        config = {
            "architecture": architecture,
            "d_in": p.d,
            "d_sae": p.n,
            "dtype": "float32",
            "device": "cpu",
            "apply_b_dec_to_input": not transcodes,
            "normalize_activations": "none",
            "reshape_activations": "none",
            "metadata": {"sae_lens_version": "6.54.12", "model_name": "tiny", **hooks},
        }
        if architecture == "topk":
            config["k"] = p.k
        return Source("", {"cfg.json": config | settings}, {"sae_weights.safetensors": held})

    return write


def _saelens_old(p: Parts) -> Source:
    config = {
        "hook_point": f"blocks.{p.layer}.hook_resid_post",
        "hook_point_layer": p.layer,
        "d_in": p.d,
        "d_sae": p.n,
        "activation_fn_str": "topk",
        "activation_fn_kwargs": {"k": p.k},
        "normalize_activations": False,
    }
    held = {"W_enc": p.enc, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
    held["scaling_factor"] = torch.ones(p.n)
    return Source("", {"cfg.json": config}, {"sae_weights.safetensors": held})


def _length_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    return (values @ p.dec + p.b_dec) * x.norm(dim=-1, keepdim=True) / p.d**0.5


def _rescaled(p: Parts, x: Tensor) -> Tensor:
    return top(shifted(p, x) * p.dec.norm(dim=-1), p.k)


SAELENS = (
    Layout(
        "saelens-standard",
        _saelens("standard"),
        lambda p, x: relu(shifted(p, x)),
        shifts=True,
        roles=NAMES,
    ),
    Layout(
        "saelens-5-topk",
        _saelens_old,
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=NAMES,
    ),
    Layout(
        "saelens-topk",
        _saelens("topk", apply_b_dec_to_input=False),
        lambda p, x: top(straight(p, x), p.k),
        activation="topk",
        roles=NAMES,
    ),
    Layout(
        "saelens-topk-rescaled",
        _saelens("topk", rescale_acts_by_decoder_norm=True),
        _rescaled,
        shifts=True,
        activation="topk",
        by_hand=lambda p, f, x: f @ (p.dec / p.dec.norm(dim=-1)[:, None]) + p.b_dec,
    ),
    Layout(
        "saelens-jumprelu",
        _saelens("jumprelu"),
        lambda p, x: jump(shifted(p, x), p.threshold),
        needs=("threshold",),
        shifts=True,
        activation="jumprelu",
        roles=JUMP,
    ),
    Layout(
        "saelens-gated",
        _saelens("gated"),
        gated,
        needs=("r_mag", "b_mag"),
        shifts=True,
        activation="gated",
        roles=NAMES | {"b_enc": "b_gate"},
    ),
    Layout(
        "saelens-layer-norm",
        _saelens("standard", normalize_activations="layer_norm"),
        lambda p, x: relu(shifted(p, layer_normed(x)[0])),
        shifts=True,
        normalise="layer_norm",
        by_hand=normed_y,
        roles=NAMES,
    ),
    Layout(
        "saelens-length",
        _saelens("standard", normalize_activations="constant_norm_rescale"),
        lambda p, x: relu(shifted(p, x * p.d**0.5 / x.norm(dim=-1, keepdim=True))),
        shifts=True,
        normalise="length",
        by_hand=_length_y,
    ),
    Layout(
        "saelens-skip-transcoder",
        _saelens("jumprelu_skip_transcoder"),
        lambda p, x: jump(straight(p, x), p.threshold),
        where=TRANSCODED,
        needs=("threshold", "skip"),
        activation="jumprelu",
        roles=JUMP,
    ),
)
