"""What a model is told, asked or believed: its kernel, its ends, its order, its cache."""

from __future__ import annotations

import copy

import pytest
import torch

import unembed as ue
from unembed.errors import CapabilityError, LoadError
from unembed.models import kernels
from unembed.models.tiny import EOS, random_model, tiny_model, tiny_tokenizer

from .closeness import PROMPT
from .unlisted import Unlisted

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own, about rare families

# Its attention masks what its indexer leaves out, but only where its kernel is a plain one.
ASKS = Unlisted("deepseek_v32", masked=False)
SEEN = ["L1.pattern", "L2.scores", "L2.q"]


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_a_model_that_asks_for_its_kernel_is_told_the_one_it_has(implementation):
    module = ASKS.build()
    module.set_attn_implementation(implementation)
    with torch.no_grad():
        plain = module(torch.tensor([PROMPT])).logits[0]
    model = ue.load(module, tokenizer=tiny_tokenizer())
    assert torch.equal(model.run(PROMPT, capture=SEEN).logits, plain)


def test_where_watching_changes_the_logits_heads_are_refused(monkeypatch):
    monkeypatch.setattr(kernels, "_Name", str)
    model = ue.load(ASKS.build(), tokenizer=tiny_tokenizer())
    with pytest.raises(CapabilityError, match="logits with attention watched"):
        model.run(PROMPT, capture=SEEN)
    assert model.run(PROMPT, capture=["L1.attn_out", "L1.mlp_out"]).logits is not None


def test_the_name_of_a_twin_is_the_kernels_own_and_is_looked_up_as_its_own():
    name = kernels._Name("unembed_sdpa")
    assert name == "sdpa"
    assert name in ("eager", "sdpa")
    assert name not in ("eager", "unembed_eager", 7)
    assert not name != "sdpa"  # noqa: SIM202  # the operator is what is tested
    assert {"unembed_sdpa": "twin", "sdpa": "kernel"}[name] == "twin"
    assert isinstance(copy.deepcopy(name), kernels._Name)


def test_a_config_may_name_several_ends():
    module = tiny_model("llama")
    module.config.eos_token_id = [EOS, 5]
    assert ue.load(module, tokenizer=tiny_tokenizer()).run(PROMPT).logits is not None


def test_a_model_that_looks_ahead_is_not_causal_whatever_its_class_is_called():
    config = {"hidden_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4}
    module = random_model("bert-generation", config | {"intermediate_size": 52})
    with pytest.raises(LoadError, match="logits change with later tokens"):
        ue.load(module, tokenizer=tiny_tokenizer())
    told = random_model("bert-generation", config | {"intermediate_size": 52, "is_decoder": True})
    assert ue.load(told, tokenizer=tiny_tokenizer()).kind == "causal"


def test_a_cache_that_forgets_is_not_gone_on_from():
    """Moshi's text model gives other tokens with its cache than without."""
    config = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 40}
    config |= {"num_key_value_heads": 4, "head_dim": 16, "sliding_window": 4}
    module = random_model("moshi", config, dtype=torch.float64)
    model = ue.load(module, tokenizer=tiny_tokenizer())
    made = {
        cached: model.generate(PROMPT, max_new_tokens=6, use_cache=cached).new_ids
        for cached in (True, False)
    }
    assert made[True] == made[False]
