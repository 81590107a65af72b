"""Tiny random models, one per architecture, and a tokenizer to go with them.

Promises: the same name, dtype and seed give the same weights on every machine, and the fp64 model
is the fp32 model to the last bit. Every bias and every norm weight is random and every multiplier,
soft cap and window that a family has is on, so that an engine that forgets one of them gives
visibly different numbers. Knows transformers' configs; knows nothing of anatomy, and no part of the
engine may learn from this table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

VOCAB_SIZE = 128
MAX_POSITIONS = 64
PAD, BOS, EOS, UNK, MASK = range(5)

_COMMON = {"vocab_size": VOCAB_SIZE, "pad_token_id": PAD, "bos_token_id": BOS, "eos_token_id": EOS}
_SHAPE = {"hidden_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4}
_DECODER = _SHAPE | {"intermediate_size": 52, "max_position_embeddings": MAX_POSITIONS}
_GROUPED = _DECODER | {"num_key_value_heads": 2}
_GPTJ_LIKE = {
    "n_embd": 48,
    "n_layer": 3,
    "n_head": 8,
    "rotary_dim": 4,
    "n_positions": MAX_POSITIONS,
    "n_inner": 52,
}


def _partial_rotary(fraction: float) -> dict[str, object]:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": fraction}
    return {"rope_parameters": rope}


_CAUSAL: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 40, "n_layer": 3, "n_head": 4, "n_positions": MAX_POSITIONS, "n_inner": 52},
    "gpt_neo": {
        "hidden_size": 40,
        "num_layers": 4,
        "num_heads": 4,
        "intermediate_size": 52,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 4,
        "max_position_embeddings": MAX_POSITIONS,
    },
    "gptj": _GPTJ_LIKE,
    "gpt_neox": _DECODER | _partial_rotary(0.4),
    "codegen": _GPTJ_LIKE,
    "bloom": {"hidden_size": 40, "n_layer": 3, "n_head": 4},
    "opt": _SHAPE | {"ffn_dim": 52, "max_position_embeddings": MAX_POSITIONS},
    "falcon": _SHAPE | {"ffn_hidden_size": 52, "bias": True},
    "llama": _GROUPED,
    "mistral": _GROUPED | {"head_dim": 12, "sliding_window": 4},
    # Experts' widths are multiples of 8: torch's grouped product asks for that in bfloat16.
    "mixtral": _GROUPED
    | {
        "intermediate_size": 56,
        "num_local_experts": 4,
        "num_experts_per_tok": 2,
        "sliding_window": 5,
    },
    "qwen2": _GROUPED | {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
    "qwen3": _GROUPED | {"head_dim": 12},
    "qwen3_moe": _GROUPED
    | {
        "head_dim": 12,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 24,
        "mlp_only_layers": [1],
        "norm_topk_prob": True,
    },
    "gemma": _GROUPED | {"head_dim": 14},
    "gemma2": _GROUPED
    | {
        "head_dim": 12,
        "sliding_window": 4,
        "query_pre_attn_scalar": 9,
        "attn_logit_softcapping": 2.0,
        "final_logit_softcapping": 5.0,
    },
    "gemma3": _GROUPED
    | {
        "num_hidden_layers": 4,
        "head_dim": 12,
        "sliding_window": 4,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "query_pre_attn_scalar": 9,
    },
    "phi": _GROUPED | _partial_rotary(0.4),
    "phi3": _GROUPED | {"sliding_window": 4},
    "olmo2": _GROUPED,
    "stablelm": _GROUPED | {"use_qkv_bias": True} | _partial_rotary(0.4),
    "starcoder2": _GROUPED | {"sliding_window": 4},
    "cohere": _GROUPED | {"logit_scale": 0.35, "use_qk_norm": True},
    "granite": _GROUPED
    | {
        "embedding_multiplier": 1.7,
        "residual_multiplier": 0.6,
        "attention_multiplier": 0.45,
        "logits_scaling": 1.9,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "glm4": _GROUPED | {"head_dim": 12} | _partial_rotary(0.5),
    "smollm3": _GROUPED
    | {
        "no_rope_layers": [1, 0, 1],
        "use_sliding_window": True,
        "sliding_window": 4,
    },
}

_MASKED: dict[str, dict[str, Any]] = {
    "bert": _DECODER,
    "roberta": _DECODER | {"max_position_embeddings": MAX_POSITIONS + 1},
    "distilbert": {
        "dim": 40,
        "hidden_dim": 52,
        "n_layers": 3,
        "n_heads": 4,
        "max_position_embeddings": MAX_POSITIONS,
    },
    "albert": _DECODER | {"embedding_size": 24},
    "electra": _DECODER | {"embedding_size": 24},
    "modernbert": _DECODER
    | {
        "num_hidden_layers": 4,
        "local_attention": 6,
        "global_attn_every_n_layers": 2,
        "attention_bias": True,
        "mlp_bias": True,
        "norm_bias": True,
        "cls_token_id": BOS,
        "sep_token_id": EOS,
    },
}

FAMILIES: tuple[str, ...] = (*_CAUSAL, *_MASKED)
"""Every family that the engine is proven on."""

# torch's grouped matrix product, the default for experts, knows no fp64.
_GROUPED_MM_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
_MODEL_TYPE = {"gemma3": "gemma3_text"}


@dataclass(frozen=True)
class Variant:
    """A family whose config switches change the shape of the computation."""

    family: str
    overrides: Mapping[str, Any]


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        "gpt2-inverse-layer": Variant(
            "gpt2", {"scale_attn_by_inverse_layer_idx": True, "tie_word_embeddings": False}
        ),
        "gpt_neox-sequential": Variant("gpt_neox", {"use_parallel_residual": False}),
        "bloom-post-layernorm": Variant(
            "bloom", {"apply_residual_connection_post_layernorm": True}
        ),
        "opt-post-norm": Variant("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 24}),
        "falcon-new": Variant("falcon", {"new_decoder_architecture": True, "num_kv_heads": 2}),
        "falcon-new-one-norm": Variant(
            "falcon",
            {"new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
        ),
        "falcon-sequential": Variant("falcon", {"parallel_attn": False, "multi_query": False}),
        "falcon-alibi": Variant(
            "falcon", {"alibi": True, "parallel_attn": False, "multi_query": False}
        ),
        "llama-biased": Variant("llama", {"attention_bias": True, "mlp_bias": True}),
        "gemma3-capped": Variant(
            "gemma3", {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0}
        ),
        "phi-qk-norm": Variant("phi", {"qk_layernorm": True}),
        "stablelm-parallel": Variant(
            "stablelm", {"use_parallel_residual": True, "qk_layernorm": True}
        ),
        "albert-two-groups": Variant("albert", {"num_hidden_layers": 4, "num_hidden_groups": 2}),
        "qwen3_moe-dense-last": Variant("qwen3_moe", {"mlp_only_layers": [2]}),
    }
)
"""Names that `tiny_model` takes beside the families themselves."""


def is_masked(name: str) -> bool:
    """Whether the family (or variant) is a masked language model rather than a causal one."""
    return _resolve(name)[0] in _MASKED


def tiny_model(
    name: str, *, dtype: torch.dtype = torch.float32, seed: int = 0, **config_overrides: Any
) -> nn.Module:
    """A random model of a family or variant, in eval mode; a few thousand parameters."""
    family, overrides = _resolve(name)
    config = (_CAUSAL | _MASKED)[family] | dict(overrides) | config_overrides
    return random_model(
        _MODEL_TYPE.get(family, family),
        config,
        masked=family in _MASKED,
        dtype=dtype,
        seed=seed,
    )


def random_model(
    model_type: str,
    config: Mapping[str, Any],
    *,
    masked: bool = False,
    reads_source: bool = False,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> nn.Module:
    """A model of any transformers `model_type`, with weights random enough to show mistakes."""
    auto: Any = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    auto = AutoModelForSeq2SeqLM if reads_source else auto
    full_config = AutoConfig.for_model(model_type, **(_COMMON | dict(config)))
    # Building draws from the global generator; fork so that a caller's own stream is untouched.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module: PreTrainedModel = auto.from_config(full_config, dtype=torch.float32)
    enliven(module, seed)
    if dtype not in _GROUPED_MM_DTYPES:
        module.set_experts_implementation("eager")
    model: nn.Module = module.to(dtype).eval()
    return model


@torch.no_grad()
def enliven(module: nn.Module, seed: int) -> None:
    """Replace every parameter by random values at a scale that keeps activations near one."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = {id(child.weight) for child in module.modules() if isinstance(child, nn.Embedding)}
    for name, buffer in module.named_buffers():
        # of logits, in BART; those that come after it start at 0. GPT and GPT-Neo call masks so
        if name.endswith("bias") and buffer.is_floating_point() and buffer.dim() <= 2:
            buffer.copy_(0.3 * torch.randn(buffer.shape, generator=generator))
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim < 2:
            # Biases start at 0, norm weights at 1 (or at 0 where the family stores weight - 1).
            start = parameter.mean() if name.endswith("weight") else torch.zeros(())
            parameter.copy_(start + 0.3 * noise)
        elif id(parameter) in embeddings:
            parameter.copy_(0.5 * noise)
        else:
            parameter.copy_(1.2 * noise / math.sqrt(parameter.numel() ** 0.5))


