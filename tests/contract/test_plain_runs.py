"""A run that asks for nothing is the plain model, and a run that only looks changes no bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.errors import UnembedError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .closeness import DTYPES, PROMPT, assert_close
from .footprint import footprint
from .sites import all_sites
from .wiring import NAMES

_DECODERS = ("gpt2", "gpt_neox", "opt", "llama", "gemma2", "gemma3", "qwen3_moe")
EAGER = (*_DECODERS, "bert", "albert", "modernbert")


def plain_logits(name: str, dtype: torch.dtype) -> torch.Tensor:
    with torch.no_grad():
        return tiny_model(name, dtype=dtype)(torch.tensor([PROMPT])).logits[0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_asked_the_logits_are_the_plain_models_to_the_bit(name, dtype, model_of):
    run = model_of(name, dtype).run(PROMPT)
    assert torch.equal(run.logits, plain_logits(name, dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_with_every_site_captured_the_logits_are_the_plain_models_to_the_bit(
    name, dtype, model_of, oracle_of
):
    model = model_of(name, dtype)
    before = footprint(model.module)
    run = model.run(PROMPT, capture=all_sites(oracle_of(name, dtype)))
    assert torch.equal(run.logits, plain_logits(name, dtype))
    assert torch.equal(run["logits"], run.logits)
    assert footprint(model.module) == before


@pytest.mark.parametrize("name", NAMES)
def test_in_bfloat16_everything_can_be_seen_and_no_bit_changes(name, model_of, oracle_of):
    model = model_of(name, torch.bfloat16)
    plain = plain_logits(name, torch.bfloat16)
    sites = all_sites(oracle_of(name, torch.float32))
    assert torch.equal(model.run(PROMPT).logits, plain)
    assert torch.equal(model.run(PROMPT, capture=sites).logits, plain)


def eager(name: str, **overrides: Any) -> nn.Module:
    module = tiny_model(name, **overrides)
    module.config._attn_implementation = "eager"
    return module


@pytest.mark.parametrize("name", EAGER)
def test_a_model_loaded_with_eager_attention_keeps_it(name, oracle_of):
    model = ue.load(eager(name), tokenizer=tiny_tokenizer())
    with torch.no_grad():
        plain = eager(name)(torch.tensor([PROMPT])).logits[0]
    run = model.run(PROMPT, capture=all_sites(oracle_of(name, torch.float32)))
    assert torch.equal(run.logits, plain)
    # This kernel returns its pattern: what is shown must be that one.
    expected = oracle_of(name, torch.float32).run(PROMPT)
    for layer in range(model.anatomy.n_layers):
        assert_close(run[f"L{layer}.pattern"], expected[f"L{layer}.pattern"])
        assert_close(run[f"L{layer}.z"], expected[f"L{layer}.z"])


def test_a_kernel_that_depends_on_being_called_eager_changes_no_bit():
    """GPT-2 has a third kernel, chosen by the name of the attention implementation."""
    config = {"reorder_and_upcast_attn": True, "scale_attn_by_inverse_layer_idx": True}
    module = eager("gpt2", **config)
    with torch.no_grad():
        plain = module(torch.tensor([PROMPT])).logits[0]
    try:
        model = ue.load(module, tokenizer=tiny_tokenizer())
        run = model.run(PROMPT, capture=["pattern", "z"], edits=[ue.scale("L2.H0", 1.0)])
    except UnembedError:
        return
    assert torch.equal(run.logits, plain)


@pytest.mark.parametrize("name", NAMES)
def test_with_nothing_asked_no_hook_is_installed_even_during_the_run(name, model_of, monkeypatch):
    model = model_of(name, torch.float32)
    at_rest = footprint(model.module)
    during = []
    embed = nn.Embedding.forward

    # Patched on the class: the model itself stays as it is while it is looked at.
    def looking(self, ids):
        during.append(footprint(model.module))
        return embed(self, ids)

    monkeypatch.setattr(nn.Embedding, "forward", looking)
    model.run(PROMPT)
    assert during
    assert all(seen == at_rest for seen in during)
    assert at_rest["hooks"] == 0


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "gptj"])
def test_part_of_the_logits_is_the_same_part(name, model_of):
    model = model_of(name, torch.float32)
    whole = model.run(PROMPT).logits
    # Another shape of product may round otherwise.
    assert_close(model.run(PROMPT, logits="last").logits, whole[-1:])
    assert model.run(PROMPT, capture=["L1.resid_post"], logits="none").logits is None
