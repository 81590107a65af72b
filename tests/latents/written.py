"""Files of every layout, written from the layouts' own descriptions, and what they mean, by hand.

Nothing here knows how the package reads them. A `Parts` is what an autoencoder is made of, with the
encoder [d_in, n] and the decoder [n, d_out] as formulas have them; each layout turns and names them
as its files do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor


@dataclass
class Parts:
    """Tensors of one autoencoder, and the numbers that some layouts have beside them."""

    enc: Tensor
    dec: Tensor
    b_enc: Tensor
    b_dec: Tensor
    threshold: Tensor | None = None
    r_mag: Tensor | None = None
    b_mag: Tensor | None = None
    skip: Tensor | None = None  # y gets x @ skip
    k: int = 3
    scale: float = 1.0  # what activations are multiplied with
    layer: int = 1

    @property
    def d(self) -> int:
        return self.enc.shape[0]

    @property
    def n(self) -> int:
        return self.enc.shape[1]


@dataclass
class Source:
    """Files in memory: settings and tensors by the file's name."""

    main: str  # what is given to load_sae, relative to the folder; "" for the folder
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    folder: str = "sae"

    def save(self, where: Path) -> Path:
        folder = where / self.folder
        for name, config in self.configs.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(config) if name.endswith("json") else yaml.safe_dump(config)
            path.write_text(text, "utf-8")
        for name, held in self.tensors.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".safetensors"):
                save_file({key: one.contiguous() for key, one in held.items()}, path)
            elif name.endswith(".npz"):
                np.savez(path, **{key: one.numpy() for key, one in held.items()})
            else:
                torch.save(held, path)
        return folder / self.main if self.main else folder


# ------------------------------------------------------------------ formulas, by hand


def relu(pre: Tensor) -> Tensor:
    return pre * (pre > 0)


def top(pre: Tensor, k: int) -> Tensor:
    found = torch.zeros_like(pre)
    for row in range(len(pre)):
        for place in sorted(range(pre.shape[1]), key=lambda one: -float(pre[row, one]))[:k]:
            found[row, place] = max(float(pre[row, place]), 0.0)
    return found


def jump(pre: Tensor, threshold: Tensor) -> Tensor:
    return relu(pre) * (pre > threshold)


def shifted(p: Parts, x: Tensor) -> Tensor:
    return (x - p.b_dec) @ p.enc + p.b_enc


def straight(p: Parts, x: Tensor) -> Tensor:
    return x @ p.enc + p.b_enc


def gated(p: Parts, x: Tensor) -> Tensor:
    x = x - p.b_dec
    return (x @ p.enc + p.b_enc > 0) * relu(x @ (p.enc * p.r_mag.exp()) + p.b_mag)


