"""The page of a latent: what it writes and promotes, by hand; on a prompt, and whatever runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.writes import write
from unembed.errors import CapabilityError
from unembed.index.live import live_page, nearest_hits
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.latents.sample import activations
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat sat on the mat"
# where it reads and writes, and the steps of the stream that what it writes takes part in
SITES = ("L1.resid_post", "L1.resid_pre", "L0.resid_pre", "L1.mlp_in>L1.mlp_out", "L1.attn_out")
FAMILIES = ("gpt2", "gemma3", "bert")
N = 24


def attached(model, site, **says):
    """The model with a random autoencoder of the site, whose rows are of any length."""
    reads, writes = places(site)
    kind = "sae" if reads == writes else "transcoder"
    seen = activations(model, [reads, writes])
    d_in, d_out = seen[reads].shape[1], seen[writes].shape[1]
    drawn = torch.Generator().manual_seed(3)
    enc, dec = (
        torch.randn(shape, generator=drawn, dtype=torch.float64)
        for shape in ((d_in, N), (N, d_out))
    )
    described = Description("made up", kind, "relu", d_in, d_out, N, reads=reads, writes=writes)
    weights = Weights(enc, dec, torch.zeros(N).double(), torch.ones(d_out).double())
    model.detach()
    model.attach(ue.Sae(replace(described, **says), weights), verify=False)
    return enc, dec


@pytest.fixture(scope="module")
def models():
    return {
        family: ue.load(tiny_model(family, dtype=torch.float64), tokenizer=tiny_tokenizer())
        for family in FAMILIES
    }


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("site", SITES)
def test_what_a_latent_writes_and_promotes_is_computed_by_hand(models, family, site):
    model = models[family]
    enc, dec = attached(model, site)
    reads, writes = (key.name for key in places(site))
    strongest = int((model.run(PROMPT, [reads])[reads].flatten(1)[3] @ enc).argmax())
    name = f"L{reads[1]}.F{strongest}"
    run = model.run(PROMPT, [*ue.component_capture(model, name), reads, writes])
    found = ue.component(run, name, 3, 4)
    value = run[reads].flatten(1)[3] @ enc[:, strongest]
    assert (found.kind, found.activation_name) == ("latent", "latent")
    assert found.activation[3] == pytest.approx(float(value), abs=1e-12)
    wrote = value * dec[strongest]
    torch.testing.assert_close(write(run, name)[3], wrote, atol=1e-10, rtol=1e-10)
    assert found.write_norm == pytest.approx(float(wrote.norm()), rel=1e-6)
    if family == "bert":
        behind = "resid" in writes and writes != "L0.resid_pre"
        assert found.method == (None if behind else "difference")
        return
    last = run[f"L{model.anatomy.n_layers - 1}.resid_post"][3]
    effects = model.unembedding.weight.double() @ normed(model, last, wrote)
    best = effects.topk(4)
    assert [one.token.id for one in found.promotes] == best.indices.tolist()
    assert [one.logit for one in found.promotes] == pytest.approx(best.values.tolist(), rel=1e-6)


def normed(model, state, part):
    """A part of a state behind the final norm, whose scale is that of the state."""
    norm = model.module.get_submodule(model.anatomy.head.chain[0])
    weight, epsilon = norm.weight.double(), getattr(norm, "variance_epsilon", 1e-6)
    if "LayerNorm" in type(norm).__name__:
        part, state, epsilon = part - part.mean(), state - state.mean(), norm.eps
    else:
        weight = weight + 1  # Gemma's
    return weight * part / (state.square().mean() + epsilon).sqrt()


def test_a_latent_inside_of_a_branch_writes_nothing_by_itself(models):
    model = models["gpt2"]
    attached(model, "L1.z")
    run = model.run(PROMPT, [*ue.component_capture(model, "L1.F7"), "L1.z"])
    with pytest.raises(CapabilityError, match="inside of a branch"):
        ue.component(run, "L1.F7", 3)
    with pytest.raises(CapabilityError, match="inside of a branch"):
        live_page(model, "L1.F7")


@pytest.mark.parametrize("site", ["L1.resid_post", "L1.mlp_in>L1.mlp_out", "L1.mlp_out"])
def test_the_page_of_the_weights_alone(models, site):
    model = models["gpt2"]
    enc, dec = attached(model, site)
    page = live_page(model, "L1.F7", top_k=5)
    scores = model.unembedding.weight.double() @ dec[7]
    assert [one.token.id for one in page.promoted] == scores.topk(5).indices.tolist()
    assert [one.score for one in page.suppressed] == pytest.approx(
        (-(-scores).topk(5).values).tolist(), rel=1e-5
    )
    assert page.norm == pytest.approx(float(dec[7].norm()), rel=1e-5)
    shorter = int((dec.norm(dim=-1) < dec[7].norm()).sum())
    assert page.layer_percentile == pytest.approx(100 * shorter / (N - 1))
    cosines = torch.nn.functional.cosine_similarity(dec, dec[7], dim=-1)
    best = cosines.topk(4)
    near = nearest_hits(model, "L1.F7", limit=3)
    assert [one.node for one in near] == [f"L1.F{one}" for one in best.indices[1:].tolist()]
    assert [one.score for one in near] == pytest.approx(best.values[1:].tolist(), rel=1e-5)
    table = model.module.transformer.wte.weight.double()
    if site == "L1.mlp_out":
        assert page.key_promotes == ()
        assert "no token" in page.key_reason
        return
    column = enc[:, 7]
    if "mlp_in" in site:
        norm = model.module.transformer.h[1].ln_2
        table = (table - table.mean(-1, keepdim=True)) * norm.weight.double()
    fires = torch.nn.functional.cosine_similarity(table, column, dim=-1).topk(5)
    assert [one.token.id for one in page.key_promotes][:5] == fires.indices.tolist()
    assert [one.score for one in page.key_promotes][:5] == pytest.approx(
        fires.values.tolist(), rel=1e-5
    )
