"""Layouts of collections that have one of their own: of OpenAI, Qwen Scope, Goodfire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .parts import (
    LINEAR,
    NAMES,
    Layout,
    Parts,
    Source,
    layer_normed,
    normed_y,
    relu,
    shifted,
    straight,
    top,
)


def _openai(activation: str) -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        held: dict[str, Any] = {
            "pre_bias": p.b_dec,
            "encoder.weight": p.enc.T.contiguous(),
            "latent_bias": p.b_enc,
            "decoder.weight": p.dec.T.contiguous(),
            "stats_last_nonzero": torch.zeros(p.n, dtype=torch.long),
            "activation": activation,
            "activation_state_dict": {"k": p.k, "postact_fn": "ReLU"},
        }
        return Source(
            f"{p.layer}.pt", {}, {f"{p.layer}.pt": held}, "resid_post_mlp_v5/autoencoders"
        )

    return write


def _qwen_scope(p: Parts) -> Source:
    held = {"W_enc": p.enc.T.contiguous(), "W_dec": p.dec.T.contiguous()}
    held |= {"b_enc": p.b_enc, "b_dec": p.b_dec}
    config = {
        "model_type": "topk_sae",
        "base_model": "tiny",
        "d_model": p.d,
        "d_sae": p.n,
        "k": p.k,
        "num_layers": 3,
        "hook_point": "resid_post",
        "dtype": "float32",
    }
    return Source("", {"config.json": config}, {f"layer{p.layer}.sae.pt": held})


def _goodfire(p: Parts) -> Source:
    held = {
        "encoder_linear.weight": p.enc.T.contiguous(),
        "encoder_linear.bias": p.b_enc,
        "decoder_linear.weight": p.dec.T.contiguous(),
        "decoder_linear.bias": p.b_dec,
    }
    return Source("model-l1.pth", {}, {"model-l1.pth": held})


COLLECTIONS = (
    Layout(
        "openai-relu",
        _openai("ReLU"),
        lambda p, x: relu(shifted(p, x)),
        shifts=True,
        roles=LINEAR | {"b_enc": "latent_bias", "b_dec": "pre_bias"},
    ),
    Layout(
        "openai-topk",
        _openai("TopK"),
        lambda p, x: top(shifted(p, layer_normed(x)[0]), p.k),
        shifts=True,
        activation="topk",
        normalise="layer_norm",
        by_hand=normed_y,
        roles=LINEAR | {"b_enc": "latent_bias", "b_dec": "pre_bias"},
    ),
    Layout(
        "qwen-scope",
        _qwen_scope,
        lambda p, x: top(straight(p, x), p.k),
        activation="topk",
        roles=NAMES,
    ),
    Layout(
        "goodfire",
        _goodfire,
        lambda p, x: relu(straight(p, x)),
        place="L1.resid_post",
        roles={
            "enc": "encoder_linear.weight",
            "dec": "decoder_linear.weight",
            "b_enc": "encoder_linear.bias",
            "b_dec": "decoder_linear.bias",
        },
    ),
)
