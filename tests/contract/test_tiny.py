"""The tiny models: the same on every machine, and random enough to show every mistake."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unembed.models.tiny import FAMILIES, VARIANTS, tiny_model, tiny_tokenizer

from .wiring import NAMES, ODD, REPRESENTATIVES, ways_of


def test_every_family_and_variant_has_an_oracle_or_is_odd():
    assert set(NAMES) | set(ODD) == {*FAMILIES, *VARIANTS}
    assert ODD == ("bloom-post-layernorm",)


def test_each_way_of_computing_has_a_representative():
    def ways(names):
        return {way for name in names for way in ways_of(name).items()}

    assert set(REPRESENTATIVES) <= set(NAMES)
    assert ways(NAMES) - ways(REPRESENTATIVES) == set()


def test_the_same_seed_gives_the_same_model_and_leaves_the_global_generator_alone():
    state = torch.get_rng_state()
    first, second, third = tiny_model("gpt2"), tiny_model("gpt2"), tiny_model("gpt2", seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    for name, weight in first.named_parameters():
        assert torch.equal(weight, second.get_parameter(name))
        assert not torch.equal(weight, third.get_parameter(name))


@pytest.mark.parametrize("name", [*FAMILIES, *VARIANTS])
def test_no_weight_is_left_at_its_starting_value(name):
    model = tiny_model(name)
    wide = tiny_model(name, dtype=torch.float64)
    assert not model.training
    for path, weight in model.named_parameters():
        assert weight.std() > 0.05, path
        assert torch.equal(weight.double(), wide.get_parameter(path))


def test_overrides_reach_the_config():
    assert len(tiny_model("llama", num_hidden_layers=1).model.layers) == 1
    assert isinstance(
        tiny_model("llama", mlp_bias=True).model.layers[0].mlp.up_proj.bias, nn.Parameter
    )


def test_an_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no tiny model 'gpt5'; there are: gpt2, "):
        tiny_model("gpt5")


def test_the_tokenizer_round_trips_ascii_and_keeps_offsets():
    tokenizer = tiny_tokenizer()
    text = "The capital of Japan is the city of\n\t{~}"
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert tokenizer.decode(encoded.input_ids) == text
    assert len(tokenizer) == 128
    for token, (start, end) in zip(encoded.input_ids, encoded.offset_mapping, strict=True):
        assert tokenizer.decode([token]) == text[start:end]


def test_the_tokenizer_encodes_every_string():
    assert tiny_tokenizer().unk_token_id in tiny_tokenizer()("naïve 🙂").input_ids
    complete = tiny_tokenizer(300)
    text = "naïve 🙂 שלום"
    assert complete.decode(complete(text).input_ids) == text


def test_the_tokenizer_knows_its_specials():
    tokenizer = tiny_tokenizer(add_bos=True)
    ids = tokenizer("a<mask>b").input_ids
    assert ids[0] == tokenizer.bos_token_id == 1
    assert ids[2] == tokenizer.mask_token_id == 4
    assert tokenizer.mask_token == "<mask>"
    with pytest.raises(ValueError, match="at least 122"):
        tiny_tokenizer(64)
