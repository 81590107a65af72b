"""The examples of transformer-utils' README run with one import changed, and are right."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

import unembed as ue
from unembed.compat.transformer_utils import (
    enable_low_memory_load,
    partial_forward,
    plot_logit_lens,
)
from unembed.errors import InputError
from unembed.models.tiny import tiny_model, tiny_tokenizer

TEXT = "This is an example. You can probably think of a more fun text to use than this one."


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer(400)


@pytest.fixture(scope="module")
def module():
    return tiny_model("gpt2", vocab_size=400, n_positions=128)


@pytest.fixture(scope="module")
def input_ids(tokenizer):
    return torch.tensor([tokenizer.encode(TEXT)])


@pytest.mark.parametrize(
    "choices",
    [
        {}, {"probs": True}, {"kl": True}, {"ranks": True}, {"ranks": True, "kl": True},
        {"probs": True, "include_subblocks": True}, {"probs": True, "block_step": 2},
        {"probs": True, "decoder_layer_names": ["h.2", "final_layernorm", "lm_head"]},
        {"probs": True, "decoder_layer_names": ["h.2.mlp", "final_layernorm", "lm_head"]},
        {"include_input": False, "top_down": True, "verbose": True, "force_include_output": True},
    ],
    ids=str,
)  # fmt: skip
def test_plots(choices, module, tokenizer, input_ids):
    figure = plot_logit_lens(module, tokenizer, input_ids, start_ix=0, end_ix=45, **choices)
    assert len(figure.data) >= 1


def test_the_decoder_is_the_one_that_is_named(module, tokenizer, input_ids):
    model = ue.load(module, tokenizer)
    tail = ["final_layernorm", "lm_head"]
    named = {
        "final_norm": [tail, ["transformer.ln_f", "lm_head"], ["ln_f"], ["lm_head"]],
        "L2": [
            ["h.2", *tail],
            ["transformer.h.2", "ln_f", "lm_head"],
            ["h.2.attn", "h.2.mlp", *tail],
        ],
        "L2.mlp": [["h.2.mlp", *tail]],
        "L1": [["h.1", "h.2", *tail]],
        "L1.mlp": [["h.1.mlp", "h.2", *tail]],
    }
    for decoder, ways in named.items():
        expected = ue.logit_lens(model, input_ids, decoder=decoder)
        for names in ways:
            found = ue.logit_lens(model, input_ids, decoder=names)
            assert found.decoder == expected.decoder == decoder
            assert torch.equal(found.top_probabilities, expected.top_probabilities)
    for names in (["h.1", *tail], ["h.2", "h.1", *tail], ["h.9", *tail], ["wte"], [], ["h.2.attn"]):
        with pytest.raises(InputError) as caught:
            ue.logit_lens(model, input_ids, decoder=names)
        assert caught.value.field == "decoder"


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt_neox", "gptj"])
def test_other_families_have_such_names_too(family):
    model = ue.load(tiny_model(family), tiny_tokenizer())
    last = model.anatomy.blocks[-1]
    names = [last.module, "final_layernorm", "lm_head"]
    assert ue.logit_lens(model, [5, 6, 7], decoder=names).decoder == f"L{last.layer}"


def test_numbers_are_those_of_its_formulas(module, tokenizer, input_ids):
    """Probability of the final top token through ln_f and the unembedding; KL with its floor."""
    with torch.no_grad():
        states = module(input_ids, output_hidden_states=True).hidden_states
        last = torch.log_softmax(module(input_ids).logits[0], -1)
        row = torch.log_softmax(module.lm_head(module.transformer.ln_f(states[1]))[0], -1)
    probability = plot_logit_lens(module, tokenizer, input_ids, 3, 9, probs=True, block_step=1)
    drawn = torch.tensor(probability.data[0].z)[1]
    tokens = last.argmax(-1)
    expected = row.exp().gather(1, tokens[:, None])[3:9, 0]
    torch.testing.assert_close(drawn.float(), expected, rtol=1e-4, atol=1e-6)


def test_positions_that_are_not_there_are_refused(module, tokenizer, input_ids):
    for start, end in ((500, 510), (5, 5), (-1, 3)):
        with pytest.raises(InputError, match="are not in this text"):
            plot_logit_lens(module, tokenizer, input_ids, start, end)


def test_partial_forward_is_that_of_the_readme(module, input_ids):
    output = partial_forward(
        model=module, output_names=["h.0", "h.1"], input_ids=input_ids, verbose=False, debug=False
    )
    states = module(input_ids, output_hidden_states=True).hidden_states
    torch.testing.assert_close(output["h.0"], states[1], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(output["h.1"], states[2], rtol=1e-6, atol=1e-6)
    features = torch.cat([output["h.0"], output["h.1"]], dim=-1)
    features.sum().backward()
    assert module.transformer.h[0].mlp.c_fc.weight.grad is not None
    assert module.transformer.h[2].mlp.c_fc.weight.grad is None
    module.zero_grad()
    inner = partial_forward(module, ["h.2.attn.c_attn", "h.1.mlp.c_proj"], input_ids)
    assert inner["h.2.attn.c_attn"].shape[-1] == 3 * module.config.n_embd
    assert set(partial_forward(module.transformer, ["h.0"], input_ids)) == {"h.0"}


def test_low_memory_loading_replaces_nothing(module, tmp_path):
    module.save_pretrained(tmp_path)
    before = AutoModelForCausalLM.from_pretrained
    enable_low_memory_load()
    assert AutoModelForCausalLM.from_pretrained == before
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert torch.equal(loaded.lm_head.weight, module.lm_head.weight)
