"""Small encoder-decoders, and by hand where some of their sites are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from unembed.models.tiny import random_model

SOURCE = (30, 77, 99, 15, 120, 41, 66, 23, 9, 2)
OTHER_SOURCE = (88, 101, 14, 59, 33, 2)
PROMPT = (2, 59, 109, 118, 72, 87, 80)
"""What the decoder is given. All lengths differ, so that one taken for another does not fit."""

_BART = {
    "d_model": 40,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 5,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 52,
    "decoder_ffn_dim": 44,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
_T5 = {
    "d_model": 40,
    "d_kv": 12,
    "d_ff": 52,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "decoder_start_token_id": 2,
}
_T5GEMMA = {
    "hidden_size": 40,
    "intermediate_size": 52,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
    "sliding_window": 4,  # shorter than the texts: scores beyond it are -inf
}
_CONFIGS: dict[str, dict[str, Any]] = {
    "t5": _T5 | {"scale_decoder_outputs": True},
    "t5-gated": _T5 | {"feed_forward_proj": "gated-gelu", "scale_decoder_outputs": False},
    "bart": _BART,
    "mbart": _BART | {"scale_embedding": True},
    "marian": _BART,
    "pegasus": _BART,
    "blenderbot": _BART,
    "blenderbot-small": _BART,
    "m2m_100": _BART,
    "mt5": _T5,
    "umt5": _T5,
    "plbart": _BART,
    "mvp": _BART,
    "longt5": _T5,
    "nllb-moe": _BART | {"num_experts": 4, "encoder_sparse_step": 2, "decoder_sparse_step": 2},
    "bigbird_pegasus": _BART | {"attention_type": "original_full"},
    "t5gemma": {"encoder": _T5GEMMA, "decoder": _T5GEMMA | {"num_hidden_layers": 3}},
    "switch_transformers": _T5 | {"num_experts": 4},
    "led": _BART,
    "pegasus_x": _BART,
    "prophetnet": {
        "hidden_size": 40,
        "num_encoder_layers": 2,
        "num_decoder_layers": 2,
        "num_encoder_attention_heads": 4,
        "num_decoder_attention_heads": 4,
        "encoder_ffn_dim": 52,
        "decoder_ffn_dim": 52,
    },
}
REFUSED = {
    "switch_transformers": "layer 0 .SwitchTransformersBlock",
    "led": "what its decoder attends to is not the output of led.encoder.layers.1",
    "pegasus_x": "encoder .* layer 0 .PegasusXEncoderLayer",
    "prophetnet": "attends to the encoder 0 times",
}
"""What is not understood of them."""


@dataclass(frozen=True)
class Wiring:
    """Where a family keeps things, from transformers' modeling files; {} is the layer."""

    encoder: str
    decoder: str
    self_attention: str
    cross_attention: str
    encoder_attention: str
    output_map: str
    mlp_out: str
    encoder_mlp_out: str
    handed_over: str


_LIKE_BART = Wiring(
    encoder="model.encoder.layers.{}",
    decoder="model.decoder.layers.{}",
    self_attention="self_attn",
    cross_attention="encoder_attn",
    encoder_attention="self_attn",
    output_map="out_proj",
    mlp_out="fc2",
    encoder_mlp_out="fc2",
    handed_over="model.encoder.layer_norm",
)
_LIKE_T5 = Wiring(
    encoder="encoder.block.{}",
    decoder="decoder.block.{}",
    self_attention="layer.0.SelfAttention",
    cross_attention="layer.1.EncDecAttention",
    encoder_attention="layer.0.SelfAttention",
    output_map="o",
    mlp_out="layer.2.DenseReluDense.wo",
    encoder_mlp_out="layer.1.DenseReluDense.wo",
    handed_over="encoder.final_layer_norm",
)
_WITHOUT_NORM = replace(_LIKE_BART, handed_over="model.encoder.layers.1")
WIRED: dict[str, Wiring] = {
    "t5": _LIKE_T5,
    "t5-gated": _LIKE_T5,
    "bart": _WITHOUT_NORM,
    "mbart": _LIKE_BART,
    "marian": _WITHOUT_NORM,
    "pegasus": _LIKE_BART,
    "blenderbot": _LIKE_BART,
}
"""The families that everything is proven on."""
OTHERS = tuple(name for name in _CONFIGS if name not in (*WIRED, *REFUSED))


def build(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    model_type = "t5" if name == "t5-gated" else name
    return random_model(model_type, _CONFIGS[name], reads_source=True, dtype=dtype)


@torch.no_grad()
def plain(module: nn.Module, **options: Any) -> Any:
    """What transformers computes."""
    source, ids = torch.tensor([SOURCE]), torch.tensor([PROMPT])
    return module(input_ids=source, decoder_input_ids=ids, **options)


def places(name: str) -> dict[str, tuple[str, str]]:
    """Sites that a hook on one module reaches: its name, and which side of it."""
    wired = WIRED[name]
    encoder, decoder = wired.encoder.format(1), wired.decoder.format(1)
    own, cross = (f"{decoder}.{part}" for part in (wired.self_attention, wired.cross_attention))
    theirs = f"{encoder}.{wired.encoder_attention}"
    return {
        "E1.resid_pre": (encoder, "input"),
        "E1.z": (f"{theirs}.{wired.output_map}", "input"),
        "E1.attn_out": (f"{theirs}.{wired.output_map}", "output"),
        "E1.mlp_post": (f"{encoder}.{wired.encoder_mlp_out}", "input"),
        "E1.mlp_out": (f"{encoder}.{wired.encoder_mlp_out}", "output"),
        "E.out": (wired.handed_over, "output"),
        "L1.resid_pre": (decoder, "input"),
        "L1.z": (f"{own}.{wired.output_map}", "input"),
        "L1.attn_out": (f"{own}.{wired.output_map}", "output"),
        "L1.cross_z": (f"{cross}.{wired.output_map}", "input"),
        "L1.cross_out": (f"{cross}.{wired.output_map}", "output"),
        "L1.mlp_post": (f"{decoder}.{wired.mlp_out}", "input"),
        "L1.mlp_out": (f"{decoder}.{wired.mlp_out}", "output"),
        "L1.resid_post": (decoder, "output"),
    }


def first(value: Any) -> Tensor:
    found: Tensor = value[0] if isinstance(value, tuple | list) else value
    return found


def cores(name: str) -> dict[str, str]:
    """By the prefix of its sites' names: the module that computes an attention."""
    wired = WIRED[name]
    decoder = wired.decoder.format(1)
    return {
        "E1.": f"{wired.encoder.format(1)}.{wired.encoder_attention}",
        "L1.": f"{decoder}.{wired.self_attention}",
        "L1.cross_": f"{decoder}.{wired.cross_attention}",
    }
