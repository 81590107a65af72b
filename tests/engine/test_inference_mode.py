"""`torch.inference_mode()` around anything changes nothing: its tensors count no versions."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.engine.passes.attention_inputs import inputs_of, pulled_back
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat is on the"
SITES = ["embed", "resid_pre", "q", "pattern", "z", "resid_post", "final_norm"]


@pytest.fixture(scope="module")
def falcon():
    """A model that writes into what was captured: versions must be counted for that to show."""
    return ue.load(tiny_model("falcon"), tiny_tokenizer())


@pytest.fixture(params=["gpt2", "gemma", "falcon"])
def model(request):
    return request.getfixturevalue(request.param)


def same(found, expected):
    for name, value in expected.activations.items():
        assert torch.equal(found.activations[name], value), name
    assert (found.logits is None) == (expected.logits is None)
    assert expected.logits is None or torch.equal(found.logits, expected.logits)


def test_a_run_with_captures_and_edits(model):
    source = model.run("the dog is on the", ["resid_post"])
    vector = torch.ones(model.anatomy.d_model)
    edits = [ue.zero("L0.H1"), ue.add("L1.resid_pre", vector), ue.scale("L1.H2.pattern", 0.5)]
    with torch.inference_mode():
        made_inside = ue.add("L2.mlp", torch.ones(model.anatomy.d_model))
        inner_source = model.run("the dog is on the", ["resid_post"])
        patch = ue.patch("L0.resid_post", inner_source, positions=[0], source_positions=[0])
        found = model.run(PROMPT, SITES, [*edits, made_inside, patch])
    patch = ue.patch("L0.resid_post", source, positions=[0], source_positions=[0])
    outside = ue.add("L2.mlp", torch.ones(model.anatomy.d_model))
    same(found, model.run(PROMPT, SITES, [*edits, outside, patch]))
    assert not found["L0.resid_post"].is_inference()


def test_a_run_from_a_residual_made_inside(model):
    residual = model.run(PROMPT, ["L1.resid_pre"])["L1.resid_pre"]
    expected = model.run(PROMPT, ["L1.resid_pre", "resid_post"], start=(1, residual))
    with torch.inference_mode():
        found = model.run(PROMPT, ["L1.resid_pre", "resid_post"], start=(1, residual.clone()))
    same(found, expected)


def test_gradients(gpt2):
    def gradient():
        run = gpt2.run(PROMPT, ["L1.attn_in"], grad=True)
        return torch.autograd.grad(run.logits[-1, 3], run["L1.attn_in"])[0]

    expected = gradient()
    with torch.inference_mode():
        run = gpt2.run(PROMPT, ["L1.attn_in"], grad=True)
    found = torch.autograd.grad(run.logits[-1, 3], run["L1.attn_in"])[0]
    assert torch.equal(found, expected)


def test_queries_pulled_back_through_their_map(gpt2):
    run = gpt2.run(PROMPT, ["L1.resid_pre", "L1.attn_in", "L1.q"])

    def pulled():
        inputs = inputs_of(gpt2, 1, run["L1.resid_pre"], run["L1.attn_in"])
        return pulled_back(gpt2, inputs, range(len(run.ids)), q=run["L1.q"])

    expected = pulled()
    with torch.inference_mode():
        assert torch.equal(pulled(), expected)


def test_generation(model):
    edits = [ue.zero("L0.H1")]
    expected = model.generate(PROMPT, 4, edits)
    with torch.inference_mode():
        assert model.generate(PROMPT, 4, edits).new_ids == expected.new_ids


@pytest.mark.parametrize("decoder", ["final_norm", "L1"])
def test_the_lens(gpt2, decoder):
    expected = ue.logit_lens(gpt2, PROMPT, decoder=decoder)
    with torch.inference_mode():
        found = ue.logit_lens(gpt2, PROMPT, decoder=decoder)
    for name, array in expected.arrays().items():
        assert (array == found.arrays()[name]).all(), name


def test_a_partial_pass(gpt2):
    names = ["L0.resid_post", "L1.pattern", "h.1.ln_2"]
    with torch.no_grad():
        expected = ue.partial_forward(gpt2, names, PROMPT)
    with torch.inference_mode():
        found = ue.partial_forward(gpt2, names, PROMPT)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_sweep(model):
    edits = [ue.zero("L0.H1"), ue.zero("L2.H0"), ()]
    objective = ue.Objective.logit(7)
    expected = ue.sweep(model, PROMPT, edits, capture=["L2.resid_post"], objective=objective)
    with torch.inference_mode():
        found = ue.sweep(model, PROMPT, edits, capture=["L2.resid_post"], objective=objective)
    assert torch.equal(found.values, expected.values)
    for one, other in zip(found, expected, strict=True):
        same(one, other)


def test_loading():
    with torch.inference_mode():
        model = ue.load(tiny_model("falcon"), tiny_tokenizer())
        found = model.run(PROMPT, ["resid_post"])
    same(found, ue.load(tiny_model("falcon"), tiny_tokenizer()).run(PROMPT, ["resid_post"]))
