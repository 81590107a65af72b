"""The checks of published figures, on a tiny model: right figures pass, wrong ones are noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..analyses.slow import Slow
from ..contract.oracle import Oracle
from ..contract.wiring import weight_and_bias
from . import checks, conftest
from .figures import (
    PROJECTED,
    READ_AS_STATES,
    STEERING,
    TRACES,
    Dominant,
    Reading,
    Trace,
    Vector,
)

PROMPT = "the cat sat on the mat"
LAYER = 1
TARGET = " a"


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2"), tiny_tokenizer())


@pytest.fixture(scope="module")
def slow():
    """The same weights, run by hooks of the tests' own."""
    return Slow(Oracle("gpt2", torch.float32))


@pytest.fixture(scope="module")
def sites(model, slow):
    return slow.oracle.run(model.tokenize(PROMPT))


@pytest.fixture(scope="module")
def figures(model, slow, sites):
    """A trace as somebody else would have published it: logits, norms and sorts by hand."""
    module = slow.oracle.model.transformer.h[LAYER]
    activations = sites[f"L{LAYER}.mlp_post"][-1]
    rows, _ = weight_and_bias(module.mlp.c_proj)
    scores = activations.abs() * rows.norm(dim=1)
    best = scores.topk(4)
    maps, _ = weight_and_bias(module.attn.c_proj)
    writes = torch.einsum("hz,hzd->hd", sites[f"L{LAYER}.z"][-1], maps.reshape(4, 10, 40))
    norms = writes.norm(dim=1).topk(3)
    return Trace(
        "tiny",
        PROMPT,
        LAYER,
        TARGET,
        reading(model, slow.decode(sites[f"L{LAYER}.resid_mid"])[-1]),
        reading(model, slow.decode(sites[f"L{LAYER}.resid_post"])[-1]),
        tuple(
            Dominant(neuron, round(score, 3), round(float(activations[neuron]), 3))
            for neuron, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
        ),
        tuple(
            (head, round(norm, 2))
            for head, norm in zip(norms.indices.tolist(), norms.values.tolist(), strict=True)
        ),
        round(float(sites[f"L{LAYER}.attn_out"][-1].norm()), 3),
        round(float(sites[f"L{LAYER}.mlp_out"][-1].norm()), 3),
    )


def reading(model, logits):
    probabilities = logits.double().softmax(-1)
    order = probabilities.argsort(descending=True)[:5].tolist()
    target = model.token_id(TARGET)
    return Reading(
        tuple(model.token(token_id).text.strip() for token_id in order),
        tuple(round(float(probabilities[token_id]), 3) for token_id in order[:2]),
        round(float(probabilities[target]), 5),
        1 + int((logits > logits[target]).sum()),
    )


def test_figures_computed_by_hand_pass(model, figures):
    relaxed = replace(figures, precision=6e-4)  # first probabilities have three decimals here
    assert checks.check_trace(model, relaxed) == []


def swapped(pair):
    return (pair[1], pair[0], *pair[2:])


WRONG = {
    "before: top": lambda f: replace(f, before=replace(f.before, top=swapped(f.before.top))),
    "after: top": lambda f: replace(f, after=replace(f.after, top=swapped(f.after.top))),
    "before and after": lambda f: replace(f, before=f.after, after=f.before),
    "first probability": lambda f: replace(
        f, after=replace(f.after, probabilities=(f.after.probabilities[0] + 0.002,))
    ),
    "target probability": lambda f: replace(
        f, after=replace(f.after, target_probability=f.after.target_probability + 0.001)
    ),
    "rank": lambda f: replace(f, after=replace(f.after, target_rank=f.after.target_rank + 1)),
    "another layer": lambda f: replace(f, layer=0),
    "another prompt": lambda f: replace(f, prompt=PROMPT + " a"),
    "score": lambda f: changed(f, score=f.dominant[1].score * 1.01),
    "activation": lambda f: changed(f, activation=-f.dominant[1].activation),
    "order": lambda f: replace(f, dominant=swapped(f.dominant)),
    "a weak neuron": lambda f: replace(f, dominant=(*f.dominant, Dominant(weakest(f), 0.0))),
    "head": lambda f: replace(f, heads=swapped(f.heads)),
    "norm of a head": lambda f: replace(f, heads=((f.heads[0][0], f.heads[0][1] + 0.02),)),
    "norm of attention": lambda f: replace(f, attn_norm=f.attn_norm * 1.01),
    "norm of feed-forward": lambda f: replace(f, mlp_norm=f.mlp_norm * 1.01),
}


