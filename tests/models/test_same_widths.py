"""Models whose feed-forward is as wide as their residual stream."""

from __future__ import annotations

import pytest

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

WIDTHS = {"gpt2": "n_inner", "gptj": "n_inner", "llama": "intermediate_size"}


@pytest.mark.parametrize("family", WIDTHS)
def test_the_norm_before_the_feed_forward_is_not_taken_for_its_activation_function(family):
    width = ue.load(tiny_model(family)).anatomy.d_model
    model = ue.load(tiny_model(family, **{WIDTHS[family]: width}), tiny_tokenizer())
    assert model.anatomy.d_mlp == model.anatomy.d_model
    assert model.capabilities()["mlp_pre"].available
    assert set(model.input_maps(1)) == ({"in", "gate"} if family == "llama" else {"in"})
