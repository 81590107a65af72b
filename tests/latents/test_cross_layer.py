"""Cross-layer transcoders: files of every layout mean what their formulas say, and are held against
the model."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.engine.targets import SiteKey
from unembed.errors import InputError, LoadError, TooLargeError
from unembed.latents import check_cross, files
from unembed.settings import Settings

from .cross_written import LAYOUTS, Clt, fitted_clt, random_clt, values_of, y_of
from .written.parts import Source

BY_NAME = {layout.name: layout for layout in LAYOUTS}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_latents_and_reconstructions_are_those_of_the_formulas(layout, tmp_path):
    parts = random_clt(layout)
    clt = ue.load_sae(layout.write(parts).save(tmp_path))
    assert isinstance(clt, ue.CrossLayerTranscoder)
    assert clt.where == "L0-2.mlp_in>L0-2.mlp_out"
    assert clt.n == sum(len(one) for one in parts.b_enc)
    xs = [torch.randn(7, 6) for _ in parts.layers]
    seen = {SiteKey("mlp_in", layer): x for layer, x in enumerate(xs)}
    values, made = clt.encode(seen), clt.decode(seen)
    active = 0
    for layer in parts.layers:
        wanted = values_of(parts, layer, xs[layer], layout.kind)
        torch.testing.assert_close(values[layer], wanted, atol=1e-6, rtol=1e-5)
        y = y_of(parts, layer, xs, layout.kind)
        torch.testing.assert_close(made[SiteKey("mlp_out", layer)], y, atol=1e-5, rtol=1e-5)
        active += int((wanted != 0).sum())
    assert 0 < active < 7 * clt.n


def test_the_layers_say_where_their_latents_write(tmp_path):
    layout = BY_NAME["circuit-tracer"]
    parts = random_clt(layout)
    clt = ue.load_sae(layout.write(parts).save(tmp_path))
    first, _, last = clt.layers
    assert first.description.where == "L0.mlp_in>L0-2.mlp_out"
    assert last.description.where == "L2.mlp_in>L2.mlp_out"
    for to in parts.layers:
        rows = first.directions_at(SiteKey("mlp_out", to))
        torch.testing.assert_close(rows, parts.decoders[0][to])
    told = ue.load_sae(layout.write(parts).save(tmp_path), "L0.resid_mid>L0.mlp_out")
    assert told.where == "L0-2.resid_mid>L0-2.mlp_out"
    with pytest.raises(InputError, match="scale"):
        ue.load_sae(layout.write(parts).save(tmp_path), scale=2.0)


# ------------------------------------------------------------------ files that are wrong


def without(source: Source, *names: str) -> Source:
    tensors = {name: held for name, held in source.tensors.items() if name not in names}
    return replace(source, tensors=tensors)


def wrong_files(name: str, source: Source):
    """(what is wrong, files, what is said)"""
    if name == "llamascopium":
        for settings, said in (
            ({"act_fn": "batchtopk"}, "of all tokens"),
            ({"sparsity_include_decoder_norm": True}, "length of their decoders"),
            ({"norm_activation": "batch-wise"}, "norm_activation"),
            ({"hook_points_in": ["blocks.0.hook_resid_mid"]}, "1 layers that it reads and 3"),
            ({"hook_points_out": None}, "hook_points_out"),
        ):
            bad = deepcopy(source)
            bad.configs["config.json"] |= settings
            yield str(settings), bad, said
        bad = deepcopy(source)
        held = bad.tensors["sae_weights.safetensors"]
        held["W_D.1"], held["W_D.2"] = held["W_D.2"], held["W_D.1"]
        yield "layers exchanged", bad, "must be"
        return
    prefix = "params_layer_" if name.startswith("gemma") else "W_enc_"

    def named(layer):
        return f"{prefix}{layer}.safetensors"

    yield "a layer missing", without(source, named(1)), "layers 1 are missing"
    dropped = without(source, named(2), "W_dec_2.safetensors")
    yield "the last layer missing", dropped, "as one of 3 layers does, and there are files of 2"
    bad = deepcopy(source)
    held = bad.tensors[named(0)]
    key = "w_enc" if "w_enc" in held else "W_enc_0"
    held[key] = held[key].T
    yield "orientation", bad, "transposed"
    bad = deepcopy(source)
    one, two = bad.tensors[named(0)], bad.tensors[named(1)]
    bad.tensors[named(0)], bad.tensors[named(1)] = two, one
    yield "layers exchanged", bad, "before it" if name.startswith("gemma") else "has no"
    if name.startswith("gemma"):
        bad = deepcopy(source)
        bad.configs["config.json"]["width"] += 1
        yield "width", bad, "width"
        bad = deepcopy(source)
        bad.configs["config.json"]["affine_connection"] = True
        yield "affine", bad, "affine_skip_connection"
    else:
        bad = deepcopy(source)
        bad.configs["config.yaml"]["model_kind"] = "transcoder_set"
        yield "kind", bad, "model_kind"
        bad = deepcopy(source)
        del bad.tensors["W_enc_1.safetensors"]["threshold_1"]
        yield "thresholds in some", bad, "thresholds"


@pytest.mark.parametrize("name", ["circuit-tracer", "gemma-scope-2", "llamascopium"])
def test_files_that_contradict_themselves_are_refused(name, tmp_path):
    layout = BY_NAME[name]
    source = layout.write(random_clt(layout))
    for order, (wrong, bad, said) in enumerate(wrong_files(name, source)):
        with pytest.raises(LoadError, match="is refused") as caught:
            ue.load_sae(bad.save(tmp_path / str(order)))
        assert said in caught.value.message, wrong
        assert caught.value.field == "source"


def test_memory_is_asked_for_all_files_before_one_is_read(tmp_path, monkeypatch):
    layout = BY_NAME["circuit-tracer"]
    path = layout.write(random_clt(layout)).save(tmp_path)
    whole = sum(files.needed(one) for one in path.glob("*.safetensors"))
    monkeypatch.setattr(files, "safe_open", lambda *args, **named: pytest.fail("it was read"))
    with pytest.raises(TooLargeError, match=r"6 files of .* hold .*max_sae_bytes"):
        ue.load_sae(path, settings=Settings(max_sae_bytes=whole - 1))
    monkeypatch.setattr(files, "available", lambda: whole - 1)
    with pytest.raises(TooLargeError, match="of memory are left"):
        ue.load_sae(path)


def test_crosscoders_are_refused_in_words(tmp_path):
    d, n = 6, 10
    held = {"W_E": torch.randn(2, d, n), "b_E": torch.zeros(2, n)}
    held |= {"W_D": torch.randn(2, n, d), "b_D": torch.zeros(2, d)}
    config = {
        "sae_type": "crosscoder",
        "act_fn": "topk",
        "hook_points": ["blocks.0.hook_resid_post"],
    }
    stacked = Source("", {"config.json": config}, {"sae_weights.safetensors": held})
    with pytest.raises(LoadError, match="another value at each site"):
        ue.load_sae(stacked.save(tmp_path / "llamascopium"))
    trainer = {"dict_class": "BatchTopKCrossCoder", "activation_dim": d, "dict_size": n, "k": 2}
    two = Source("", {"config.json": {"trainer": trainer}}, {"ae.pt": {"k": torch.tensor(2)}})
    with pytest.raises(LoadError, match="nothing in them says which sites"):
        ue.load_sae(two.save(tmp_path / "dictionary"))


# ------------------------------------------------------------------ held against the model


def meanings(parts: Clt):
    """(what is wrong, parts): mistakes that only activations show."""

    def decoders(change):
        return [
            {to: change(layer, to, rows) for to, rows in one.items()}
            for layer, one in enumerate(parts.decoders)
        ]

    yield (
        "one decoder missing",
        replace(parts, decoders=decoders(lambda f, to, rows: rows * ((f, to) != (0, 0)))),
    )
    yield "decoders doubled", replace(parts, decoders=decoders(lambda f, to, rows: rows * 2))
    yield (
        "one decoder doubled",
        replace(
            parts, decoders=decoders(lambda f, to, rows: rows * (2 if (f, to) == (1, 2) else 1))
        ),
    )
    yield "no bias", replace(parts, b_dec=[torch.zeros_like(one) for one in parts.b_dec])
    first, *rest = parts.b_dec
    yield "no bias of one", replace(parts, b_dec=[torch.zeros_like(first), *rest])
    yield "encoders of other latents", replace(parts, enc=[one.roll(1, 1) for one in parts.enc])
    yield "activations scaled", replace(parts, enc=[one / 3 for one in parts.enc])
    if parts.threshold is not None:
        yield "thresholds", replace(parts, threshold=[one * 30 for one in parts.threshold])
    if parts.skip is not None:
        yield "skip transposed", replace(parts, skip=[5 * one.T for one in parts.skip])
    yield "decoders reversed", replace(parts, decoders=reversed_slots(parts))
    yield "active ten times as many as it says", replace(parts, l0=1.0)


def reversed_slots(parts: Clt) -> list[dict[int, torch.Tensor]]:
    return [dict(zip(one, reversed(one.values()), strict=True)) for one in parts.decoders]


def said(path, model) -> tuple[str, ...]:
    """The refusal or the doubts; empty where it is accepted without a word."""
    try:
        return ue.check_sae(ue.load_sae(path), model).doubts
    except LoadError as error:
        return (error.message,) if error.field and error.fix else ()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda one: one.name)
def test_what_fits_is_accepted_without_doubt_and_mistakes_are_told(
    layout, model, tmp_path, monkeypatch
):
    parts = fitted_clt(layout, model)
    once = {}
    plain = check_cross.activations

    def kept(of, keys):
        return once.setdefault(tuple(keys), plain(of, keys))

    monkeypatch.setattr(check_cross, "activations", kept)
    assert said(layout.write(parts).save(tmp_path / "right"), model) == ()
    silent = [
        words
        for order, (words, wrong) in enumerate(meanings(parts))
        if not (wrong.l0 and not layout.name.startswith("gemma"))
        and not said(layout.write(wrong).save(tmp_path / str(order)), model)
    ]
    assert silent == []


def test_the_evidence_is_computed_by_hand(model, tmp_path):
    layout = BY_NAME["gemma-scope-2"]
    parts = fitted_clt(layout, model)
    path = layout.write(parts).save(tmp_path)
    found = ue.check_sae(ue.load_sae(path), model)
    seen = check_cross.activations(
        model, [SiteKey(site, layer) for site in ("mlp_in", "mlp_out") for layer in parts.layers]
    )
    xs = [seen[SiteKey("mlp_in", layer)] for layer in parts.layers]
    shares, active = [], 0.0
    for layer in parts.layers:
        y = seen[SiteKey("mlp_out", layer)]
        left = (y - y_of(parts, layer, xs, "jumprelu")).square().sum()
        shares.append(float(1 - left / (y - y.mean(0)).square().sum()))
        active += float((values_of(parts, layer, xs[layer], "jumprelu") != 0).sum()) / len(y)
    assert found.explained == pytest.approx(sum(shares) / len(shares), abs=1e-4)
    assert found.active == pytest.approx(active)
    by_words = {one.words: one for one in found.readings}
    for layer, share in enumerate(shares):
        assert by_words[f"of L{layer}.mlp_out"].explained == pytest.approx(share, abs=1e-4)
    assert found.n_latents == sum(len(one) for one in parts.b_enc)
    assert (found.read, found.site) == ("as its files say", "L0-2.mlp_in>L0-2.mlp_out")


def test_another_model_site_or_number_of_layers_is_told(model, model_of, tmp_path):
    layout = BY_NAME["circuit-tracer"]
    parts = fitted_clt(layout, model)
    path = layout.write(parts).save(tmp_path / "right")
    with pytest.raises(LoadError, match="it explains"):
        ue.check_sae(ue.load_sae(path), model_of("gpt2", seed=3))
    elsewhere = ue.load_sae(path, "L0.resid_mid>L0.mlp_out")
    with pytest.raises(LoadError, match=r"at L0\.mlp_in>L0\.mlp_out") as caught:
        ue.check_sae(elsewhere, model)
    assert caught.value.fix == 'ue.load_sae(source, site="L0.mlp_in>L0.mlp_out")'
    beyond = ue.load_sae(path, "L1.mlp_in>L1.mlp_out")
    with pytest.raises(LoadError, match=r"L3\.\w+ has no such site"):
        ue.check_sae(beyond, model)
    fewer = replace(
        parts,
        enc=parts.enc[:2],
        b_enc=parts.b_enc[:2],
        b_dec=parts.b_dec[:2],
        threshold=parts.threshold[:2],
        decoders=[{to: one[to] for to in one if to < 2} for one in parts.decoders[:2]],
    )
    (doubt,) = said(layout.write(fewer).save(tmp_path / "fewer"), model)
    assert doubt == "it has no latents of layer 2, which the model has"