def changed(figures, **values):
    first, second, *others = figures.dominant
    return replace(figures, dominant=(first, replace(second, **values), *others))


def weakest(figures):
    """Some neuron that is not among the published ones; with a score of 0 it cannot be right."""
    return next(n for n in range(52) if n not in {one.neuron for one in figures.dominant})


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_figure_is_noticed(mistake, model, figures):
    wrong = WRONG[mistake](replace(figures, precision=6e-4))
    assert checks.check_trace(model, wrong) != []


def test_projections_are_the_unembedding_of_a_row_of_the_second_matrix(model, slow):
    module = slow.oracle.model
    row = module.transformer.h[2].mlp.c_proj.weight[7].detach()
    bare = module.lm_head.weight.detach() @ row
    assert checks.projected_tokens(model, "L2.N7", 9) == texts(model, bare.topk(9).indices)
    with torch.no_grad():
        read = module.lm_head(module.transformer.ln_f(row[None]))[0]
    assert checks.read_tokens(model, "L2.N7", 9) == texts(model, read.topk(9).indices)
    assert checks.projected_tokens(model, "L2.N7", 9) != checks.read_tokens(model, "L2.N7", 9)


def texts(model, ids):
    return [model.token(token_id).text.strip() for token_id in ids.tolist()]


def test_a_search_finds_the_vector_that_promotes_a_word_most_and_not_one_that_does_not(
    model, slow, tmp_path, monkeypatch
):
    monkeypatch.setattr(checks, "PROJECTED_K", 5)
    monkeypatch.setattr(checks, "HITS", 3)
    module = slow.oracle.model
    rows = torch.cat([block.mlp.c_proj.weight for block in module.transformer.h]).detach()
    scores = rows @ module.lm_head.weight[model.token_id(" the")].detach()
    best, worst = (f"L{index // 52}.N{index % 52}" for index in (scores.argmax(), scores.argmin()))
    assert checks.found_by_words(model, ["the"], best, tmp_path)
    assert not checks.found_by_words(model, ["the"], worst, tmp_path)


def test_enough_of_the_published_tokens_must_be_found():
    vector = Vector("tiny", "L1.N2", ("ab?d", "wx", "yz"), 2)
    assert checks.check_vector(vector, ["abcd", "yz", "other"]) == []
    for found in (["abcd", "other"], ["abd", "yz"], ["abcdd", "wxy", "yz"], []):
        assert checks.check_vector(vector, found) != []


def test_an_activation_is_that_at_the_last_position(model, sites):
    right = float(sites["L1.mlp_post"][-1, 7])
    vector = Vector("tiny", "L1.N7", (), 0, PROMPT, round(right, 3))
    assert checks.check_activation(model, vector) == []
    assert checks.check_activation(model, replace(vector, activation=right + 0.003)) != []
    other = float(sites["L1.mlp_post"][0, 7])
    assert checks.check_activation(model, replace(vector, activation=other)) != []


def test_steering_sets_every_pre_activation(model, slow):
    edits = checks.steering(["L1.N5", "L2.N6"], 3.0)

    def at(neuron):
        def change(value):
            value[:, neuron] = 3.0
            return value

        return change

    changes = {"L1.mlp_pre": at(5), "L2.mlp_pre": at(6)}
    wanted = slow.oracle.run(model.tokenize(PROMPT), changes)["logits"]
    torch.testing.assert_close(model.run(PROMPT, edits=edits).logits, wanted, rtol=0, atol=1e-4)


def test_the_figures_are_well_formed():
    names = [trace.name for trace in TRACES]
    assert len(set(names)) == len(names)
    for trace in TRACES:
        assert trace.before or trace.after
        scores = [one.score for one in trace.dominant]
        assert scores == sorted(scores, reverse=True)
        for read in filter(None, (trace.before, trace.after)):
            assert read.target_probability is None or trace.target is not None
            assert len(read.probabilities) <= len(read.top)
    for vector in (*PROJECTED, *READ_AS_STATES):
        assert 0 < vector.least <= len(vector.tokens)
    assert len(set(STEERING)) == 10


def test_a_model_is_read_from_the_folder_that_a_variable_names(tmp_path, monkeypatch):
    tiny_model("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    monkeypatch.setenv("GPT2_MEDIUM", str(tmp_path))
    assert conftest.load_published("GPT2_MEDIUM").anatomy.n_layers == 3
    monkeypatch.setenv("GPT2_MEDIUM", "")
    with pytest.raises(pytest.skip.Exception, match="make published GPT2_MEDIUM="):
        conftest.load_published("GPT2_MEDIUM")
