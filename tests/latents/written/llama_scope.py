"""Layouts of Llama Scope, and of Llamascopium, which trained it."""

from __future__ import annotations

import torch
from torch import Tensor

from .parts import LINEAR, Layout, Parts, Source, jump, straight, top


def _llama_scope(p: Parts) -> Source:
    # one threshold for all, in the units of the activations before they are scaled
    held = {"encoder.weight": p.enc.T, "decoder.weight": p.dec.T}
    held |= {"encoder.bias": p.b_enc, "decoder.bias": p.b_dec}
    name = f"blocks.{p.layer}.hook_resid_post"
    config = {
        "hook_point_in": name,
        "hook_point_out": name,
        "d_model": p.d,
        "d_sae": p.n,
        "expansion_factor": p.n // p.d,
        "jump_relu_threshold": float(p.threshold[0]) / p.scale,
        "dataset_average_activation_norm": {"in": p.d**0.5 / p.scale, "out": p.d**0.5 / p.scale},
    }
    return Source("", {"hyperparams.json": config}, {"checkpoints/final.safetensors": held})


def _llamascopium(p: Parts, by_norm: bool = False) -> Source:
    name = f"blocks.{p.layer}.hook_resid_post"
    held = {"W_E": p.enc, "W_D": p.dec, "b_E": p.b_enc, "b_D": p.b_dec}
    held[f"dataset_average_activation_norm.{name}"] = torch.tensor(p.d**0.5 / p.scale)
    config = {
        "sae_type": "sae",
        "d_model": p.d,
        "expansion_factor": p.n // p.d,
        "use_decoder_bias": True,
        "act_fn": "topk",
        "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": by_norm,
        "top_k": p.k,
        "hook_point_in": name,
        "hook_point_out": name,
    }
    return Source("", {"config.json": config}, {"sae_weights.safetensors": held})


def _scaled_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    return (values @ p.dec + p.b_dec) / p.scale


def _chosen_by_norm(p: Parts, x: Tensor) -> Tensor:
    lengths = p.dec.norm(dim=-1)
    return top(straight(p, x * p.scale) * lengths, p.k) / lengths


LLAMA_SCOPE = (
    Layout(
        "llama-scope",
        _llama_scope,
        lambda p, x: jump(straight(p, x * p.scale), p.threshold[0]),
        needs=("threshold", "scale"),
        activation="jumprelu",
        by_hand=_scaled_y,
        roles=LINEAR | {"b_dec": "decoder.bias"},
    ),
    Layout(
        "llamascopium",
        _llamascopium,
        lambda p, x: top(straight(p, x * p.scale), p.k),
        needs=("scale",),
        activation="topk",
        by_hand=_scaled_y,
        roles={"enc": "W_E", "dec": "W_D", "b_enc": "b_E", "b_dec": "b_D"},
    ),
    Layout(
        "llamascopium-by-norm",
        lambda p: _llamascopium(p, by_norm=True),
        _chosen_by_norm,
        needs=("scale",),
        activation="topk",
        by_hand=_scaled_y,
    ),
)
