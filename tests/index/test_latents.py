"""Searches among latents equal plain loops over the rows of their decoders."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import CapabilityError, InputError, TargetError
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..server.asgi import post
from ..server.conftest import making_apps

WIDTHS = {0: 30, 2: 50}  # latents by layer


def sae(model, layer, n):
    d, site = model.anatomy.d_model, places(f"L{layer}.mlp_out")[0]
    drawn = torch.Generator().manual_seed(layer)
    enc, dec = torch.randn(2, n, d, generator=drawn)
    says = Description("made up", "sae", "relu", d, d, n, reads=site, writes=site)
    return ue.Sae(says, Weights(enc.T.contiguous(), dec, torch.zeros(n), torch.zeros(d)))


@pytest.fixture(scope="module")
def model():
    made = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    made.attach(*(sae(made, layer, n) for layer, n in WIDTHS.items()), verify=False)
    return made


@pytest.fixture(scope="module")
def rows(model):
    """Name and decoder row of every latent."""
    return {
        f"L{layer}.F{number}": row
        for layer, n in WIDTHS.items()
        for number, row in enumerate(sae(model, layer, n).weights.W_dec)
    }


@pytest.fixture(scope="module")
def index(model):
    return ue.latent_index(model, top_k=5)


def ranked(scores):
    return sorted(scores, key=lambda name: -scores[name])


def test_a_token_a_word_and_a_direction(model, rows, index):
    token = 70
    weight = model.unembedding.weight.double()
    scores = {name: float(weight[token] @ row.double()) for name, row in rows.items()}
    found = index.token(token, limit=6)
    assert found.total == len(rows)
    assert [hit.node for hit in found.items] == ranked(scores)[:6]
    assert [x.score for x in found.items] == pytest.approx(
        sorted(scores.values(), reverse=True)[:6], rel=1e-4
    )
    word = model.token(token).text
    lists = {name: (weight @ row.double()).topk(5) for name, row in rows.items()}
    having = {name for name, top in lists.items() if token in top.indices.tolist()}
    hits = index.search(word, match="exact", limit=100)
    assert {hit.node for hit in hits.items} == having
    assert having
    cosines = {
        name: float(torch.cosine_similarity(row.double(), rows["L2.F7"].double(), dim=0))
        for name, row in rows.items()
        if name != "L2.F7"
    }
    near = index.similar("L2.F7", limit=4)
    assert [hit.node for hit in near.items] == ranked(cosines)[:4]
    neuron = model.output_weight(1, "mlp")[3].detach().double()
    cosines = {
        name: float(torch.cosine_similarity(row.double(), neuron, dim=0))
        for name, row in rows.items()
    }
    near = index.similar("L1.N3", limit=4)
    assert [hit.node for hit in near.items] == ranked(cosines)[:4]
    assert [hit.node for hit in index.similar("L2.F7", layers=(0, 0), limit=99).items][-1][:3] == (
        "L0."
    )
    assert [page.node for page in index.browse(2, 48)] == ["L2.F48", "L2.F49"]


def test_what_it_does_not_have(model, index):
    for name in ("L1.N3", "L0.F30"):
        with pytest.raises(TargetError):
            index.vector(name)
    with pytest.raises(InputError, match="held in memory"):
        index.clusters(2)
    bare = ue.load(model.module, tokenizer=model.tokenizer)
    with pytest.raises(CapabilityError, match="no autoencoder"):
        ue.latent_index(bare)


def test_of_other_autoencoders_it_says_so(model, index):
    before = model.derived
    model.detach()
    try:
        with pytest.raises(InputError, match="any more"):
            index.token(70)
    finally:
        model.derived = before
    index.token(70)


@pytest.fixture
def app(model, tmp_path):
    with making_apps(model, tmp_path) as make:
        yield make()


def test_over_http_they_need_no_index(model, index, app):
    body = {"among": "latents", "limit": 3}
    word = model.token(70).text
    for path, asked, python in (
        ("search", {"words": [word]}, ue.latent_index(model).search(word, limit=3)),
        ("token", {"token": 70}, index.token(70, limit=3)),
        ("similar", {"target": "L2.F7"}, index.similar("L2.F7", limit=3)),
    ):
        answer = post(app, f"/api/index/{path}", body | asked).json()
        assert [hit["node"] for hit in answer["items"]] == [hit.node for hit in python.items]
    page = {"among": "latents", "layer": 2, "first": 48}
    answer = post(app, "/api/index/browse", page).json()
    assert (answer["total"], [hit["node"] for hit in answer["items"]]) == (50, ["L2.F48", "L2.F49"])
