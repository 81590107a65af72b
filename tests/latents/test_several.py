"""Autoencoders of several sites of one layer: names of their own, and no number changes."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError, TargetError
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.latents.sae import split, what_is_attached
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = "the cat sat on the mat"
SITES = ("L1.resid_post", "L1.mlp_out", "L1.attn_out")
N = 20


@pytest.fixture(scope="module", params=["gpt2", "gemma3"])
def plain(request):
    return ue.load(tiny_model(request.param, dtype=torch.float64), tokenizer=tiny_tokenizer())


def made(site, d, seed):
    ends = places(site)
    drawn = torch.Generator().manual_seed(seed)
    enc, dec = torch.randn(2, N, d, generator=drawn, dtype=torch.float64)
    says = Description("made up", "sae", "relu", d, d, N, reads=ends[0], writes=ends[1])
    zeros = torch.zeros(N, dtype=torch.float64)
    return ue.Sae(says, Weights(enc.T.contiguous(), dec, zeros, torch.ones(d).double()))


@pytest.fixture(scope="module")
def saes(plain):
    return {site: made(site, plain.anatomy.d_model, seed) for seed, site in enumerate(SITES)}


@pytest.fixture(scope="module")
def model(plain, saes):
    found = ue.load(plain.module, tokenizer=plain.tokenizer)
    found.attach(*saes.values(), verify=False)
    return found


def test_the_first_has_short_names_and_others_their_site(model, saes):
    stems = [one.stem for one in what_is_attached(model)]
    assert stems == ["L1.F", "L1.mlp_out.F", "L1.attn_out.F"]
    names = [f"{stem}7" for stem in stems]
    run = model.run(PROMPT, [*names, *SITES])
    for name, (site, sae) in zip(names, saes.items(), strict=True):
        torch.testing.assert_close(run[name], sae.encode(run[site])[:, 7])
    assert model.node("l1.mlp_out.f7@2").name == "L1.mlp_out.F7@2"
    with pytest.raises(TargetError, match="latents 0-19"):
        model.node("L1.mlp_out.F20")
    with pytest.raises(TargetError):
        model.node("L0.mlp_out.F1")


def test_one_is_taken_off_by_the_stem_of_its_latents(plain, saes):
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    layer0 = made("L0.resid_post", plain.anatomy.d_model, 5)
    model.attach(*saes.values(), layer0, verify=False)
    model.detach("L1.F")
    left = ["L0.F", "L1.mlp_out.F", "L1.attn_out.F"]
    assert [one.stem for one in what_is_attached(model)] == left
    names = ["L0.F7", "L1.mlp_out.F7"]
    run = model.run(PROMPT, [*names, "L0.resid_post", "L1.mlp_out"])
    torch.testing.assert_close(run["L0.F7"], layer0.encode(run["L0.resid_post"])[:, 7])
    torch.testing.assert_close(run[names[1]], saes["L1.mlp_out"].encode(run["L1.mlp_out"])[:, 7])
    with pytest.raises(TargetError):
        model.node("L1.F7")
    with pytest.raises(TargetError, match=r"L1\.F and a number") as error:
        model.detach("L0.F", "L1.F")
    assert error.value.field == "stem"
    assert set(str(error.value.legal).split(", ")) == set(left)
    assert model.node("L0.F7").name == "L0.F7"  # nothing was taken off
    model.attach(saes["L1.resid_post"], verify=False)  # its place is free again
    model.detach("L0.F", "L1.F", "L1.mlp_out.F", "L1.attn_out.F")
    assert model.derived == {}


def test_attaching_changes_no_logit_and_edits_at_two_sites_are_made_in_turn(plain, model, saes):
    assert torch.equal(model.run(PROMPT).logits, plain.run(PROMPT).logits)
    edits = [ue.set_to("L1.mlp_out.F3@4", 2.0), ue.set_to("L1.F5@4", -1.0)]
    run = plain.run(PROMPT, list(SITES))
    out, sae = run["L1.mlp_out"].clone(), saes["L1.mlp_out"]
    out[4] += (2.0 - sae.encode(out)[4, 3]) * sae.weights.W_dec[3]
    stream = plain.run(PROMPT, ["L1.resid_post"], [ue.set_to("L1.mlp_out", out)])["L1.resid_post"]
    stream, sae = stream.clone(), saes["L1.resid_post"]
    stream[4] += (-1.0 - sae.encode(stream)[4, 5]) * sae.weights.W_dec[5]
    by_hand = plain.run(PROMPT, edits=[ue.set_to("L1.resid_post", stream)])
    edited = model.run(PROMPT, edits=edits)
    torch.testing.assert_close(edited.logits, by_hand.logits, atol=1e-9, rtol=1e-9)


def test_each_site_is_divided_and_direct_effects_still_sum_to_the_objective(plain, model, saes):
    found = ue.attribute(model, PROMPT, 72, verify=4, kinds=("latent",), top_k=4)
    assert found.value == pytest.approx(ue.attribute(plain, PROMPT, 72).value, abs=1e-10)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    groups = {group.stem: group for group in found.groups}
    for site, stem in (("L1.mlp_out", "L1.mlp_out.F"), ("L1.attn_out", "L1.attn_out.F")):
        run = plain.run(PROMPT, [site])
        parts = split(saes[site], run[site], run[site])
        torch.testing.assert_close(groups[stem].activation, parts.values)
        assert {f"{stem}_bias", f"{stem}_error"} <= set(groups)
    for row in found.rows:
        taken = model.run(PROMPT, edits=[ue.zero(row.name)]).logits[-1, 72]
        lost = float(plain.run(PROMPT).logits[-1, 72] - taken)
        assert row.measured == pytest.approx(lost, abs=1e-9)
    errors = [name for name in groups if name.endswith("_error")]
    assert sorted(errors) == ["L1.F_error", "L1.attn_out.F_error", "L1.mlp_out.F_error"]


def test_pages_and_traces_name_them(model, saes):
    run = model.run(PROMPT, [*ue.component_capture(model, "L1.mlp_out.F7"), "L1.mlp_out"])
    value = saes["L1.mlp_out"].encode(run["L1.mlp_out"])[3, 7]
    found = ue.component(run, "L1.mlp_out.F7", 3)
    assert (found.kind, found.target) == ("latent", "L1.mlp_out.F7")
    assert found.activation[3] == pytest.approx(float(value))
    assert ue.trace(model, PROMPT, "L1.F2@4").node == "L1.F2@4"


def test_two_of_one_site_are_refused_whatever_their_kind(model, plain):
    before = dict(model.derived)
    with pytest.raises(LoadError, match="attached already"):
        model.attach(made("L1.mlp_out", plain.anatomy.d_model, 9), verify=False)
    assert model.derived == before
