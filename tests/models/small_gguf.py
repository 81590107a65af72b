"""Writes small GGUF files from random transformers models, as llama.cpp's converter would."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    PreTrainedModel,
)

SPECIAL = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>"]
WORDS = ["▁the", "▁cat", "▁ca", "he", "ca", "▁", *"abcdehnoprstu"]
TOKENS = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "\n", "\n\n", *WORDS]
NORMAL, CONTROL, USER, BYTE = 1, 3, 4, 6

SIZES = {
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}


def gemma3(**changes: Any) -> PreTrainedModel:
    config = Gemma3TextConfig(
        **{**SIZES, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8, **changes}
    )
    return _random(config)


def llama() -> PreTrainedModel:
    return _random(LlamaConfig(**SIZES, rope_theta=500.0))


def _random(config: Any) -> PreTrainedModel:
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():  # norms too, so that a forgotten offset shows
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def write(
    path: Path,
    model: PreTrainedModel,
    *,
    extra: dict[str, float | int | str] | None = None,
    without: tuple[str, ...] = (),
    tensors: dict[str, np.ndarray] | None = None,
    tokenizer: bool = True,
    architecture: str | None = None,
) -> Path:
    """`extra` sets keys by full name, `without` leaves out tensors, `tensors` adds some."""
    family = "gemma3" if model.config.model_type == "gemma3_text" else model.config.model_type
    writer = gguf.GGUFWriter(str(path), architecture or family)
    _sizes(writer, model.config, family)
    for key, value in (extra or {}).items():
        {float: writer.add_float32, int: writer.add_uint32, str: writer.add_string}[type(value)](
            key, value
        )
    if tokenizer:
        _tokenizer(writer)
    for name, array in {**_tensors(model, family), **(tensors or {})}.items():
        if name not in without:
            writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _sizes(writer: gguf.GGUFWriter, config: Any, family: str) -> None:
    writer.add_name(f"small {family}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    rope = config.rope_parameters
    writer.add_rope_freq_base((rope.get("full_attention") or rope)["rope_theta"])
    if family == "gemma3":
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
        writer.add_sliding_window(config.sliding_window)


def _tokenizer(writer: gguf.GGUFWriter) -> None:
    def kind(token: str) -> int:
        if token in SPECIAL:
            return CONTROL
        if token.startswith("<0x"):
            return BYTE
        return USER if token.strip("\n") == "" else NORMAL

    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([-float(place) for place, _ in enumerate(TOKENS)])
    writer.add_token_types([kind(token) for token in TOKENS])
    writer.add_pad_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_unk_token_id(3)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(False)


def _tensors(model: PreTrainedModel, family: str) -> dict[str, np.ndarray]:
    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == family)
    names = gguf.get_tensor_name_map(arch, model.config.num_hidden_layers)
    tied = model.config.tie_word_embeddings
    written = {}
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        array = tensor.numpy()
        if family == "gemma3" and name.endswith("norm.weight"):
            array = array + 1  # llama.cpp stores what it multiplies with
        if family == "llama" and (".q_proj." in name or ".k_proj." in name):
            heads = "num_attention_heads" if ".q_proj." in name else "num_key_value_heads"
            array = _interleaved(array, getattr(model.config, heads))
        stem, suffix = name.rsplit(".", 1)
        written[f"{names.get_name(stem)}.{suffix}"] = np.ascontiguousarray(array)
    return written


def _interleaved(array: np.ndarray, heads: int) -> np.ndarray:
    """The row order in which llama.cpp rotates queries and keys of Llama models."""
    rows = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return rows.swapaxes(1, 2).reshape(array.shape)
