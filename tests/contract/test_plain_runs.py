"""A run that asks for nothing is the plain model, and a run that only looks changes no bit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from unembed.models.tiny import tiny_model

from .closeness import DTYPES, PROMPT, assert_close
from .footprint import footprint
from .sites import all_sites
from .wiring import NAMES


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
