"""Neurons and heads whose weights were made by hand to mean one thing: the first label says it.

A GPT-2 of two layers in which every token and every place is a direction of its own, so that what
a neuron or a head does follows from a few numbers. Nothing stands beside the model, as latents do
in `test_planted`, and nothing of it is noise.
"""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.models.tiny import tiny_model

from . import world
from .conftest import TOKENS
from .test_planted import right
from .world import BY_FORM, VOCABULARY

V, PLACES = len(VOCABULARY), 48
D_HEAD = V + PLACES
D = 2 * D_HEAD  # two heads, and room for what they write
TOKEN, PLACE, BEFORE = slice(V), slice(V, D_HEAD), slice(D_HEAD, D_HEAD + V)
SPARE = D_HEAD + V
SHARP = 30.0  # a logit that leaves others nothing of an attention
FAINT = 1e-3  # what heads of layer 1 write, so that norms behind them stay what they are


def reading(where, holds):
    """[D] 1 where a word, or a place, is one of those that `holds` says."""
    read, known = torch.zeros(D), range(PLACES) if where is PLACE else VOCABULARY
    read[where] = torch.tensor(
        [float(one not in ("<pad>", "<unk>") and holds(one)) for one in known]
    )
    return read


def meanings():
    """What each neuron of layer 1 means, what it reads, and how much of that it needs."""
    for one in ("the", "unpik", "ong", "brom"):
        yield world._token(one), reading(TOKEN, lambda word, one=one: word == one), 1
    for end in ("ing", "ed", "ly"):
        ends = reading(TOKEN, lambda word, end=end: word.endswith(end) and word != end)
        yield world._suffix(end), ends, 1
    for start in ("un", "re"):
        yield world._prefix(start), reading(TOKEN, lambda w, start=start: w.startswith(start)), 1
    for pos in ("NOUN", "DET"):
        yield world._pos(pos), reading(TOKEN, lambda word, pos=pos: BY_FORM[word].pos == pos), 1
    for one in (1, 5):
        yield world._position(one), reading(PLACE, lambda place, one=one: place == one), 1
    for one in ("the", "of", "("):
        yield world._previous(one), reading(BEFORE, lambda w, one=one: w == one), 1
    for pair in (("of", "the"), ("in", "a")):
        before, own = (
            reading(where, lambda word, one=one: word == one)
            for where, one in zip((BEFORE, TOKEN), pair, strict=True)
        )
        yield world._bigram(*pair), before + own, 2


HEADS = {
    "L1.H0": world._previous("the"),
    "L1.H1": next(one for one in world.planted() if one.kind == "repeated"),
}


def as_it_is(norm, ones):
    """A layer norm that changes nothing where so many numbers are 1, and the others 0."""
    mean = ones / D
    norm.weight.fill_((mean * (1 - mean)) ** 0.5)
    norm.bias.fill_(mean)


def looks_back(attention, head, carried, to):
    """A head that looks at the token before, and carries what `carried` [D, D_HEAD] reads there."""
    q, k, v = (slice(part * D + head * D_HEAD, part * D + (head + 1) * D_HEAD) for part in range(3))
    weight = attention.c_attn.weight
    places = torch.eye(PLACES)
    weight[PLACE, q][1:, V:] = SHARP * D_HEAD**0.5 * places[:-1]
    weight[PLACE, k][:, V:] = places
    weight[:, v] = carried
    attention.c_proj.weight[head * D_HEAD : (head + 1) * D_HEAD] = to


def looks_for_itself(attention, head):
    """A head that looks behind earlier copies of its token; without any at the first token.

    It writes as much as it looks at others than the first.
    """
    q, k, v = (slice(part * D + head * D_HEAD, part * D + (head + 1) * D_HEAD) for part in range(3))
    weight = attention.c_attn.weight
    weight[TOKEN, q][:, :V] = SHARP * D_HEAD**0.5 * torch.eye(V)
    weight[BEFORE, k][:, :V] = torch.eye(V)
    weight[PLACE, q][:, V] = SHARP * D_HEAD**0.5
    weight[PLACE, k][0, V] = 0.5
    weight[PLACE, v][1:, 0] = 1.0
    attention.c_proj.weight[head * D_HEAD, SPARE + 1] = FAINT


def forgets_itself(mlp):
    """A feed-forward that takes away what the first token took for the token before: itself."""
    mlp.c_fc.weight[BEFORE, :V] = torch.eye(V)
    mlp.c_fc.weight[V, :V] = 1.0  # the first place
    mlp.c_fc.bias[:V] = -1.0
    mlp.c_proj.weight[:V, BEFORE] = -torch.eye(V)


@torch.no_grad()
def planted_model():
    neurons = list(meanings())
    sizes = {"n_embd": D, "n_layer": 2, "n_head": 2, "n_inner": V}
    module = tiny_model(
        "gpt2", vocab_size=V, n_positions=PLACES, activation_function="relu", **sizes
    )
    model = ue.load(module, tokenizer=world.tokenizer())  # zeros would prove nothing to it
    for weight in module.parameters():
        weight.zero_()
    body = module.transformer
    body.wte.weight[:, TOKEN] = torch.eye(V)
    body.wpe.weight[:, PLACE] = torch.eye(PLACES)
    for layer, block in enumerate(body.h):
        as_it_is(block.ln_1, 2 + layer)
        as_it_is(block.ln_2, 3)
    tokens, before = torch.zeros(D, D_HEAD), torch.zeros(D_HEAD, D)
    tokens[TOKEN, :V] = torch.eye(V)
    before[:V, BEFORE] = torch.eye(V)
    looks_back(body.h[0].attn, 0, tokens, before)
    forgets_itself(body.h[0].mlp)
    the, faint = torch.zeros(D, D_HEAD), torch.zeros(D_HEAD, D)
    the[VOCABULARY.index("the"), 0], faint[0, SPARE] = 1.0, FAINT
    looks_back(body.h[1].attn, 0, the, faint)
    looks_for_itself(body.h[1].attn, 1)
    for number, (_, read, needs) in enumerate(neurons):
        body.h[1].mlp.c_fc.weight[:, number] = read
        body.h[1].mlp.c_fc.bias[number] = 0.5 - needs
    return model


@pytest.fixture(scope="module")
def planted_corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    path = world.write_conllu(world.sentences(), folder / "made-up.conllu")
    return ue.index_corpus(planted_model(), path, "made-up", [0], folder=folder, kept="hidden")


def test_the_first_label_of_a_neuron_made_by_hand_is_right(planted_corpus):
    wanted = [one for one, _, _ in meanings()]
    names = [f"L1.N{number}" for number in range(len(wanted))]
    found = ue.explain(planted_corpus, names, n_tokens=TOKENS).items
    wrong = [(one.label, want.kind, want.values) for one, want in zip(found, wanted, strict=True)
             if not right(one, want)]  # fmt: skip
    assert len(wrong) <= 0.05 * len(wanted), wrong
    for item, want in zip(found, wanted, strict=True):
        if right(item, want):
            assert item.supported, item.label
            assert (item.held_out.f1, item.held_out.auc) == (1.0, 1.0), item.label


def test_the_first_label_of_a_head_made_by_hand_is_right(planted_corpus):
    """Induction among them: it moves something wherever a token came before, and only there.

    The first token of a sentence has itself alone to look at, which is all that the other does
    wrong.
    """
    found = ue.explain(planted_corpus, list(HEADS), n_tokens=TOKENS, threshold=0.3 * FAINT).items
    for item, want in zip(found, HEADS.values(), strict=True):
        assert right(item, want), item.label
        assert item.supported
        assert item.held_out.f1 > 0.95
