"""Families that nobody named: what the engine makes of them is up to its eyes for structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from unembed.models.tiny import random_model

_BASE = {
    "hidden_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 52,
    "max_position_embeddings": 64,
}
_GROUPED = _BASE | {"num_key_value_heads": 2}
_WIDE = _GROUPED | {"head_dim": 12}
_ROBERTA = _BASE | {"max_position_embeddings": 65}
_EXPERTS = _GROUPED | {"num_local_experts": 4, "num_experts_per_tok": 2}
_DECODER = {
    "d_model": 40,
    "decoder_layers": 3,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 52,
}
_MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 12,
    "num_key_value_heads": 4,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 20,
    "n_shared_experts": 1,
}
_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 20}
# by default the stream is rounded to fp32 between blocks, in fp64 models too
_STATE_SPACE = {
    "hidden_size": 40,
    "num_hidden_layers": 3,
    "state_size": 8,
    "residual_in_fp32": False,
}
_MAMBA_HEADS = {
    "mamba_n_heads": 4,
    "mamba_d_head": 20,
    "mamba_d_state": 8,
    "mamba_n_groups": 1,
    "mamba_expand": 2,
    "mamba_chunk_size": 8,
}
_LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "linear_conv_kernel_dim": 3,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
}
_SHARED_EXPERTS = _EXPERTS | {"shared_intermediate_size": 24, "residual_multiplier": 0.6}
# parallel attention and Mamba, every multiplier another number
_PARALLEL_MIXERS = (
    _GROUPED
    | _MAMBA_HEADS
    | {
        "mamba_d_ssm": 80,
        "ssm_out_multiplier": 0.7,
        "attention_out_multiplier": 0.9,
        "attention_in_multiplier": 1.1,
        "key_multiplier": 0.8,
        "mlp_multipliers": [1.2, 0.6],
        "ssm_multipliers": [0.5, 0.6, 0.7, 0.8, 0.9],
        "lm_head_multiplier": 0.5,
        "embedding_multiplier": 1.5,
    }
)
# heads of two sizes; the last two layers use the keys and values of the first two
_PER_LAYER = _WIDE | {
    "num_hidden_layers": 4,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "sliding_window": 4,
    "global_head_dim": 16,
    "vocab_size_per_layer_input": 128,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 2,
    "use_double_wide_mlp": True,
}
_RWKV = {"hidden_size": 40, "num_hidden_layers": 3, "attention_hidden_size": 40}
_NO_PER_LAYER = _PER_LAYER | {"hidden_size_per_layer_input": 0, "num_kv_shared_layers": 0}
_SHORT = {"n_embd": 40, "n_layer": 3, "n_head": 4, "n_positions": 64}
_XLM = {"emb_dim": 40, "n_layers": 3, "n_heads": 4}
_DISENTANGLED = _BASE | {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}

_CAUSAL: dict[str, dict[str, Any]] = {
    "olmo": _GROUPED,
    "olmo3": _GROUPED | {"sliding_window": 4},
    "nemotron": _GROUPED,
    "glm": _WIDE,
    "cohere2": _WIDE | {"sliding_window": 4, "logit_scale": 0.4},
    "helium": _GROUPED | {"head_dim": 10},
    "persimmon": _BASE | {"hidden_size": 48},
    "mpt": {"d_model": 40, "n_heads": 4, "n_layers": 3, "expansion_ratio": 2, "max_seq_len": 64},
    "gpt_bigcode": _SHORT | {"n_inner": 52},
    "xglm": {"d_model": 40, "num_layers": 3, "attention_heads": 4, "ffn_dim": 52},
    "biogpt": _BASE,
    "exaone4": _GROUPED | {"sliding_window": 4},
    "granitemoe": _EXPERTS
    | {"residual_multiplier": 0.6, "embedding_multiplier": 1.7, "logits_scaling": 1.9},
    "gpt_oss": _EXPERTS | {"head_dim": 12, "sliding_window": 4},
    "arcee": _GROUPED,
    "apertus": _GROUPED,
    "seed_oss": _WIDE,
    "ernie4_5": _GROUPED,
    "olmoe": _GROUPED | {"num_experts": 4, "num_experts_per_tok": 2},
    "deepseek_v3": _GROUPED | _MLA,
    "deepseek_v32": _GROUPED | _MLA | {"index_topk": 4, "index_n_heads": 2, "index_head_dim": 16},
    "axk2": _GROUPED | _MLA | {"index_topk": 4, "index_n_heads": 2, "index_head_dim": 16},
    "flex_olmo": _GROUPED | {"num_experts": 4, "num_experts_per_tok": 2},
    "minicpm3": _BASE | _MLA | {"scale_depth": 1.4, "scale_emb": 2},
    "phimoe": _GROUPED | {"num_local_experts": 4},
    "llama4_text": _WIDE
    | {"num_local_experts": 2, "intermediate_size_mlp": 52, "interleave_moe_layer_step": 2},
    "qwen2_moe": _GROUPED | _MOE | {"shared_expert_intermediate_size": 20},
    "nanochat": _GROUPED,
    "minimax": _WIDE
    | {
        "num_local_experts": 2,
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "full_attn_alpha_factor": 1.2,
        "full_attn_beta_factor": 0.9,
        "linear_attn_alpha_factor": 1.3,
        "linear_attn_beta_factor": 0.8,
        "mlp_alpha_factor": 1.1,
        "mlp_beta_factor": 0.7,
    },
    "hunyuan_v1_dense": _WIDE,
    "vaultgemma": _WIDE,
    "diffllama": _GROUPED,
    "bitnet": _GROUPED,
    "gemma3n_text": _WIDE
    | {
        "num_hidden_layers": 4,
        "vocab_size_per_layer_input": 128,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "num_kv_shared_layers": 0,
        "intermediate_size": [52] * 4,
        "activation_sparsity_pattern": [0.0] * 4,
    },
    "modernbert-decoder": _BASE | {"local_attention": 6},
    "bert-generation": _BASE | {"is_decoder": True},
    "megatron-bert": _BASE | {"is_decoder": True},
    "openai-gpt": _SHORT,
    "ctrl": _SHORT | {"dff": 52},
    "xlnet": {"d_model": 40, "n_layer": 3, "n_head": 4, "d_inner": 52},
    "bart": _DECODER | {"encoder_layers": 3, "encoder_attention_heads": 4},
    "trocr": _DECODER,
    "bloom": {
        "hidden_size": 40,
        "n_layer": 3,
        "n_head": 4,
        "apply_residual_connection_post_layernorm": True,
    },
    "mamba": _STATE_SPACE,
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 8,
        "head_dim": 16,
        "num_heads": 4,
        "n_groups": 1,
        "chunk_size": 8,
        "residual_in_fp32": False,
    },
    "falcon_mamba": _STATE_SPACE,
    "bamba": _GROUPED | _MAMBA_HEADS | {"attn_layer_indices": [1]},
    "nemotron_h": _WIDE
    | {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "attention", "mlp", "moe"],
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "moe_intermediate_size": 20,
        "moe_shared_expert_intermediate_size": 20,
        "mamba_num_heads": 4,
        "mamba_head_dim": 16,
        "ssm_state_size": 8,
        "n_groups": 1,
        "chunk_size": 8,
    },
    "qwen3_next": _WIDE | _MOE | _LINEAR | {"shared_expert_intermediate_size": 20},
    "qwen3_5_text": _WIDE | _LINEAR,
    "olmo_hybrid": _GROUPED | _LINEAR,
    "afmoe": _WIDE | _MOE,
    "laguna": _WIDE | _MOE,
    "granite_swa": _GROUPED,
    "granitemoe_swa": _EXPERTS | {"shared_intermediate_size": 0},
    "flint": _WIDE | _MOE | {"sliding_window": 4},
    "mimo_v2_flash": _WIDE
    | {
        "num_key_value_heads": 1,
        "v_head_dim": 8,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 20,
        "n_group": 1,
        "topk_group": 1,
        "sliding_window": 4,
        "layer_types": ["full_attention", "sliding_attention", "full_attention"],
        "mlp_layer_types": ["dense", "sparse", "dense"],
    },
    "kimi_linear": _GROUPED | _LINEAR | _MLA | {"linear_num_heads": 4, "linear_head_dim": 8},
    "rwkv": _RWKV,
    "recurrent_gemma": _BASE
    | {"intermediate_size": 104, "lru_width": 40, "attention_window_size": 4},
    "jamba": _GROUPED | {"num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1},
    "lfm2": _GROUPED | {"full_attn_idxs": [1]},
    "lfm2_moe": _GROUPED
    | _MOE
    | {"layer_types": ["conv", "full_attention", "conv"], "num_dense_layers": 1},
    "lfm3": _GROUPED | {"num_hidden_layers": 3},
    "falcon_h1": _PARALLEL_MIXERS,
    "granitemoeshared": _SHARED_EXPERTS,
    "granitemoehybrid": _SHARED_EXPERTS
    | _MAMBA_HEADS
    | {"layer_types": ["mamba", "attention", "mamba"]},
    "gemma4_text": _PER_LAYER,
    "doge": _GROUPED,
    "gpt_neox_japanese": _BASE | {"intermediate_multiple_size": 2},
    "inkling_text": _GROUPED
    | {
        "head_dim": 12,
        "swa_head_dim": 12,
        "swa_num_attention_heads": 4,
        "swa_num_key_value_heads": 2,
        "sliding_window": 4,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 20,
        "unpadded_vocab_size": 124,
    },
    "zamba": _GROUPED
    | {
        "num_hidden_layers": 5,
        "layers_block_type": ["mamba", "mamba", "hybrid", "mamba", "hybrid"],
        "n_mamba_heads": 2,
        "mamba_d_state": 8,
    },
    "zamba2": _GROUPED
    | {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "n_mamba_heads": 4,
        "mamba_headdim": 20,
        "mamba_ngroups": 1,
        "mamba_d_state": 8,
        "chunk_size": 8,
    },
}

_MASKED: dict[str, dict[str, Any]] = {
    "camembert": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "xlm-roberta-xl": _ROBERTA,
    "data2vec-text": _ROBERTA,
    "roberta-prelayernorm": _ROBERTA,
    "eurobert": _GROUPED,
    "ernie": _BASE,
    "esm": _BASE | {"mask_token_id": 4, "position_embedding_type": "rotary"},
    "layoutlm": _BASE,
    "tapas": _BASE,
    "luke": _BASE | {"entity_vocab_size": 20, "entity_emb_size": 8},
    "megatron-bert": _BASE,
    "rembert": _BASE | {"input_embedding_size": 24, "output_embedding_size": 24},
    "mpnet": _BASE | {"max_position_embeddings": 66},
    "roformer": _BASE,
    "ibert": _BASE,
    "deberta": _DISENTANGLED,
    "deberta-v2": _DISENTANGLED,
    "mobilebert": _BASE
    | {"embedding_size": 24, "true_hidden_size": 20, "intra_bottleneck_size": 20},
    "convbert": _BASE | {"embedding_size": 24, "head_ratio": 1, "conv_kernel_size": 3},
    "squeezebert": _BASE | {"embedding_size": 40},
    "big_bird": _BASE | {"attention_type": "original_full"},
    "longformer": _BASE | {"attention_window": [4] * 3},
    "nystromformer": _BASE,
    "yoso": _BASE,
    "fnet": _BASE,
    "flaubert": _XLM,
    "xlm": _XLM,
    "albert": _BASE | {"embedding_size": 24, "inner_group_num": 2},
}

# What checkpoints of a type switch on that its first fixture does not.
_VARIANTS: dict[str, dict[str, Any]] = {
    "laguna-uneven": _WIDE | _MOE | {"num_attention_heads_per_layer": [4, 2, 4]},
    "gemma4_text-plain": _NO_PER_LAYER,  # no per-layer inputs, no shared keys
    "gemma4_text-one": _NO_PER_LAYER  # keys that are the values, too
    | {"attention_k_eq_v": True, "num_global_key_value_heads": 1},
    "gemma4_text-experts": _NO_PER_LAYER
    | {
        "enable_moe_block": True,
        "num_experts": 4,
        "top_k_experts": 2,
        "moe_intermediate_size": 20,
    },
    # the stream is halved behind every other layer, as in checkpoints behind every sixth
    "rwkv-rescaled": _RWKV | {"num_hidden_layers": 4, "rescale_every": 2},
}

# Modern decoders and BERTs whose parts all have a usual place: everything must work.
COMPLETE = [
    "olmo",
    "olmo3",
    "nemotron",
    "glm",
    "cohere2",
    "helium",
    "persimmon",
    "mpt",
    "gpt_bigcode",
    "xglm",
    "biogpt",
    "exaone4",
    "arcee",
    "granitemoe",
    "seed_oss",
    "ernie4_5",
    "olmoe",
    "phimoe",
    "qwen2_moe",
    "nanochat",
    "minicpm3",
    "esm-masked",
    "gemma4_text-plain",
    "gemma4_text-one",
    "hunyuan_v1_dense",
    "vaultgemma",
    "apertus",
    "gpt_oss",
    "granite_swa",
    "granitemoe_swa",
    "flint",
    "mimo_v2_flash",
    "bitnet",
    "modernbert-decoder",
    "megatron-bert",
    "deepseek_v3",
    "deepseek_v32",
    "axk2",
    "flex_olmo",
    "llama4_text",
    "granitemoeshared",
    "trocr",
    "camembert-masked",
    "xlm-roberta-masked",
    "xlm-roberta-xl-masked",
    "data2vec-text-masked",
    "ernie-masked",
    "roberta-prelayernorm-masked",
    "eurobert-masked",
    "roformer-masked",
    "mpnet-masked",
    "rembert-masked",
]

# Refused, each with the module and the step that is not understood.
HOPELESS = {
    "gemma3n_text": "reads 32 vectors for a prompt of 8 tokens, 4 for each",
    "rwkv-rescaled": "but 0.5 times that",
    "doge": "the vector model.layers.0.input_residual multiplies the stream",
    "gpt_neox_japanese": "the vector gpt_neox_japanese.layers.2.attention.dense_bias is added, too",
    "ibert-masked": "IntLayerNorm), which takes and returns 2 things",
    "xlm-masked": "between them run transformer.layer_norm1.0, transformer.ffns.0",
    "flaubert-masked": "between them run transformer.layer_norm1.0, transformer.ffns.0",
    "longformer-masked": "longformer.encoder.layer.0 (layer 0) reads 12 positions of a prompt of",
}

# Token mixers that are not attention, in some layers or in all: everything else must work.
MIXED = {
    "mamba": "MambaMixer",
    "mamba2": "Mamba2Mixer",
    "falcon_mamba": "FalconMambaMixer",
    "recurrent_gemma": "RecurrentGemmaRecurrentBlock",
    "jamba": "JambaMambaMixer",
    "bamba": "BambaMixer",
    "nemotron_h": "NemotronHMamba2Mixer",
    "lfm2": "Lfm2ShortConv",
    "lfm2_moe": "Lfm2MoeShortConv",
    "lfm3": "Lfm3ShortConv",
    "granitemoehybrid": "GraniteMoeHybridMambaLayer",
    "minimax": "MiniMaxLightningAttention",
    "rwkv": "RwkvSelfAttention",
    "qwen3_next": "Qwen3NextGatedDeltaNet",
    "qwen3_5_text": "Qwen3_5GatedDeltaNet",
    "olmo_hybrid": "OlmoHybridGatedDeltaNet",
    "kimi_linear": "KimiLinearDeltaAttention",
    "fnet-masked": "FNetBasicFourierTransform",
}

# transformers itself cannot run these in fp64.
_FP32_ONLY = ("xglm",)


@dataclass(frozen=True)
class Unlisted:
    model_type: str
    masked: bool
    variant: str = ""  # what is switched on beside what the type's first fixture has

    def __str__(self) -> str:
        parts = (self.model_type, self.variant, "masked" if self.masked else "")
        return "-".join(filter(None, parts))

    def build(self) -> nn.Module:
        config = (_MASKED if self.masked else _CAUSAL | _VARIANTS)[
            f"{self.model_type}-{self.variant}" if self.variant else self.model_type
        ]
        dtype = torch.float32 if self.model_type in _FP32_ONLY else torch.float64
        return random_model(self.model_type, config, masked=self.masked, dtype=dtype)


UNLISTED = [
    *(Unlisted(name, False) for name in _CAUSAL),
    *(Unlisted(name, True) for name in _MASKED),
    *(Unlisted(name.partition("-")[0], False, name.partition("-")[2]) for name in _VARIANTS),
]


def mixing_bitnet() -> nn.Module:
    """BitNet, where a norm before W_O of layer 1 takes the mean of all heads away."""
    module = next(one for one in UNLISTED if str(one) == "bitnet").build()
    module.get_submodule("model.layers.1.self_attn").attn_sub_norm = nn.LayerNorm(40).double()
    return module
