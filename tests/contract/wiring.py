"""Where each family keeps its parts, written down by hand from transformers' modeling files.

This is the independent oracle of the tests: the engine finds the same parts by structure and may
not read this table, and this table knows nothing of the engine. Paths start at one block, but those
of `blocks`, `final` and `unembedding` at the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from unembed.models.tiny import FAMILIES, VARIANTS, is_masked

Layout = Literal["sequential", "parallel", "post"]
Attention = Literal["interface", "gptj", "codegen", "gpt_neo", "bloom", "falcon"]


@dataclass(frozen=True)
class Wiring:
    """The parts of one family. Norms are paths of modules, None where the block has none."""

    blocks: str
    attn: str  # the module that calls the attention kernel
    qkv: tuple[str, ...]  # the maps whose common input is attn_in
    o_proj: str
    mlp: str
    mlp_first: tuple[str, ...]  # the maps whose common input is mlp_in
    act: str
    mlp_out: str
    unembedding: str
    final: Callable[[nn.Module, Tensor], Tensor]  # last residual -> what the unembedding multiplies
    layout: Layout = "sequential"
    attention: Attention = "interface"
    gate: str | None = None  # the map whose output goes through the activation, if there are two
    up: str | None = None
    gate_up: str | None = None  # both in one map: the gate is the first half of its output
    attn_norm: str | None = None  # resid_pre -> attn_in
    mlp_norm: str | None = None  # resid_mid -> mlp_in
    attn_added: str | None = None  # the module whose output is added, if not o_proj
    mlp_added: str | None = None
    attn_post: str | None = None  # layout "post": LN(resid_pre + attn_out) = resid_mid
    mlp_post: str | None = None
    residual_multiplier: float = 1.0
    logit_scale: float = 1.0
    logit_cap: float | None = None
    moe_layers: tuple[int, ...] = ()
    # The model's own kernel rounds its pattern to fp32 whatever the dtype of the model.
    fp32_pattern: bool = False

    @property
    def gated(self) -> bool:
        return self.gate is not None or self.gate_up is not None


def _module(path: str) -> Callable[[nn.Module, Tensor], Tensor]:
    return lambda model, states: model.get_submodule(path)(states)


def _chain(*steps: str | Callable[[Tensor], Tensor]) -> Callable[[nn.Module, Tensor], Tensor]:
    def run(model: nn.Module, states: Tensor) -> Tensor:
        for step in steps:
            states = model.get_submodule(step)(states) if isinstance(step, str) else step(states)
        return states

    return run


def _below(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


_LLAMA = Wiring(
    blocks="model.layers",
    attn="self_attn",
    qkv=_below("self_attn", "q_proj", "k_proj", "v_proj"),
    o_proj="self_attn.o_proj",
    mlp="mlp",
    mlp_first=_below("mlp", "gate_proj", "up_proj"),
    act="mlp.act_fn",
    gate="mlp.gate_proj",
    up="mlp.up_proj",
    mlp_out="mlp.down_proj",
    attn_norm="input_layernorm",
    mlp_norm="post_attention_layernorm",
    final=_module("model.norm"),
    unembedding="lm_head",
)
_GPT2 = Wiring(
    blocks="transformer.h",
    attn="attn",
    qkv=("attn.c_attn",),
    o_proj="attn.c_proj",
    mlp="mlp",
    mlp_first=("mlp.c_fc",),
    act="mlp.act",
    mlp_out="mlp.c_proj",
    attn_norm="ln_1",
    mlp_norm="ln_2",
    final=_module("transformer.ln_f"),
    unembedding="lm_head",
)
_GPTJ = replace(
    _GPT2,
    qkv=_below("attn", "k_proj", "v_proj", "q_proj"),
    o_proj="attn.out_proj",
    mlp_first=("mlp.fc_in",),
    mlp_out="mlp.fc_out",
    mlp_norm="ln_1",
    layout="parallel",
    attention="gptj",
    fp32_pattern=True,
)
_NEOX = Wiring(
    blocks="gpt_neox.layers",
    attn="attention",
    qkv=("attention.query_key_value",),
    o_proj="attention.dense",
    mlp="mlp",
    mlp_first=("mlp.dense_h_to_4h",),
    act="mlp.act",
    mlp_out="mlp.dense_4h_to_h",
    attn_norm="input_layernorm",
    mlp_norm="post_attention_layernorm",
    final=_module("gpt_neox.final_layer_norm"),
    unembedding="lm_head",
    layout="parallel",
)
_BLOOM = replace(
    _NEOX,
    blocks="transformer.h",
    attn="self_attention",
    qkv=("self_attention.query_key_value",),
    o_proj="self_attention.dense",
    act="mlp.gelu_impl",
    final=_module("transformer.ln_f"),
    layout="sequential",
    attention="bloom",
    fp32_pattern=True,
)
_FALCON = replace(
    _BLOOM,
    act="mlp.act",
    mlp_norm="input_layernorm",
    layout="parallel",
    attention="falcon",
    fp32_pattern=False,
)
_OPT = Wiring(
    blocks="model.decoder.layers",
    attn="self_attn",
    qkv=_below("self_attn", "q_proj", "k_proj", "v_proj"),
    o_proj="self_attn.out_proj",
    mlp="fc1",
    mlp_first=("fc1",),
    act="activation_fn",
    mlp_out="fc2",
    attn_norm="self_attn_layer_norm",
    mlp_norm="final_layer_norm",
    final=_module("model.decoder.final_layer_norm"),
    unembedding="lm_head",
)
_PHI = replace(
    _LLAMA,
    o_proj="self_attn.dense",
    mlp_first=("mlp.fc1",),
    act="mlp.activation_fn",
    gate=None,
    up=None,
    mlp_out="mlp.fc2",
    mlp_norm="input_layernorm",
    final=_module("model.final_layernorm"),
    layout="parallel",
)
_FUSED = replace(
    _LLAMA,
    mlp_first=("mlp.gate_up_proj",),
    act="mlp.activation_fn",
    gate=None,
    up=None,
    gate_up="mlp.gate_up_proj",
)
_SANDWICH = replace(
    _LLAMA,
    mlp_norm="pre_feedforward_layernorm",
    attn_added="post_attention_layernorm",
    mlp_added="post_feedforward_layernorm",
)
_BERT = Wiring(
    blocks="bert.encoder.layer",
    attn="attention.self",
    qkv=_below("attention.self", "query", "key", "value"),
    o_proj="attention.output.dense",
    mlp="intermediate",
    mlp_first=("intermediate.dense",),
    act="intermediate.intermediate_act_fn",
    mlp_out="output.dense",
    attn_post="attention.output.LayerNorm",
    mlp_post="output.LayerNorm",
    final=_module("cls.predictions.transform"),
    unembedding="cls.predictions.decoder",
    layout="post",
)

_FAMILY: dict[str, Wiring] = {
    "gpt2": _GPT2,
    "gpt_neo": replace(
        _GPT2,
        attn="attn.attention",
        qkv=_below("attn.attention", "k_proj", "v_proj", "q_proj"),
        o_proj="attn.attention.out_proj",
        attention="gpt_neo",
        fp32_pattern=True,
    ),
    "gptj": _GPTJ,
    "gpt_neox": replace(_NEOX, unembedding="lm_head"),
    "codegen": replace(_GPTJ, qkv=("attn.qkv_proj",), attention="codegen"),
    "bloom": _BLOOM,
    "opt": _OPT,
    "falcon": _FALCON,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": replace(_LLAMA, moe_layers=(0, 1, 2)),
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": replace(_LLAMA, moe_layers=(0, 2)),
    "gemma": _LLAMA,
    "gemma2": replace(_SANDWICH, logit_cap=5.0, fp32_pattern=True),
    "gemma3": _SANDWICH,
    "phi": _PHI,
    "phi3": replace(_FUSED, qkv=("self_attn.qkv_proj",)),
    "olmo2": replace(
        _LLAMA,
        attn_norm=None,
        mlp_norm=None,
        attn_added="post_attention_layernorm",
        mlp_added="post_feedforward_layernorm",
    ),
    "stablelm": _LLAMA,
    "starcoder2": replace(
        _LLAMA,
        mlp_first=("mlp.c_fc",),
        act="mlp.act",
        gate=None,
        up=None,
        mlp_out="mlp.c_proj",
    ),
    "cohere": replace(_LLAMA, mlp_norm="input_layernorm", layout="parallel", logit_scale=0.35),
    "granite": replace(_LLAMA, residual_multiplier=0.6, logit_scale=1 / 1.9),
    "glm4": replace(_FUSED, attn_added="post_self_attn_layernorm", mlp_added="post_mlp_layernorm"),
    "smollm3": _LLAMA,
    "bert": _BERT,
    "roberta": replace(
        _BERT,
        blocks="roberta.encoder.layer",
        final=_chain("lm_head.dense", gelu, "lm_head.layer_norm"),
        unembedding="lm_head.decoder",
    ),
    "distilbert": Wiring(
        blocks="distilbert.transformer.layer",
        attn="attention",
        qkv=_below("attention", "q_lin", "k_lin", "v_lin"),
        o_proj="attention.out_lin",
        mlp="ffn",
        mlp_first=("ffn.lin1",),
        act="ffn.activation",
        mlp_out="ffn.lin2",
        attn_post="sa_layer_norm",
        mlp_post="output_layer_norm",
        final=_chain("vocab_transform", gelu, "vocab_layer_norm"),
        unembedding="vocab_projector",
        layout="post",
    ),
    "albert": Wiring(
        blocks="albert.encoder.albert_layer_groups",
        attn="attention",
        qkv=_below("attention", "query", "key", "value"),
        o_proj="attention.dense",
        mlp="ffn",
        mlp_first=("ffn",),
        act="activation",
        mlp_out="ffn_output",
        attn_post="attention.LayerNorm",
        mlp_post="full_layer_layer_norm",
        final=_chain("predictions.dense", "predictions.activation", "predictions.LayerNorm"),
        unembedding="predictions.decoder",
        layout="post",
    ),
    "electra": replace(
        _BERT,
        blocks="electra.encoder.layer",
        final=_chain("generator_predictions.dense", gelu, "generator_predictions.LayerNorm"),
        unembedding="generator_lm_head",
    ),
    "modernbert": Wiring(
        blocks="model.layers",
        attn="attn",
        qkv=("attn.Wqkv",),
        o_proj="attn.Wo",
        mlp="mlp",
        mlp_first=("mlp.Wi",),
        act="mlp.act",
        gate_up="mlp.Wi",
        mlp_out="mlp.Wo",
        attn_norm="attn_norm",
        mlp_norm="mlp_norm",
        final=_chain("model.final_norm", "head"),
        unembedding="decoder",
    ),
}

_VARIANT: dict[str, Wiring] = {
    "gpt2-inverse-layer": _GPT2,
    "gpt_neox-sequential": replace(_NEOX, layout="sequential"),
    "opt-post-norm": replace(
        _OPT,
        attn_norm=None,
        mlp_norm=None,
        attn_post="self_attn_layer_norm",
        mlp_post="final_layer_norm",
        final=_module("model.decoder.project_out"),
        layout="post",
    ),
    "falcon-new": replace(_FALCON, attn_norm="ln_attn", mlp_norm="ln_mlp"),
    "falcon-new-one-norm": _FALCON,
    "falcon-sequential": replace(_FALCON, mlp_norm="post_attention_layernorm", layout="sequential"),
    "falcon-alibi": replace(_FALCON, mlp_norm="post_attention_layernorm", layout="sequential"),
    "llama-biased": _LLAMA,
    "gemma3-capped": replace(_SANDWICH, logit_cap=5.0),
    "phi-qk-norm": _PHI,
    "stablelm-parallel": replace(_LLAMA, mlp_norm="input_layernorm", layout="parallel"),
    "albert-two-groups": _FAMILY["albert"],
    "qwen3_moe-dense-last": replace(_LLAMA, moe_layers=(0, 1)),
}

NAMES: tuple[str, ...] = (*FAMILIES, *_VARIANT)
"""Every family and variant that the engine must work on."""

REPRESENTATIVES: tuple[str, ...] = (
    *("gpt2", "gptj", "bloom", "falcon-new", "opt-post-norm"),
    *("gemma2", "gemma3", "olmo2", "glm4", "cohere", "granite", "mixtral", "qwen3_moe"),
    *("bert", "albert", "modernbert"),
)
"""One of each way of computing (`ways_of`): for what is computed from what the engine gives.

