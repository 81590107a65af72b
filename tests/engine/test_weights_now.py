"""What is computed from weights is computed from the weights as they are now."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = [5, 9, 13, 22]


def replaced(module):
    module.lm_head.weight = nn.Parameter(module.lm_head.weight.detach() * 1.5)


def other_module(module):
    new = nn.Linear(module.lm_head.in_features, module.lm_head.out_features, bias=True)
    module.lm_head = new


def assigned(module):
    other = {name: 1.1 * weight for name, weight in copy.deepcopy(module.state_dict()).items()}
    module.load_state_dict(other, assign=True)


def converted(module):
    module.to(torch.bfloat16)


def in_place(module):
    with torch.no_grad():
        module.lm_head.weight.mul_(0.5)


def new_data(module):
    module.lm_head.weight.data = module.lm_head.weight.data * 2


@pytest.mark.parametrize(
    "change", [replaced, other_module, assigned, converted, in_place, new_data]
)
def test_the_last_row_of_the_lens_is_the_models_own_output(change):
    module = tiny_model("llama", tie_word_embeddings=False)
    model = ue.load(module, tiny_tokenizer())
    before = ue.logit_lens(model, PROMPT)
    change(module)
    run, after = model.run(PROMPT), ue.logit_lens(model, PROMPT)
    for position in range(len(PROMPT)):
        ours, theirs = after.top_probabilities[-1, position, 0], run.distribution(position).max()
        assert float(ours) == pytest.approx(float(theirs), abs=1e-6)
    assert model.unembedding.weight.dtype == model.dtype
    assert after.provenance["dtype"] == str(model.dtype).removeprefix("torch.")
    assert after.provenance["fingerprint"] != before.provenance["fingerprint"]
    assert not torch.equal(after.top_probabilities, before.top_probabilities)
