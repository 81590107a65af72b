"""Queries and keys of single tokens, at any position, and the transposes of W_Q and W_K."""

from __future__ import annotations

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaRMSNorm

import unembed as ue
from unembed.engine.passes.attention_inputs import attend, inputs_of, norms_frozen, pulled_back
from unembed.models.tiny import tiny_model, tiny_tokenizer

IDS = [7, 9, 20, 33, 41, 50, 12]
SITES = [f"L1.{site}" for site in ("resid_pre", "attn_in", "q", "k")]


def _run(family, edits=()):
    model = ue.load(tiny_model(family, dtype=torch.float64), tiny_tokenizer())
    return model.run(IDS, SITES, edits)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "gptj", "qwen3", "cohere", "bert"])
def test_tokens_alone_have_the_queries_and_keys_of_the_run(family):
    run = _run(family)
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"])
    found = attend(run.model, inputs, range(len(IDS)))
    for site in ("attn_in", "q", "k"):
        assert torch.equal(getattr(found, site), run[f"L1.{site}"])


def test_at_position_0_nothing_is_turned():
    run = _run("llama")
    core = run.model.module.model.layers[1].self_attn
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"])
    found = attend(run.model, inputs, [0] * len(IDS))
    torch.testing.assert_close(found.q.flatten(1), core.q_proj(run["L1.attn_in"]))
    torch.testing.assert_close(found.k.flatten(1), core.k_proj(run["L1.attn_in"]))


def test_an_edit_of_what_attention_reads_is_kept():
    run = _run("llama", [ue.scale("L1.attn_in", 3.0, positions=[2])])
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"])
    assert inputs.moved is not None
    found = attend(run.model, inputs, range(len(IDS)))
    torch.testing.assert_close(found.q, run["L1.q"])


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_pulling_back_is_the_transpose_of_the_map(family):
    run = _run(family)
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"]).rows([4])
    direction = torch.randn(1, *run["L1.k"].shape[1:], dtype=torch.float64)
    found = pulled_back(run.model, inputs, [0], k=direction)[0]
    blocks = run.model.module
    if family == "gpt2":
        weight = blocks.transformer.h[1].attn.c_attn.weight[:, 40:80]
    else:
        weight = blocks.model.layers[1].self_attn.k_proj.weight.T
    torch.testing.assert_close(found, weight.detach() @ direction.flatten())


@pytest.mark.parametrize("family", ["qwen3", "gemma3", "cohere", "olmo2", "phi-qk-norm"])
def test_with_frozen_norms_a_direction_gives_the_product_of_query_and_key(family):
    run = _run(family)
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"]).rows([5])
    key = torch.zeros(1, *run["L1.q"].shape[1:], dtype=torch.float64)
    key[0, 1] = torch.randn(key.shape[-1], dtype=torch.float64)
    found = pulled_back(run.model, inputs, [5], q=key)[0]
    without = attend(run.model, inputs, [5])  # and no graph is left behind
    assert not without.q.requires_grad
    product = float((run["L1.q"][5] * key[0]).sum())
    here = float(found @ run["L1.attn_in"][5])
    if family == "phi-qk-norm":  # maps and norms have biases, which belong to no token
        zero = run.model.run(IDS, SITES, [ue.zero("L1.attn_in")])
        assert zero["L1.q"].abs().max() > 0
    else:
        assert here == pytest.approx(product, rel=1e-6, abs=1e-6)


def test_nothing_is_left_on_the_model():
    run = _run("qwen3")
    core = run.model.module.model.layers[1].self_attn
    inputs = inputs_of(run.model, 1, run["L1.resid_pre"], run["L1.attn_in"]).rows([5])
    pulled_back(run.model, inputs, [5], q=run["L1.q"][5, None])
    assert "forward" not in vars(core.q_norm)
    assert not core.q_proj._forward_pre_hooks


def test_a_huge_activation_does_not_make_a_norm_one_that_takes_the_mean_away():
    """As first tokens have them: beside it, what a shift does to other tokens is hardly seen."""
    norm = LlamaRMSNorm(16).double()
    torch.manual_seed(0)
    states = 30 * torch.randn(1, 3, 16, dtype=torch.float64)
    states[0, 0, 0] = 1e5
    states.requires_grad_()
    whole = torch.nn.ModuleList([norm])
    for rows in (0, 1):
        with norms_frozen(whole, by_first=rows):
            (slope,) = torch.autograd.grad(whole[0](states)[0, 1, 0], states)
        wanted = torch.zeros_like(states)
        wanted[0, 1, 0] = states[0, 1].detach().square().mean().rsqrt()
        torch.testing.assert_close(slope, wanted)


def test_rows_have_the_scale_of_the_first():
    norm = torch.nn.LayerNorm(16).double()
    torch.manual_seed(0)
    states = torch.randn(2, 3, 16, dtype=torch.float64)
    centred = states - states.mean(-1, keepdim=True)
    scale = (states.var(-1, unbiased=False, keepdim=True) + norm.eps).rsqrt()[:1]
    whole = torch.nn.ModuleList([norm])
    with norms_frozen(whole, by_first=2), torch.no_grad():
        torch.testing.assert_close(whole[0](states), centred * scale)
        together = whole[0](states.flatten(0, 1))  # rows one behind the other
    torch.testing.assert_close(together.view_as(states), centred * scale)
