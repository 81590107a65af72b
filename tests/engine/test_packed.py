"""Runs behind each other in one row are what each is by itself."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine.passes import packed
from unembed.engine.passes.packed import Suffix, can_pack, packed_states
from unembed.engine.passes.suffix import prefix_of
from unembed.models.tiny import tiny_model

PROMPT = (1, 59, 109, 118, 72, 87, 80, 91, 121, 4)
OTHER = (1, 59, 33, 118, 7, 87, 80, 91, 121, 4)
LIMIT = {torch.float32: 2e-4, torch.float64: 1e-9}


def prefix(model, ids=PROMPT):
    layers = range(model.anatomy.n_layers)
    run = model.run(ids, [*(f"L{layer}.resid_pre" for layer in layers), "final_norm"])
    residuals = {layer: run[f"L{layer}.resid_pre"] for layer in layers}
    return prefix_of(model, ids, residuals, run["final_norm"]), run["final_norm"]


@pytest.mark.parametrize("position", [9, 7])
@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, torch.float64) for name in ("gpt2", "llama", "phi", "gpt_neox", "qwen3")),
        ("gpt2", torch.float32),
    ],
)
def test_each_is_its_own_run(name, dtype, position, model_of):
    model = model_of(name, dtype)
    found, final = prefix(model)
    assert can_pack(model, found, final)
    there = model.run(OTHER, ["resid_pre", "z", "mlp_out", "resid_post"])
    suffixes = [
        Suffix(2, [ue.patch("L1.resid_pre@2", there)]),
        Suffix(4, [ue.patch("L1.H2", there, positions=[0, 4, 5])]),
        Suffix(7, [ue.patch("L2.mlp_out@7", there), ue.zero("L1.H0@7")]),
        Suffix(5, [ue.patch("L2.resid_post@7", there)]),
        Suffix(5),
    ]
    states = packed_states(model, found, suffixes, 1, position)
    rounds = 5e-6 if name == "gpt_neox" else 0.0
    for one, state in zip(suffixes, states, strict=True):
        edits = [
            ue.patch("L1.H2", there, positions=[4, 5]) if edit.target == "L1.H2" else edit
            for edit in one.edits
        ]
        wanted = model.run(PROMPT, ["final_norm"], edits)["final_norm"][position]
        torch.testing.assert_close(state, wanted, rtol=0, atol=max(LIMIT[dtype], rounds))


def test_a_model_that_looks_back_less_far_than_the_prompt_is_long_is_not_packed():
    module = tiny_model("gemma3", dtype=torch.float64)
    window = module.config.get_text_config().sliding_window
    model = ue.load(module)
    for length, packs in ((window, True), (window + 1, False)):
        found, final = prefix(model, tuple(range(1, length + 1)))
        assert found is not None
        assert can_pack(model, found, final) == packs


def test_what_disagrees_is_not_packed(model_of, monkeypatch):
    model = model_of("gpt2", torch.float64)
    found, final = prefix(model)
    assert not can_pack(model, found, final * 1.01)
    monkeypatch.setattr(packed, "_mask", lambda *_: torch.zeros(1, 1, 6, 15))
    assert not can_pack(model, found, final)


def test_nothing_is_left_on_the_model(model_of):
    model = model_of("llama", torch.float64)
    found, final = prefix(model)
    assert can_pack(model, found, final)
    for module in model.module.modules():
        assert "forward" not in vars(module)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
