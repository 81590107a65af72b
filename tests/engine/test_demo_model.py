"""The engine on a real model: what it says, and what taking a component away changes."""

from __future__ import annotations

import pytest
import torch

import unembed as ue

pytestmark = pytest.mark.demo
TOKYO = "The capital of Japan is the city of"
MARY = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture
def model(demo_model):
    return demo_model


def test_it_says_tokyo_and_mary(model):
    assert model.run(TOKYO).top(1)[0].token.text == " Tokyo"
    best = model.run(MARY).top(1)[0]
    assert best.token.text == " Mary"
    assert best.probability > 0.8


def test_a_typed_bos_is_not_doubled(model):
    """Doubled, as the tokenizer leaves it, the prompt of a capital would go on with " a"."""
    prompt = "The capital of Japan is"
    run = model.run(f"<bos>{prompt}")
    assert run.ids == model.tokenize(prompt)
    assert "starts with <bos>" in run.notes[0]
    best, doubled = run.top(1)[0], model.run(model.tokenizer(f"<bos>{prompt}").input_ids).top(1)[0]
    assert (best.token.text, doubled.token.text) == (" Tokyo", " a")
    assert best.probability == pytest.approx(0.247, abs=1e-3)
    assert doubled.probability == pytest.approx(0.207, abs=1e-3)


@pytest.mark.parametrize("node", ["L9.H2", "L17.N345"])
def test_zeroing_a_head_or_neuron_changes_the_distribution(model, node):
    before = model.run(TOKYO).distribution()
    after = model.run(TOKYO, edits=[ue.zero(node)]).distribution()
    tokyo = model.token_id(" Tokyo")
    assert float(before[tokyo] - after[tokyo]) > 0.1
    assert torch.equal(model.run(TOKYO).distribution(), before)


def test_everything_works_on_it(model):
    refused = [name for name, found in model.capabilities().items() if not found.available]
    # a causal model fills no masks and takes no sentence pairs, a base model has no template
    assert refused == ["mask", "pairs", "chat"]
    assert model.report.passed
