"""Proves that a transformers config says what the GGUF file says; knows no torch.

transformers reads the keys it has a name for and drops the rest without a word, which for a rope
scaling or a soft cap means wrong numbers. So every key of the model is either one that only sizes
tensors (a wrong size cannot load), or compared with the config, or a reason to refuse the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isclose
from typing import Any

from unembed.errors import LoadError
from unembed.models.gguf_header import Header, Value

# Keys that name sizes of tensors, or say nothing about the forward pass.
HARMLESS = frozenset(
    {
        "context_length",
        "vocab_size",
        "block_count",
        "embedding_length",
        "feed_forward_length",
        "expert_count",
        "expert_shared_count",
        "expert_feed_forward_length",
        "expert_shared_feed_forward_length",
        "tensor_data_layout",
        "rope.scaling.original_context_length",
        "rope.scaling.finetuned",
    }
)


def _first(*names: str) -> Callable[[Any], Any]:
    def read(config: Any) -> Any:
        present = (getattr(config, name, None) for name in names)
        return next((value for value in present if value is not None), None)

    return read


def _head_width(config: Any) -> Any:
    width = getattr(config, "head_dim", None)
    return width or config.hidden_size // config.num_attention_heads


def _rotary_width(config: Any) -> int:
    share = next((rope.get("partial_rotary_factor") for rope in _ropes(config)), None)
    return int(_head_width(config) * (1.0 if share is None else share))


def _ropes(config: Any) -> Iterator[dict[str, Any]]:
    """Rope settings, the one for full attention first (a GGUF file names only that one)."""
    rope = getattr(config, "rope_parameters", None) or {}
    if "full_attention" in rope:
        yield rope["full_attention"]
    elif "rope_theta" in rope:
        yield rope


def _rope(name: str) -> Callable[[Any], Any]:
    return lambda config: next((rope.get(name) for rope in _ropes(config)), None)


def _rope_type(config: Any) -> Any:
    kind = _rope("rope_type")(config)
    return "none" if kind == "default" else kind


COMPARED: dict[str, Callable[[Any], Any]] = {
    "attention.head_count": _first("num_attention_heads", "n_head"),
    "attention.head_count_kv": _first("num_key_value_heads", "num_kv_heads"),
    "attention.key_length": _head_width,
    "attention.value_length": _head_width,
    "attention.layer_norm_rms_epsilon": _first("rms_norm_eps", "norm_eps"),
    "attention.layer_norm_epsilon": _first("layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"),
    "attention.sliding_window": _first("sliding_window"),
    "attention.causal": lambda _config: True,
    "attn_logit_softcapping": _first("attn_logit_softcapping"),
    "final_logit_softcapping": _first("final_logit_softcapping"),
    "logit_scale": _first("logit_scale"),
    "use_parallel_residual": _first("use_parallel_residual", "parallel_attn"),
    "expert_used_count": _first("num_experts_per_tok"),
    "expert_weights_norm": _first("norm_topk_prob"),
    "rope.freq_base": _rope("rope_theta"),
    "rope.dimension_count": _rotary_width,
    "rope.scaling.type": _rope_type,
    "rope.scaling.factor": _rope("factor"),
}


def complete(header: Header, config: Any) -> None:
    """Fill in what the file says, or llama.cpp infers, and transformers 5.23 leaves out."""
    if header.architecture not in ("gemma2", "gemma3"):
        return
    facts = header.about_model()
    # No key holds the query scale: llama.cpp takes the head width, but hidden / heads in the 27B
    # models, which it recognises by their depth.
    is_27b = (header.architecture, config.num_hidden_layers) in (("gemma2", 46), ("gemma3", 62))
    config.query_pre_attn_scalar = (
        config.hidden_size // config.num_attention_heads if is_27b else config.head_dim
    )
    # Gemma 3 from 4B on stretches the rope of its full-attention layers, and of those only.
    if header.architecture == "gemma3" and facts.get("rope.scaling.type") == "linear":
        rope = config.rope_parameters["full_attention"]
        rope.update(rope_type="linear", factor=facts.get("rope.scaling.factor"))


def check(header: Header, config: Any) -> None:
    """Raise LoadError for a key that the config contradicts, or that nothing accounts for."""
    for key, value in header.about_model().items():
        if key in HARMLESS:
            continue
        if key not in COMPARED:
            raise _lost(header, key, value, "nothing in transformers' reader accounts for it")
        understood = COMPARED[key](config)
        if not _same(value, understood):
            raise _lost(header, key, value, f"transformers understood {understood!r}")


def _same(stated: Value, understood: object) -> bool:
    if isinstance(stated, int | float) and isinstance(understood, int | float):
        return isclose(stated, understood, rel_tol=1e-6)  # the file holds float32
    return stated == understood


def _lost(header: Header, key: str, value: Value, why: str) -> LoadError:
    return LoadError(
        f"{header.path.name} sets {header.architecture}.{key} to {value!r}, but {why}; "
        "the model would give wrong numbers",
        field="source",
        value=str(header.path),
        fix="load the model from its safetensors files instead of the GGUF file",
    )