def _resolve(name: str) -> tuple[str, Mapping[str, Any]]:
    if name in VARIANTS:
        return VARIANTS[name].family, VARIANTS[name].overrides
    if name in FAMILIES:
        return name, {}
    known = ", ".join((*FAMILIES, *VARIANTS))
    raise ValueError(f"there is no tiny model {name!r}; there are: {known}")


_SPECIALS = {"<pad>": PAD, "<bos>": BOS, "<eos>": EOS, "<unk>": UNK, "<mask>": MASK}
_MERGES = "Ġ t|h e|Ġ a|i n|Ġt he|o n|r e|Ġ s|a n|e r|Ġ c|Ġ i|i s|Ġ o|Ġ w|e n|a t|Ġ m|o r|Ġ J"


def tiny_tokenizer(
    vocab_size: int = VOCAB_SIZE, *, add_bos: bool = False
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of exactly `vocab_size` tokens; printable ASCII round-trips.

    From 281 tokens on every byte has a token, so that every string round-trips; below that, bytes
    that have none become `<unk>`.
    """
    merges = [
        (first, second) for first, _, second in (m.partition(" ") for m in _MERGES.split("|"))
    ]
    joined = [first + second for first, second in merges]
    room = vocab_size - len(_SPECIALS) - len(joined)
    if room < len(_PRINTABLE):
        raise ValueError(f"vocab_size must be at least {vocab_size - room + len(_PRINTABLE)}")
    rest = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(_PRINTABLE))
    letters = (_PRINTABLE + rest)[:room]
    fillers = [f"<extra_{index}>" for index in range(room - len(letters))]
    vocab = dict(_SPECIALS)
    for piece in (*letters, *joined, *fillers):
        vocab[piece] = len(vocab)
    backend = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if add_bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", BOS)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


# ByteLevel spells a space Ġ, a newline Ċ and a tab ĉ.
_PRINTABLE = ["Ġ", "Ċ", "ĉ", *(chr(code) for code in range(0x21, 0x7F))]
