"""Small configs, made of a type's defaults by the names of their fields.

Widths, counts and lengths have names that families share: each such number of the config, and of
the configs inside it, is replaced by a small one. `BY_HAND` has what that does not bring about.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from transformers import AutoConfig, PretrainedConfig

from .by_hand import BY_HAND

WIDTH, HEADS, KEY_VALUE_HEADS, HEAD, LAYERS, VOCABULARY = 32, 4, 2, 16, 2, 128
MAX_LAYERS = 4
SPECIALS = {"pad": 0, "bos": 1, "eos": 2, "unk": 3, "mask": 4, "cls": 1, "sep": 2}

# The first that fits the whole name of a field says what it becomes.
RULES: tuple[tuple[str, int], ...] = (
    (r".*vocab_size.*", VOCABULARY),
    (r"num_key_value_heads|num_kv_heads|.*_num_key_value_heads|kv_n_heads", KEY_VALUE_HEADS),
    (r"linear_num_key_heads", 2),
    (r".*num_(attention_|value_)?heads|n_heads?|.*attention_heads|num_query_groups", HEADS),
    (r"num_(hidden_)?layers|n_layers?|(en|de)coder_layers|num_(en|de)coder_layers|depth", LAYERS),
    (r"head_dim|d_kv|.*_head_dim|dim_head|attention_head_size|kv_channels", HEAD),
    (r"(qk_rope|qk_nope)_head_dim|rotary_dim", 8),
    (r"hidden_size|d_model|n_embd|dim|emb_dim|.*_hidden_size|embed_dim|hidden_dim", WIDTH),
    (
        r"attention_hidden_size|lru_width|out_hidden_size|projection_dim|adapter_in_dim|adapter_input_size",
        WIDTH,
    ),
    (r"embedding_size|.*_embedding_size|hidden_size_per_layer_input", 24),
    (r".*intermediate_size.*|.*ffn_(hidden_)?(size|dim)|d_ff|d_inner|n_inner|dff|dim_ff", 40),
    (r"(kv|q|o)_lora_rank|.*_rank", 16),
    (r"num_(local_)?experts|n_routed_experts|moe_num_experts|expert_num", 4),
    (r"num_experts_per_tok(en)?|moe_topk|moe_top_k|moe_k|top_k_experts", 2),
    (r"n_group|topk_group|n_groups|num_expert_group|mamba_ngroups|mamba_n_groups", 1),
    (r"first_k_dense_replace|num_dense_layers", 1),
    (
        r"max_position_embeddings|n_positions|.*max_(seq|source|target)_.*|n_ctx|model_max_length",
        64,
    ),
    (r"sliding_window|attention_window(_size)?|local_attention|window_size|index_topk", 4),
    (r"state_size|ssm_state_size|mamba_d_state|.*chunk_size", 8),
    (r"max_window_layers", 1),
    (r"image_size", 16),
    (r"patch_size", 8),
)
KEPT = ("chunk_size_feed_forward", "chunk_size_lm_head", "num_nextn_predict_layers")


def small_config(model_type: str, **overrides: Any) -> PretrainedConfig:
    """A config of this type that builds a model of some thousand weights."""
    small = _small_fields(AutoConfig.for_model(model_type))
    return AutoConfig.for_model(model_type, **(small | BY_HAND.get(model_type, {}) | overrides))


def _small_fields(config: PretrainedConfig) -> dict[str, Any]:
    """What to build the config's class with, for a small one of it."""
    small: dict[str, Any] = {}
    values = _values(config)
    for field in dataclasses.fields(config):
        value = values.get(field.name)
        if isinstance(value, PretrainedConfig):
            by_hand = BY_HAND.get(value.model_type, {})
            small[field.name] = _small_fields(value) | by_hand | {"model_type": value.model_type}
        elif field.name.endswith(("token_id", "token_index")):
            small[field.name] = _special(field.name, value)
        elif isinstance(value, int) and not isinstance(value, bool) and field.name not in KEPT:
            found = _by_rule(field.name, value)
            if found != value and field.default is not None:
                small[field.name] = found
    if "qk_rope_head_dim" in small:  # latent attention has a key for each query head
        small["num_key_value_heads"] = HEADS
    rope = values.get("rope_parameters")
    if isinstance(rope, dict) and rope.get("rope_theta", 0) is None:
        small["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
    return small | _kinds_of_layers(values)


def _values(config: PretrainedConfig) -> dict[str, Any]:
    """The config's fields: configs inside as they are, what varies by layer as it is globally."""
    return config.to_dict() | {
        name: value for name, value in vars(config).items() if isinstance(value, PretrainedConfig)
    }


def _by_rule(name: str, value: int) -> int:
    for pattern, number in RULES:
        if re.fullmatch(pattern, name):
            grows = number == VOCABULARY  # the prompts are in it
            return number if grows else min(value, number) if value > 0 else value
    return value


def _special(name: str, value: Any) -> Any:
    if not isinstance(value, int):
        return value
    known = SPECIALS.get(name.partition("_")[0])
    return known if known is not None else value % 40 + 10


def _kinds_of_layers(values: Mapping[str, Any]) -> dict[str, Any]:
    """So few layers that each kind is there, for configs that list the kind of each."""
    lists = {
        name: value
        for name, value in values.items()
        if isinstance(value, list)
        and len(value) > 1
        and len(value) == values.get("num_hidden_layers")
    }
    kinds = list(zip(*lists.values(), strict=True))
    if not kinds:
        return {}
    chosen = [kinds.index(kind) for kind in dict.fromkeys(kinds)][:MAX_LAYERS]
    chosen = (chosen + [index for index in range(len(kinds)) if index not in chosen])[
        : max(LAYERS, len(chosen))
    ]
    cut = {name: [value[index] for index in sorted(chosen)] for name, value in lists.items()}
    return cut | {"num_hidden_layers": len(chosen)}
