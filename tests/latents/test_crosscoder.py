"""Crosscoders: what files mean, evidence, latents that are read, and patches of all their sites."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.engine.targets import SiteKey
from unembed.errors import CapabilityError, EditError, LoadError, TargetError
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.sample import activations

from ..contract.wiring import REPRESENTATIVES
from .written.parts import Source

PROMPT = (1, 72, 5, 33, 9, 72)
N = 12


def written(parts, sites, l0=None) -> Source:
    """Gemma Scope 2's files: encoder, b_enc, threshold, b_dec, decoders [n, site, d] by site."""
    tensors = {}
    for order, (enc, b_enc, threshold, b_dec, rows) in enumerate(parts):
        tensors[f"params_layer_{order}.safetensors"] = {
            "w_enc": enc,
            "w_dec": rows,
            "b_enc": b_enc,
            "b_dec": b_dec,
            "threshold": threshold,
        }
    name = f"model.layers.{{{','.join(map(str, sites))}}}.output"
    config = {
        "hf_hook_point_in": name,
        "hf_hook_point_out": name,
        "width": sum(len(one[1]) for one in parts),
        "model_name": "google/gemma-3-270m-pt",
        "architecture": "jump_relu",
        "affine_connection": False,
        "type": "crosscoder",
    }
    if l0 is not None:
        config["l0"] = l0
    return Source("", {"config.json": config}, tensors)


def values_by_hand(part, x):
    enc, b_enc, threshold, _, _ = part
    pre = x @ enc + b_enc
    return pre * (pre > threshold) * (pre > 0)


def y_by_hand(parts, to, xs):
    made = parts[to][3].expand(len(xs[0]), -1).clone()
    for part, x in zip(parts, xs, strict=True):
        values = values_by_hand(part, x)
        for latent in range(values.shape[1]):
            made += values[:, latent, None] * part[4][latent, to]
    return made


def random_parts(n_sites=3, d=6, causal=True):
    torch.manual_seed(0)
    found = []
    for order in range(n_sites):
        n = N + order
        rows = torch.randn(n, n_sites, d)
        if causal:
            rows[:, :order] = 0
        found.append((torch.randn(d, n), torch.randn(n), torch.rand(n), torch.randn(d), rows))
    return found


@pytest.mark.parametrize("causal", [True, False], ids=["later sites", "all sites"])
def test_latents_and_reconstructions_are_those_of_the_formulas(causal, tmp_path):
    parts, sites = random_parts(causal=causal), (5, 9, 12)
    found = ue.load_sae(written(parts, sites).save(tmp_path))
    assert isinstance(found, ue.Crosscoder)
    assert (found.where, found.n) == ("L5,9,12.resid_post", 3 * N + 3)
    assert found.sites == tuple(f"L{layer}.resid_post" for layer in sites)
    xs = [torch.randn(7, 6) for _ in sites]
    seen = {SiteKey("resid_post", layer): x for layer, x in zip(sites, xs, strict=True)}
    values, made = found.encode(seen), found.decode(seen)
    for order, layer in enumerate(sites):
        wanted = values_by_hand(parts[order], xs[order])
        torch.testing.assert_close(values[order], wanted, atol=1e-6, rtol=1e-5)
        y = y_by_hand(parts, order, xs)
        torch.testing.assert_close(made[SiteKey("resid_post", layer)], y, atol=1e-5, rtol=1e-5)


def test_files_that_contradict_themselves_are_refused(tmp_path):
    good = written(random_parts(), (5, 9, 12))
    cases = {}
    for said, change in (
        ("there are files of 3", {"hf_hook_point_in": "model.layers.{5,9}.output"}),
        ("name the sites", {"hf_hook_point_in": "model.layers.5.output"}),
        ("width", {"width": 7}),
        ("type 'sae'", {"type": "sae"}),
    ):
        bad = deepcopy(good)
        bad.configs["config.json"] |= change
        cases[said] = bad
    without = {name: held for name, held in good.tensors.items() if "_1." not in name}
    cases["layers 1 are missing"] = replace(good, tensors=without)
    last = {name: held for name, held in good.tensors.items() if "_2." not in name}
    cases["as one of 3 layers does"] = replace(good, tensors=last)
    for order, (said, bad) in enumerate(cases.items()):
        with pytest.raises(LoadError, match=said):
            ue.load_sae(bad.save(tmp_path / str(order)))