def layer_normed(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    mean = x.mean(-1, keepdim=True)
    spread = ((x - mean).square().sum(-1, keepdim=True) / (x.shape[-1] - 1)).sqrt() + 1e-5
    return (x - mean) / spread, mean, spread


@dataclass(frozen=True)
class Layout:
    """A layout: what it writes, and what that means."""

    name: str
    write: Callable[[Parts], Source]
    values: Callable[[Parts, Tensor], Tensor]  # latents of x
    place: str | None = None  # the site, where the files do not say
    where: str = "L1.resid_post"  # that they then belong to
    needs: tuple[str, ...] = ()  # parts beside the four
    shifts: bool = False
    activation: str = "relu"
    normalise: str = ""
    roles: dict[str, str] = field(default_factory=dict)  # enc, dec, b_enc, b_dec, threshold -> name
    by_hand: Callable[[Parts, Tensor, Tensor], Tensor] | None = None  # y of latents and x

    def y(self, p: Parts, x: Tensor) -> Tensor:
        values = self.values(p, x)
        if self.by_hand is not None:
            return self.by_hand(p, values, x)
        return values @ p.dec + p.b_dec + (0 if p.skip is None else x @ p.skip)


# ------------------------------------------------------------------ the layouts


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


def _gemma_scope(p: Parts) -> Source:
    held = {"W_enc": p.enc, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
    held["threshold"] = p.threshold
    folder = f"gemma-scope-2b-pt-res/layer_{p.layer}/width_16k/average_l0_0"
    return Source("", {}, {"params.npz": held}, folder)


def _gemma_scope_2(kind: str) -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        into = f"model.layers.{p.layer}.output"
        out = into
        if kind == "transcoder":
            into = f"model.layers.{p.layer}.pre_feedforward_layernorm.output"
            out = f"model.layers.{p.layer}.post_feedforward_layernorm.output"
        held = {"w_enc": p.enc, "w_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
        held["threshold"] = p.threshold
        if p.skip is not None:
            held["affine_skip_connection"] = p.skip
        config = {
            "hf_hook_point_in": into,
            "hf_hook_point_out": out,
            "width": p.n,
            "model_name": "google/gemma-3-270m-pt",
            "architecture": "jump_relu",
            "affine_connection": p.skip is not None,
            "type": kind,
        }
        return Source("", {"config.json": config}, {"params.safetensors": held})

    return write


def _circuit_tracer(p: Parts) -> Source:
    held = {"W_enc": p.enc.T, "W_dec": p.dec, "b_enc": p.b_enc, "b_dec": p.b_dec}
    if p.threshold is not None:
        held["activation_function.threshold"] = p.threshold
    if p.skip is not None:
        held["W_skip"] = p.skip.T
    config = {
        "model_name": "tiny",
        "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in",
        "feature_output_hook": "hook_mlp_out",
        "scan": "none",
    }
    name = f"layer_{p.layer}.safetensors"
    return Source("", {"config.yaml": config}, {name: held})


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


def _sparsify(transcode: bool, activation: str = "topk") -> Callable[[Parts], Source]:
    def write(p: Parts) -> Source:
        held = {"encoder.weight": p.enc.T, "encoder.bias": p.b_enc}
        held |= {"W_dec": p.dec, "b_dec": p.b_dec}
        if p.skip is not None:
            held["W_skip"] = p.skip.T
        config = {
            "activation": activation,
            "expansion_factor": 32,
            "normalize_decoder": True,
            "num_latents": p.n,
            "k": p.k,
            "multi_topk": False,
            "skip_connection": p.skip is not None,
            "transcode": transcode,
            "d_in": p.d,
        }
        folder = f"layers.{p.layer}{'.mlp' if transcode else ''}"
        return Source("", {"cfg.json": config}, {"sae.safetensors": held}, folder)

    return write


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


_NAMES = {"enc": "W_enc", "dec": "W_dec", "b_enc": "b_enc", "b_dec": "b_dec"}
_JUMP = _NAMES | {"threshold": "threshold"}
_LOWER = _JUMP | {"enc": "w_enc", "dec": "w_dec"}
_LINEAR = {
    "enc": "encoder.weight",
    "dec": "decoder.weight",
    "b_enc": "encoder.bias",
    "b_dec": "b_dec",
}
TRANSCODED = "L1.mlp_in>L1.mlp_out"


def _scaled_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    return (values @ p.dec + p.b_dec) / p.scale


def _normed_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    _, mean, spread = layer_normed(x)
    return (values @ p.dec + p.b_dec) * spread + mean


def _length_y(p: Parts, values: Tensor, x: Tensor) -> Tensor:
    return (values @ p.dec + p.b_dec) * x.norm(dim=-1, keepdim=True) / p.d**0.5


def _groups(p: Parts, x: Tensor) -> Tensor:
    values = relu(shifted(p, x))
    found, size = torch.zeros_like(values), p.n // p.k
    for row in range(len(values)):
        for group in range(p.k):
            own = values[row, group * size : (group + 1) * size]
            found[row, group * size + int(own.argmax())] = own.max()
    return found


def _rescaled(p: Parts, x: Tensor) -> Tensor:
    return top(shifted(p, x) * p.dec.norm(dim=-1), p.k)


def _chosen_by_norm(p: Parts, x: Tensor) -> Tensor:
    lengths = p.dec.norm(dim=-1)
    return top(straight(p, x * p.scale) * lengths, p.k) / lengths


def _whole_batch(p: Parts, x: Tensor) -> Tensor:
    values = relu(shifted(p, x))
    return top(values.reshape(1, -1), p.k * len(x)).reshape(values.shape)


def _length_one(p: Parts, x: Tensor) -> Tensor:
    return relu(shifted(p, x)) * p.dec.norm(dim=-1)  # the same sums, with rows of length 1


LAYOUTS = (
    Layout(
        "saelens-standard",
        _saelens("standard"),
        lambda p, x: relu(shifted(p, x)),
        shifts=True,
        roles=_NAMES,
    ),
    Layout(
        "saelens-5-topk",
        _saelens_old,
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=_NAMES,
    ),
    Layout(
        "saelens-topk",
        _saelens("topk", apply_b_dec_to_input=False),
        lambda p, x: top(straight(p, x), p.k),
        activation="topk",
        roles=_NAMES,
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
        roles=_JUMP,
    ),
    Layout(
        "saelens-gated",
        _saelens("gated"),
        gated,
        needs=("r_mag", "b_mag"),
        shifts=True,
        activation="gated",
        roles=_NAMES | {"b_enc": "b_gate"},
    ),
    Layout(
        "saelens-layer-norm",
        _saelens("standard", normalize_activations="layer_norm"),
        lambda p, x: relu(shifted(p, layer_normed(x)[0])),
        shifts=True,
        normalise="layer_norm",
        by_hand=_normed_y,
        roles=_NAMES,
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
        roles=_JUMP,
    ),
    Layout(
        "gemma-scope",
        _gemma_scope,
        lambda p, x: jump(straight(p, x), p.threshold),
        needs=("threshold",),
        activation="jumprelu",
        roles=_JUMP,
    ),
    Layout(
        "gemma-scope-2",
        _gemma_scope_2("sae"),
        lambda p, x: jump(straight(p, x), p.threshold),
        needs=("threshold",),
        activation="jumprelu",
        roles=_LOWER,
    ),
    Layout(
        "gemma-scope-2-transcoder",
        _gemma_scope_2("transcoder"),
        lambda p, x: jump(straight(p, x), p.threshold),
        where=TRANSCODED,
        needs=("threshold", "skip"),
        activation="jumprelu",
        roles=_LOWER,
    ),
    Layout(
        "circuit-tracer",
        _circuit_tracer,
        lambda p, x: jump(straight(p, x), p.threshold),
        where=TRANSCODED,
        needs=("threshold", "skip"),
        activation="jumprelu",
        roles=_NAMES | {"threshold": "activation_function.threshold"},
    ),
    Layout(
        "circuit-tracer-relu",
        _circuit_tracer,
        lambda p, x: relu(straight(p, x)),
        where=TRANSCODED,
        roles=_NAMES,
    ),
    Layout(
        "llama-scope",
        _llama_scope,
        lambda p, x: jump(straight(p, x * p.scale), p.threshold[0]),
        needs=("threshold", "scale"),
        activation="jumprelu",
        by_hand=_scaled_y,
        roles=_LINEAR | {"b_dec": "decoder.bias"},
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
    Layout(
        "sparsify",
        _sparsify(False),
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=_LINEAR | {"dec": "W_dec"},
    ),
    Layout(
        "sparsify-groupmax",
        _sparsify(False, "groupmax"),
        _groups,
        shifts=True,
        activation="groupmax",
    ),
    Layout(
        "sparsify-skip-transcoder",
        _sparsify(True),
        lambda p, x: top(straight(p, x), p.k),
        where=TRANSCODED,
        needs=("skip",),
        activation="topk",
        roles=_LINEAR | {"dec": "W_dec"},
    ),
    Layout(
        "openai-relu",
        _openai("ReLU"),
        lambda p, x: relu(shifted(p, x)),
        shifts=True,
        roles=_LINEAR | {"b_enc": "latent_bias", "b_dec": "pre_bias"},
    ),
    Layout(
        "openai-topk",
        _openai("TopK"),
        lambda p, x: top(shifted(p, layer_normed(x)[0]), p.k),
        shifts=True,
        activation="topk",
        normalise="layer_norm",
        by_hand=_normed_y,
        roles=_LINEAR | {"b_enc": "latent_bias", "b_dec": "pre_bias"},
    ),
    Layout(
        "dictionary-AutoEncoder",
        _dictionary("AutoEncoder"),
        _length_one,
        shifts=True,
        by_hand=lambda p, f, x: f @ (p.dec / p.dec.norm(dim=-1)[:, None]) + p.b_dec,
        roles=_LINEAR | {"b_dec": "bias"},
    ),
    Layout(
        "dictionary-AutoEncoderNew",
        _dictionary("AutoEncoderNew"),
        lambda p, x: relu(straight(p, x)),
        roles=_LINEAR | {"b_dec": "decoder.bias"},
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
        roles=_JUMP,
    ),
    Layout(
        "dictionary-topk",
        _dictionary("AutoEncoderTopK"),
        lambda p, x: top(shifted(p, x), p.k),
        shifts=True,
        activation="topk",
        roles=_LINEAR,
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
        roles=_NAMES,
    ),
    Layout(
        "qwen-scope",
        _qwen_scope,
        lambda p, x: top(straight(p, x), p.k),
        activation="topk",
        roles=_NAMES,
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


def random_parts(layout: Layout, d: int = 6, n: int = 12, seed: int = 0) -> Parts:
    """Tensors of no meaning."""
    torch.manual_seed(seed)
    made = Parts(torch.randn(d, n), torch.randn(n, d), torch.randn(n), torch.randn(d))
    one = layout.name.startswith(("llama-scope", "dictionary-batch", "dictionary-matr"))
    every = {
        "threshold": torch.full((n,), 0.4) if one else torch.rand(n),
        "r_mag": torch.randn(n) / 2,
        "b_mag": torch.randn(n),
        "skip": torch.randn(d, d),
        "scale": 1.7,
    }
    return replace(made, **{name: every[name] for name in layout.needs})