The engine itself is held against all of `NAMES`; what reads its runs and maps asks no family.
"""

ODD: tuple[str, ...] = tuple(name for name in VARIANTS if name not in _VARIANT)
"""Variants that the engine may refuse, with a sentence, but may not get wrong."""


def wiring(name: str) -> Wiring:
    return _FAMILY[name] if name in _FAMILY else _VARIANT[name]


def ways_of(name: str) -> dict[str, object]:
    """How a family puts a block and its head together: the same ways are the same lines."""
    wired = wiring(name)
    norms = (wired.attn_norm, wired.mlp_norm)
    return {
        "layout": wired.layout,
        "gate": "none" if not wired.gated else "fused" if wired.gate is None else "own",
        "norms before": "none" if norms == (None, None) else len(set(norms)),
        "norms behind": wired.attn_added is not None,
        "residual multiplier": wired.residual_multiplier != 1,
        "logit scale": wired.logit_scale != 1,
        "logit cap": wired.logit_cap is not None,
        "experts": "none" if not wired.moe_layers else 1 in wired.moe_layers,
        "rounded pattern": wired.fp32_pattern,
        "masked": is_masked(name),
        "shared blocks": name.startswith("albert"),
    }


def blocks(name: str, model: nn.Module) -> list[nn.Module]:
    """One block per layer; the same module several times where layers share it."""
    found = list(model.get_submodule(wiring(name).blocks))
    if not name.startswith("albert"):
        return found
    layers, groups = model.config.num_hidden_layers, len(found)
    return [found[layer * groups // layers].albert_layers[0] for layer in range(layers)]


def weight_and_bias(linear: nn.Module) -> tuple[Tensor, Tensor]:
    """The matrix that multiplies from the right, and the bias, of a Linear or a Conv1D."""
    weight = linear.weight if type(linear).__name__ == "Conv1D" else linear.weight.T
    bias = getattr(linear, "bias", None)
    return weight, torch.zeros_like(weight[0]) if bias is None else bias