def fitted(model, sites=(0, 1, 2), n=40):
    """Random encoders, and for each site the decoders of least squares, of sites before it."""
    seen = activations(model, [SiteKey("resid_post", layer) for layer in sites])
    xs = [seen[SiteKey("resid_post", layer)].float() for layer in sites]
    torch.manual_seed(1)
    parts, values = [], []
    for x in xs:
        d = x.shape[1]
        enc = torch.randn(d, n)
        enc = enc / enc.norm(dim=0) / x.std(0).mean()
        b_enc = -(x.mean(0) @ enc) - 0.5
        part = (enc, b_enc, torch.full((n,), 0.3), x.mean(0), torch.zeros(n, len(sites), d))
        parts.append(part)
        values.append(values_by_hand(part, x))
    for to, x in enumerate(xs):
        whole = torch.cat(values[: to + 1], 1).double()
        target = (x - parts[to][3]).double()
        rows = torch.linalg.lstsq(whole, target, driver="gelsd").solution.float()
        for own, part in enumerate(rows.split([n] * (to + 1))):
            parts[own][4][:, to] = part
    return parts


def told(path, model):
    try:
        return ue.check_sae(ue.load_sae(path), model).doubts
    except LoadError as error:
        return (error.message,)


def test_what_fits_is_accepted_without_doubt_and_mistakes_are_told(model, tmp_path):
    parts = fitted(model)
    assert told(written(parts, (0, 1, 2)).save(tmp_path / "right"), model) == ()
    changes = {
        "no bias": lambda e, b, t, o, r: (e, b, t, o * 0, r),
        "decoders doubled": lambda e, b, t, o, r: (e, b, t, o, r * 2),
        "encoders of others": lambda e, b, t, o, r: (e.roll(1, 1), b, t, o, r),
        "thresholds": lambda e, b, t, o, r: (e, b, t * 30, o, r),
        "scaled": lambda e, b, t, o, r: (e / 3, b, t, o, r),
    }
    silent = [
        words
        for words, change in changes.items()
        if not told(
            written([change(*one) for one in parts], (0, 1, 2)).save(tmp_path / words), model
        )
    ]
    assert silent == []
    two = [(e, b, t, o, r[:, :2]) for e, b, t, o, r in parts[:2]]
    moved = written(two, (1, 2)).save(tmp_path / "moved")  # of layers 0 and 1
    assert told(moved, model)
    assert told(written(parts, (0, 1, 2), l0=1.0).save(tmp_path / "l0"), model)
    check = ue.check_sae(ue.load_sae(tmp_path / "right" / "sae"), model)
    assert check.site == "L0,1,2.resid_post"
    seen = activations(model, [SiteKey("resid_post", layer) for layer in range(3)])
    xs = [seen[SiteKey("resid_post", layer)] for layer in range(3)]
    by_words = {one.words: one.explained for one in check.readings}
    for to, x in enumerate(xs):
        left = (x - y_by_hand(parts, to, xs)).square().sum() / (x - x.mean(0)).square().sum()
        assert by_words[f"of L{to}.resid_post"] == pytest.approx(float(1 - left), abs=1e-4)


# ------------------------------------------------------------------ attached


def made(model) -> ue.Crosscoder:
    """Latents of the first two layers, each standing for both states, at random, in float64."""
    drawn = torch.Generator().manual_seed(7)
    d = model.anatomy.d_model
    keys = [SiteKey("resid_post", 0), SiteKey("resid_post", 1)]
    layers = []
    for order, key in enumerate(keys):
        enc = torch.randn(d, N, generator=drawn, dtype=torch.float64) / d**0.5
        rows = torch.randn(N, 2 * d, generator=drawn, dtype=torch.float64) / d**0.5
        bias = torch.randn(d, generator=drawn, dtype=torch.float64) / 10
        says = Description(
            "made up", "crosscoder", "relu", d, d, N, reads=key, writes=key, also=(keys[1 - order],)
        )
        layers.append(Autoencoder(says, Weights(enc, rows, torch.zeros(N).double(), bias)))
    return ue.Crosscoder(tuple(layers))


@pytest.fixture(params=REPRESENTATIVES)
def family(request, model_of):
    plain = model_of(request.param, torch.float64)
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    crosscoder = made(plain)
    model.attach(crosscoder, verify=False)
    return plain, model, crosscoder


