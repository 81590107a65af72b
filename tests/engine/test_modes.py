"""A model runs in evaluation mode throughout, and every part gets its mode back."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = [5, 9, 13, 22]


def modes(module):
    return {name: part.training for name, part in module.named_modules()}


@pytest.fixture
def model():
    module = tiny_model("gpt2", resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5)
    return ue.load(module, tiny_tokenizer())


@pytest.mark.parametrize("part", ["", "transformer.h.1", "transformer.drop", "lm_head"])
def test_no_part_drops_anything_and_each_gets_its_mode_back(model, part):
    asked = {
        "run": lambda: model.run(PROMPT).logits,
        "lens": lambda: ue.logit_lens(model, PROMPT).entropy,
        "generate": lambda: torch.tensor(model.generate(PROMPT, 3).new_ids),
        "partial": lambda: ue.partial_forward(model, ["L2.resid_post"], PROMPT)["L2.resid_post"],
        "final norm": lambda: model.final_norm(torch.ones(2, model.anatomy.d_model)),
    }
    expected = {name: ask() for name, ask in asked.items()}
    model.module.get_submodule(part).train()
    before = modes(model.module)
    assert any(before.values())
    for name, ask in asked.items():
        assert torch.equal(ask(), expected[name]), name
        assert modes(model.module) == before, name
    with pytest.raises(ZeroDivisionError):
        model.run(PROMPT, progress=lambda *_: 1 / 0)
    assert modes(model.module) == before


def test_loading_leaves_modes_as_they_are():
    module = tiny_model("gpt2", resid_pdrop=0.5)
    module.transformer.h[1].train()
    before = modes(module)
    model = ue.load(module)
    assert modes(module) == before
    assert torch.equal(model.run(PROMPT).logits, ue.load(tiny_model("gpt2")).run(PROMPT).logits)


def test_another_dtype_is_a_copy_of_the_callers_module():
    module = tiny_model("gpt2")
    model = ue.load(module, dtype="float64")
    assert model.dtype == torch.float64
    assert model.module is not module
    assert {weight.dtype for weight in module.parameters()} == {torch.float32}
    assert torch.equal(model.run(PROMPT).logits, ue.load(module.double()).run(PROMPT).logits)
    assert ue.load(module, dtype="float64").module is module


def test_a_module_without_weights_is_refused():
    with torch.device("meta"):
        module = type(tiny_model("gpt2"))(tiny_model("gpt2").config)
    with pytest.raises(LoadError, match="meta device"):
        ue.load(module)
