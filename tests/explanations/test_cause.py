"""Steering and ablating, against the model's own pass with a hook written by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.explanations import cause as module
from unembed.explanations.explain import explain

PROMPTS = 4


@pytest.fixture(scope="module", params=["gpt2", "gemma3"])
def corpus(request, model_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cause")
    text = "The cat sat on the mat. A dog (a cat) ran to the man.\n\nIn the rest, he ran on it."
    (folder / "a.txt").write_text("\n\n".join([text] * 12))
    model = model_of(request.param, torch.float64)
    return ue.index_corpus(model, folder / "a.txt", "a", [0], folder=folder, kept="hidden")


def direction(model):
    return torch.randn(model.anatomy.d_model, generator=torch.Generator().manual_seed(2)).double()


def by_hand(model, ids, node, to):
    """Centred change of the last logits where the node is set at the last token."""
    module = model.module
    with torch.no_grad():
        before = module(torch.tensor([ids])).logits[0, -1]
    if isinstance(node, tuple):
        vector = node[1] / node[1].norm()
        block = model.block(1).module

        def hook(_, __, out):
            out = out if isinstance(out, tuple) else (out,)
            state = out[0].clone()
            state[0, -1] += (to - state[0, -1] @ vector) * vector
            return (state, *out[1:]) if len(out) > 1 else state

        handle = module.get_submodule(block).register_forward_hook(hook)
    else:
        name = model.block(1).mlp.output_map

        def before_map(_, given):
            inside = given[0].clone()
            inside[0, -1, 5] = to
            return (inside,)

        handle = module.get_submodule(name).register_forward_pre_hook(before_map)
    try:
        with torch.no_grad():
            after = module(torch.tensor([ids])).logits[0, -1]
    finally:
        handle.remove()
    change = (after - before).double()
    return (change - change.mean()).numpy()


def without_head(model, ids):
    """Centred change of the last logits where head 0 of layer 1 is taken out at the last token."""
    module, attention = model.module, model.block(1).attention

    def hook(_, given):
        inside = given[0].clone()
        inside[0, -1, : attention.d_head] = 0
        return (inside,)

    with torch.no_grad():
        before = module(torch.tensor([ids])).logits[0, -1]
        handle = module.get_submodule(attention.output_map).register_forward_pre_hook(hook)
        try:
            after = module(torch.tensor([ids])).logits[0, -1]
        finally:
            handle.remove()
    change = (after - before).double()
    return (change - change.mean()).numpy()


@pytest.mark.parametrize("kind", ["neuron", "direction"])
def test_effects_are_those_of_hooks_by_hand(kind, corpus, monkeypatch):
    model = corpus.model
    node = "L1.N5" if kind == "neuron" else ("L1.resid_post", direction(model))
    asked = []
    real = module._changes

    def watched(model, sample, lever, values, places, to, cancel):
        changes = real(model, sample, lever, values, places, to, cancel)
        asked.append((sample, places, to, changes))
        return changes

    monkeypatch.setattr(module, "_changes", watched)
    (item,) = explain(corpus, [node], n_tokens=400, cause=True, prompts=PROMPTS, says=3).items
    said = [one.token.id for one in item.promotes]
    assert len(said) == 3
    for effect, (sample, places, to, changes) in zip(
        (item.cause.steered, item.cause.ablated), asked, strict=True
    ):
        ids = corpus.columns.numbers("id")
        rows = []
        for place in places:
            first = sample.rows[place] - sample.positions[place]
            rows.append(by_hand(model, ids[first : sample.rows[place] + 1].tolist(), node, to))
        assert changes == pytest.approx(np.stack(rows), abs=1e-9)
        own = np.stack(rows)[:, said].mean(1)
        assert effect.n == len(own) == len(set(sample.sentences[places])) <= PROMPTS
        assert effect.mean == pytest.approx(own.mean(), abs=1e-9)
        half = 3.1824 * own.std(ddof=1) / 2  # Student's t, 3 degrees of freedom
        assert [effect.low, effect.high] == pytest.approx(
            [own.mean() - half, own.mean() + half], rel=0.02, abs=1e-6
        )
        assert sample.held_out[places].all()
    assert (asked[0][2], asked[1][2]) == (pytest.approx(asked[0][2]), 0.0)


def test_a_direction_of_a_token_raises_it_and_any_other_does_not(corpus):
    """Along the unembedding of a token, where the unembedding reads."""
    model = corpus.model
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    vector = ue.token_direction(model, " the", projection="final_norm")
    (item,) = explain(corpus, [(last, vector)], n_tokens=400, cause=True, prompts=8, says=1).items
    assert item.promotes[0].token.text == " the"
    assert item.cause.raises
    assert item.cause.steered.low > item.cause.steered.chance_high
    reverse = item.cause.__class__(item.cause.ablated, item.cause.steered)
    assert not reverse.lowers


def test_a_head_is_ablated_and_what_is_not_asked_has_no_cause(corpus, monkeypatch):
    model, asked, real = corpus.model, [], module._changes

    def watched(model, sample, lever, values, places, to, cancel):
        asked.append((sample, places, real(model, sample, lever, values, places, to, cancel)))
        return asked[-1][2]

    monkeypatch.setattr(module, "_changes", watched)
    (item,) = explain(corpus, ["L1.H0"], n_tokens=400, cause=True, prompts=2, says=3).items
    assert (item.cause.steered, item.cause.raises) == (None, None)
    ((sample, places, changes),) = asked
    ids = corpus.columns.numbers("id")
    rows = []
    for place in places:
        first = sample.rows[place] - sample.positions[place]
        rows.append(without_head(model, ids[first : sample.rows[place] + 1].tolist()))
    assert changes == pytest.approx(np.stack(rows), abs=1e-9)
    said = [one.token.id for one in item.promotes]
    assert item.cause.ablated.mean == pytest.approx(np.stack(rows)[:, said].mean(), abs=1e-9)
    assert explain(corpus, ["L1.N5"], n_tokens=400).items[0].cause is None
