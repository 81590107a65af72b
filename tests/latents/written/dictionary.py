"""Layouts of dictionary_learning, one for each of its classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .parts import (
    JUMP,
    LINEAR,
    NAMES,
    Layout,
    Parts,
    Source,
    gated,
    jump,
    relu,
    shifted,
    straight,
    top,
)


def _dictionary(kind: str) -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        held: dict[str, Any] = {
            "encoder.weight": p.enc.T.contiguous(),
            "decoder.weight": p.dec.T.contiguous(),
        }
        if kind == "AutoEncoder":
            held |= {"bias": p.b_dec, "encoder.bias": p.b_enc}
        elif kind == "AutoEncoderNew":
            held |= {"decoder.bias": p.b_dec, "encoder.bias": p.b_enc}
        elif kind == "GatedAutoEncoder":
            held |= {"decoder_bias": p.b_dec, "gate_bias": p.b_enc}
            held |= {"r_mag": p.r_mag, "mag_bias": p.b_mag}
        elif kind in ("JumpReluAutoEncoder", "MatryoshkaBatchTopKSAE"):
            held = {"W_enc": p.enc, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
        else:
            held |= {"encoder.bias": p.b_enc, "b_dec": p.b_dec}
        if "TopK" in kind:
            batch = "Batch" in kind and p.threshold is not None
            threshold = float(p.threshold[0]) if batch else -1.0
            held |= {"k": torch.tensor(p.k), "threshold": torch.tensor(threshold)}
        elif p.threshold is not None:
            held["threshold"] = p.threshold
        trainer = {
            "trainer_class": "Trainer",
            "dict_class": kind,
            "activation_dim": p.d,
            "dict_size": p.n,
            "k": p.k,
            "layer": p.layer,
            "lm_name": "tiny",
            "submodule_name": f"resid_post_layer_{p.layer}",
        }
        config = {"trainer": trainer, "buffer": {"ctx_len": 128}}
        return Source("", {"config.json": config}, {"ae.pt": held})

    return write


def _whole_batch(p: Parts, x: Tensor) -> Tensor:
    values = relu(shifted(p, x))
    return top(values.reshape(1, -1), p.k * len(x)).reshape(values.shape)


def _length_one(p: Parts, x: Tensor) -> Tensor:
    return relu(shifted(p, x)) * p.dec.norm(dim=-1)  # the same sums, with rows of length 1


DICTIONARY = (
    Layout(
        "dictionary-AutoEncoder",
        _dictionary("AutoEncoder"),
        _length_one,
        shifts=True,
        by_hand=lambda p, f, x: f @ (p.dec / p.dec.norm(dim=-1)[:, None]) + p.b_dec,
        roles=LINEAR | {"b_dec": "bias"},
    ),
    Layout(
        "dictionary-AutoEncoderNew",
        _dictionary("AutoEncoderNew"),
        lambda p, x: relu(straight(p, x)),
        roles=LINEAR | {"b_dec": "decoder.bias"},
    ),
    Layout(
        "dictionary-gated",
        _dictionary("GatedAutoEncoder"),
        gated,
        needs=("r_mag", "b_mag"),
        shifts=True,
        activation="gated",
    ),
    Layout(
        "dictionary-jumprelu",
        _dictionary("JumpReluAutoEncoder"),
        lambda p, x: jump(straight(p, x), p.threshold),
        needs=("threshold",),
        activation="jumprelu",
        roles=JUMP,
    ),
    Layout(
        "dictionary-topk",
        _dictionary("AutoEncoderTopK"),
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=LINEAR,
    ),
    Layout(
        "dictionary-batchtopk",
        _dictionary("BatchTopKSAE"),
        lambda p, x: jump(shifted(p, x), p.threshold[0]),
        needs=("threshold",),
        shifts=True,
        activation="jumprelu",
    ),
    Layout(
        "dictionary-batchtopk-unset",
        _dictionary("BatchTopKSAE"),
        _whole_batch,
        shifts=True,
    ),
    Layout(
        "dictionary-matryoshka",
        _dictionary("MatryoshkaBatchTopKSAE"),
        lambda p, x: jump(shifted(p, x), p.threshold[0]),
        needs=("threshold",),
        shifts=True,
        activation="jumprelu",
        roles=NAMES,
    ),
)
