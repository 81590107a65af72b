"""Searches among latents equal plain loops over the rows of their decoders."""

from __future__ import annotations

from dataclasses import replace

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
FURTHER = {"L0.resid_post": 20, "L2.attn_out": 10}  # second ones of a layer


def sae(model, layer, n, where="mlp_out"):
    d, site = model.anatomy.d_model, places(f"L{layer}.{where}")[0]
    drawn = torch.Generator().manual_seed(layer if where == "mlp_out" else n)
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
def index(model, tmp_path_factory):
    return ue.latent_index(model, top_k=5, folder=tmp_path_factory.mktemp("index"))


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


@pytest.fixture(scope="module", params=[2**30, 0], ids=["copied", "from the autoencoders"])
def several(request, tmp_path_factory):
    """A model with two autoencoders in two layers, its index, and the row of each latent."""
    made = ue.load(tiny_model("gpt2", dtype=torch.float32), tokenizer=tiny_tokenizer())
    made.settings = replace(made.settings, index_cache_bytes=request.param)
    firsts = [sae(made, layer, n) for layer, n in WIDTHS.items()]
    others = [sae(made, int(site[1]), n, site.partition(".")[2]) for site, n in FURTHER.items()]
    made.attach(*firsts, *others, verify=False)
    rows = {
        f"{stem}{number}": row
        for stem, one in zip(
            ("L0.F", "L2.F", "L0.resid_post.F", "L2.attn_out.F"), [*firsts, *others], strict=True
        )
        for number, row in enumerate(one.weights.W_dec)
    }
    return made, ue.latent_index(made, top_k=5, folder=tmp_path_factory.mktemp("index")), rows


def test_all_autoencoders_of_a_layer_are_searched(several):
    model, index, rows = several
    assert index.vectors.fits == bool(model.settings.index_cache_bytes)
    assert len(index) == len(rows) == 110
    assert {index.node(row) for row in range(len(index))} == set(rows)
    assert all(index.node(index.row(name)) == name for name in rows)
    weight = model.unembedding.weight.double()
    scores = {name: float(weight[70] @ row.double()) for name, row in rows.items()}
    found = index.token(70, limit=110)
    assert [one.node for one in found.items] == ranked(scores)
    cosine = torch.nn.functional.cosine_similarity
    mine = rows["L2.attn_out.F4"]
    near = {name: float(cosine(mine, row, dim=0)) for name, row in rows.items()}
    del near["L2.attn_out.F4"]
    hits = index.similar("L2.attn_out.F4", limit=7)
    assert [one.node for one in hits.items] == ranked(near)[:7]
    assert [one.score for one in hits.items] == pytest.approx(
        [near[name] for name in ranked(near)[:7]], abs=1e-5
    )
    layer = {one.node for one in index.token(70, layers=(0, 0), limit=110).items}
    assert layer == {name for name in rows if name.startswith("L0.")}


def test_a_page_of_a_second_autoencoder_compares_with_its_own(several):
    _, index, rows = several
    page = index.vector("L0.resid_post.F7")
    norms = torch.stack([row.norm() for name, row in rows.items() if "resid_post" in name])
    shorter = int((norms < rows["L0.resid_post.F7"].norm()).sum())
    assert page.layer_norm_percentile == pytest.approx(100 * shorter / 19)
    assert page.norm == pytest.approx(float(rows["L0.resid_post.F7"].norm()))
    with pytest.raises(TargetError):
        index.vector("L0.resid_post.F20")


def test_what_it_does_not_have(model, index):
    for name in ("L1.N3", "L0.F30"):
        with pytest.raises(TargetError):
            index.vector(name)
    with pytest.raises(InputError, match="of latents"):
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


def test_over_http_they_need_no_index(model, index, app, tmp_path):
    whole = ue.latent_index(model, folder=tmp_path / "python")
    body = {"among": "latents", "limit": 3}
    word = model.token(70).text
    for path, asked, python in (
        ("search", {"words": [word]}, whole.search(word, limit=3)),
        ("token", {"token": 70}, index.token(70, limit=3)),
        ("similar", {"target": "L2.F7"}, index.similar("L2.F7", limit=3)),
    ):
        answer = post(app, f"/api/index/{path}", body | asked).json()
        assert [hit["node"] for hit in answer["items"]] == [hit.node for hit in python.items]
    page = {"among": "latents", "layer": 2, "first": 48}
    answer = post(app, "/api/index/browse", page).json()
    assert (answer["total"], [hit["node"] for hit in answer["items"]]) == (50, ["L2.F48", "L2.F49"])