def test_a_change_of_latents_is_a_patch_of_every_site_that_they_stand_for(family):
    plain, model, crosscoder = family
    run = model.run(PROMPT, [*crosscoder.sites, "L0.F3", "L1.F5"])
    assert torch.equal(run.logits, plain.run(PROMPT).logits)
    states = [run[site] for site in crosscoder.sites]
    values = [
        (x @ one.weights.W_enc).clamp(min=0)
        for x, one in zip(states, crosscoder.layers, strict=True)
    ]
    torch.testing.assert_close(run["L0.F3"], values[0][:, 3], atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(run["L1.F5"], values[1][:, 5], atol=1e-10, rtol=1e-10)
    d = plain.anatomy.d_model
    own, other = crosscoder.layers[0].weights.W_dec[3].split(d)
    last, first = crosscoder.layers[1].weights.W_dec[5].split(d)
    wanted = [state.clone() for state in states]
    for at in (2, 5):
        wanted[0][at] += -values[0][at, 3] * own + (2.0 - values[1][at, 5]) * first
        wanted[1][at] += -values[0][at, 3] * other + (2.0 - values[1][at, 5]) * last
    edits = crosscoder.changed(run, {"L0.F3": 0.0, "L1.F5": 2.0}, positions=[2, -1])
    edited = model.run(PROMPT, crosscoder.sites, edits)
    for site, state in zip(crosscoder.sites, wanted, strict=True):
        for at in (2, 5):
            torch.testing.assert_close(edited[site][at], state[at], atol=1e-10, rtol=1e-10)
    by_hand = plain.run(
        PROMPT,
        edits=[
            ue.set_to(site, state[[2, 5]], positions=[2, 5])
            for site, state in zip(crosscoder.sites, wanted, strict=True)
        ],
    )
    torch.testing.assert_close(edited.logits, by_hand.logits, atol=1e-10, rtol=1e-10)
    same = crosscoder.changed(run, {})
    torch.testing.assert_close(model.run(PROMPT, edits=same).logits, run.logits, atol=1e-9, rtol=0)


def test_what_has_no_meaning_of_them_is_refused_in_words(model_of):
    plain = model_of("gpt2", torch.float64)
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    crosscoder = made(plain)
    model.attach(crosscoder, verify=False)
    for edit in (ue.zero("L0.F3"), ue.set_to("L1.F3@2", 1.0)):
        with pytest.raises(EditError, match="stands for several states") as caught:
            model.run(PROMPT, edits=[edit])
        assert "crosscoder.changed(run" in caught.value.fix
    run = model.run(PROMPT, [*crosscoder.sites, *ue.component_capture(model, "L0.F3")])
    with pytest.raises(CapabilityError, match="writes nothing") as refused:
        ue.component(run, "L0.F3", 3)
    assert "crosscoder.changed(run" in refused.value.fix
    with pytest.raises(CapabilityError, match="stand for states"):
        ue.trace(model, PROMPT, "L0.F3@2", direction="downstream")
    with pytest.raises(CapabilityError, match="no transcoder"):
        ue.attribution_graph(model, PROMPT)
    with pytest.raises(TargetError, match="no latent of this crosscoder"):
        made(plain).changed(run, {"L0.F3": 0.0})
    found = ue.attribute(model, PROMPT, 7, pairs=False)
    assert any("are a crosscoder's" in note for note in found.notes)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    assert not any(group.kind == "latent" for group in found.groups)
    flow = ue.flow_graph(model.run(PROMPT, ue.flow_capture(model, [1])), [1])
    assert any("crosscoder" in note for note in flow.notes)


def test_they_are_read_traced_and_searched(model_of, tmp_path):
    plain = model_of("gpt2", torch.float64)
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    crosscoder = made(plain)
    model.attach(crosscoder, verify=False)
    state = plain.run(PROMPT, ["L1.resid_post"])["L1.resid_post"][4]
    traced = ue.trace(model, PROMPT, "L1.F2@4")
    value = float(state @ crosscoder.layers[1].weights.W_enc[:, 2])
    assert traced.value == pytest.approx(value, rel=1e-9)
    assert traced.parts[0].completeness.rest == pytest.approx(0, abs=1e-9)
    index = ue.latent_index(model, folder=tmp_path)
    assert len(index) == 4 * N
    d = plain.anatomy.d_model
    hit = index.similar(crosscoder.layers[0].weights.W_dec[3, d:], limit=1).items[0]
    assert (hit.node, hit.written) == ("L0.F3", "L1.resid_post")
