"""Tiny models that take pictures or sound beside text, with towers of random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForMultimodalLM

_TEXT = {
    "vocab_size": 128,
    "hidden_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 10,
    "intermediate_size": 52,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_MROPE = {
    "rope_parameters": {
        "rope_type": "default",
        "mrope_section": [1, 2, 2],
        "rope_theta": 1e4,
        "partial_rotary_factor": 1.0,
    }
}
_WINDOW = {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}
_CLIP = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 8,
    "patch_size": 4,
}
_PATCHES = {
    "depth": 1,
    "hidden_size": 16,
    "embed_dim": 16,
    "intermediate_size": 16,
    "num_heads": 2,
    "patch_size": 4,
    "out_hidden_size": 40,
    "num_position_embeddings": 16,
    "fullatt_block_indexes": [0],
    "deepstack_visual_indexes": [0],
}
IMAGE = 7  # the token that a picture takes the place of, in all of them


def _with(text: str, vision: str, named: str = "image_token_id", **more: Any) -> dict[str, Any]:
    """A configuration of a language model and what reads its pictures."""
    return {
        "text_config": _TEXT | {"model_type": text, **more},
        "vision_config": _CLIP | {"model_type": vision},
        named: IMAGE,
    }


def _qwen(text: str, **more: Any) -> dict[str, Any]:
    return {
        "text_config": _TEXT | _MROPE | {"model_type": text, **more},
        "vision_config": _PATCHES,
        "image_token_id": IMAGE,
        "video_token_id": 8,
    }


_DELTA = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
_CONFIGS: dict[str, dict[str, Any]] = {
    "gemma3": _with("gemma3_text", "siglip_vision_model", "image_token_index", **_WINDOW),
    "llama4": _with(
        "llama4_text",
        "llama4_vision_model",
        "image_token_index",
        num_local_experts=2,
        intermediate_size_mlp=52,
        interleave_moe_layer_step=2,
    ),
    "llava": _with("llama", "clip_vision_model", "image_token_index"),
    "mistral3": _with("mistral", "pixtral"),
    "paligemma": _with("gemma2", "siglip_vision_model", "image_token_index"),
    "idefics3": _with("llama", "idefics3_vision"),
    "qwen2_vl": _qwen("qwen2_vl_text"),
    "qwen2_5_vl": _qwen("qwen2_5_vl_text"),
    "qwen3_vl": _qwen("qwen3_vl_text"),
    "qwen3_5": _qwen("qwen3_5_text", **_DELTA),
    "glm4v": _qwen("glm4v_text"),
    "gemma4": {
        "text_config": _TEXT
        | {
            "model_type": "gemma4_text",
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention"],
            "global_head_dim": 16,
            "vocab_size_per_layer_input": 128,
            "hidden_size_per_layer_input": 8,
        },
        "vision_config": _CLIP
        | {
            "model_type": "gemma4_vision",
            "num_key_value_heads": 2,
            "head_dim": 8,
            "position_embedding_size": 16,
        },
        "audio_config": None,
        "image_token_id": IMAGE,
        "video_token_id": 8,
        "audio_token_id": 9,
    },
    "mllama": {
        "text_config": _TEXT
        | {
            "model_type": "mllama_text_model",
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
        "vision_config": {
            "hidden_size": 16,
            "intermediate_size": 16,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": 8,
            "patch_size": 4,
            "vision_output_dim": 32,
            "intermediate_layers_indices": [1],
        },
        "image_token_index": IMAGE,
    },
    "phi4_multimodal": _TEXT
    | {
        "embd_pdrop": 0.0,
        "vision_config": _CLIP | {"crop_size": 8, "image_token_id": IMAGE},
        "audio_config": {
            "hidden_size": 16,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "num_blocks": 1,
            "input_size": 8,
            "ext_pw_out_channel": 16,
            "nemo_conv_channels": 8,
            "audio_token_id": 8,
        },
    },
    "voxtral": {
        "text_config": _TEXT | {"model_type": "llama"},
        "audio_config": _CLIP,
        "audio_token_id": IMAGE,
    },
}
MULTIMODAL = tuple(_CONFIGS)


def multimodal_model(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The whole model, of weights large enough to show mistakes."""
    config = AutoConfig.for_model(name, **_CONFIGS[name])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: nn.Module = AutoModelForMultimodalLM.from_config(config)
        for weight in module.parameters():
            if weight.dim() < 2:  # norms and biases, which start as ones and zeros
                weight.data += 0.2 * torch.randn_like(weight)
            else:
                weight.data *= 3
    return module.eval().to(dtype)
