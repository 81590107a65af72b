"""Patterns are those of the model's own eager attention, where something makes them special.

Grouped queries, sliding windows, sinks, soft caps, biases of position, heads of two sizes: of each
some families, in fp32 and in fp64, and a look that it is really at work in them.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .closeness import DTYPES, FP32_ROUNDING, PROMPT, assert_close
from .unlisted import UNLISTED

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

FEATURES = {
    "grouped": ("llama", "qwen3", "granite", "glm4"),
    "window": ("mistral", "gemma2", "gemma3", "gpt_neo", "starcoder2", "modernbert", "gpt_oss"),
    "sink": ("gpt_oss", "flint"),
    "soft cap": ("gemma2",),
    "bias of position": ("bloom", "mpt"),
}
CASES = [(feature, name) for feature, names in FEATURES.items() for name in names]
RARE = {str(family): family for family in UNLISTED}


def build(name: str, dtype: torch.dtype) -> nn.Module:
    if name not in RARE:
        return tiny_model(name, dtype=dtype)
    return RARE[name].build().to(dtype)


def eager(name: str, dtype: torch.dtype) -> Any:
    """What transformers reports, on a module of its own: it leaves its hooks there."""
    module = build(name, dtype)
    module.set_attn_implementation("eager")
    with torch.no_grad():
        return module(torch.tensor([PROMPT]), output_attentions=True).attentions


def at_work(feature: str, model: ue.Model, found: ue.AttentionResult) -> bool:
    """Whether the patterns would be others without it."""
    attention = model.block(0).attention
    config = model.module.config
    n = len(PROMPT)
    if feature == "grouped":
        return attention.n_kv_heads < attention.n_heads
    if feature == "window":  # some head sees itself and not what is far
        far = found.values[:, n - 1, : n // 3]
        return bool((far.sum(-1) == 0).any())
    if feature == "sink":
        return found.sink is not None and float(found.sink.max()) > 1e-3
    if feature == "soft cap":
        return config.attn_logit_softcapping is not None
    same = model.run([7] * n, [f"L0.H{head}.scores" for head in range(attention.n_heads)])
    last = torch.stack([same[f"L0.H{head}.scores"][n - 1] for head in range(attention.n_heads)])
    return float((last[:, 0] - last[:, -1]).abs().max()) > 0.01  # equal tokens, other distances


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("feature", "name"), CASES)
def test_patterns_are_those_of_eager_attention(feature, name, dtype):
    model = ue.load(build(name, dtype), tokenizer=tiny_tokenizer())
    layers = range(model.anatomy.n_layers)
    found = ue.attention(model, layers, prompt=PROMPT)
    reported = torch.cat([one[0] for one in eager(name, dtype)]).to(found.values)
    total = found.values.sum(-1)
    if found.sink is not None:
        total = total + found.sink
        rows = reported.sum(-1)
        if float((rows - 1).abs().max()) < 1e-5:  # reported from before the sink takes its share
            reported = reported * (1 - found.sink[..., None])
    assert_close(found.values, reported, 1e-5 if dtype == torch.float32 else FP32_ROUNDING)
    assert_close(total, torch.ones_like(total), 10 * FP32_ROUNDING)
    assert at_work(feature, model, found)
