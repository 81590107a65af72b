"""No autoencoder is used that a model's activations contradict, and none refused that fits."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError
from unembed.latents import sample

from .fitted import fitted
from .written import LAYOUTS
from .written.parts import Layout, Parts, Source

FITTED = [layout for layout in LAYOUTS if layout.roles]


def role(source: Source, layout: Layout, name: str) -> tuple[dict, str]:
    """Where a tensor of a file stands."""
    held = next(iter(source.tensors.values()))
    return held, layout.roles[name]


def shapes(layout: Layout, parts: Parts):
    """(what is wrong, files): mistakes that tensors and settings show."""
    good = layout.write(parts)
    for name in ("enc", "dec"):
        bad = deepcopy(good)
        held, key = role(bad, layout, name)
        held[key] = held[key].T.contiguous()
        yield f"{name} transposed", bad
    for name in ("enc", "b_enc", "b_dec"):
        bad = deepcopy(good)
        held, key = role(bad, layout, name)
        del held[key]
        yield f"{name} missing", bad
    for name in ("dec", "b_enc"):
        bad = deepcopy(good)
        held, key = role(bad, layout, name)
        held[key] = held[key].clone().index_fill_(0, torch.tensor([2]), float("nan"))
        yield f"{name} not finite", bad
    for file, config in good.configs.items():
        inner = config.get("trainer", config)
        for key in ("d_in", "d_sae", "d_model", "width", "num_latents", "dict_size", "k"):
            said = key in inner and (key != "k" or "topk" in layout.activation)
            if said and not (key == "d_model" and "sae_type" in inner):
                bad = deepcopy(good)
                changed = bad.configs[file].get("trainer", bad.configs[file])
                changed[key] = 0 if key == "k" else inner[key] + 1
                yield f"{key} {changed[key]}", bad


def meanings(layout: Layout, parts: Parts):
    """(what is wrong, files): mistakes that only activations show."""
    d_bias = parts.b_dec @ parts.enc if parts.enc.shape[0] == len(parts.b_dec) else 0
    toggled = parts.b_enc + (-d_bias if layout.shifts else d_bias)
    three = {"enc": parts.enc / 3, "dec": parts.dec * 3, "b_dec": parts.b_dec * 3}
    changes = {
        "b_dec of the other convention": {"b_enc": toggled},
        "no decoder bias": {"b_dec": torch.zeros_like(parts.b_dec)},
        "decoder doubled": {"dec": parts.dec * 2},
        "latents of another encoder": {"enc": parts.enc.roll(1, 1)},
        "trained on activations three times as long": three,
        "another layer": {"layer": 2},
        "a layer that is not there": {"layer": 9},
    }
    if parts.b_mag is not None:
        scale = parts.r_mag.exp()
        changes["b_dec of the other convention"]["b_mag"] = parts.b_mag - d_bias * scale
    if layout.name == "dictionary-jumprelu":  # it does not say: what fits is chosen
        del changes["b_dec of the other convention"]
    if layout.normalise:  # its length is divided out, or it has no bias to tell
        del changes["trained on activations three times as long"]
    if parts.threshold is not None:
        changes["threshold unscaled"] = {"threshold": parts.threshold * 30}
    if parts.skip is not None:
        changes["skip transposed"] = {"skip": parts.skip.T.contiguous() * 1.0}
    for words, change in changes.items():
        if not (layout.place and "layer" in change):
            yield words, layout.write(replace(parts, **change))


def said(folder, source: Source, layout: Layout, model, site: str | None = None):
    """The refusal or the doubts; empty where it is accepted without a word."""
    try:
        sae = ue.load_sae(source.save(folder), site or layout.place)
        return ue.check_sae(sae, model).doubts
    except LoadError as error:
        return tuple(filter(None, [error.message, error.field])) if error.field else ()


@pytest.mark.parametrize("layout", FITTED, ids=lambda one: one.name)
def test_what_fits_is_accepted_without_doubt_and_mistakes_are_told(
    layout, model, tmp_path, kept_activations
):
    parts = fitted(layout, model)
    assert said(tmp_path / "right", layout.write(parts), layout, model) == ()
    silent = [
        words
        for order, (words, source) in enumerate([*shapes(layout, parts), *meanings(layout, parts)])
        if not said(tmp_path / str(order), source, layout, model)
    ]
    elsewhere = "L1.mlp_out" if ">" not in layout.where else "L1.mlp_in>L1.attn_out"
    if not said(tmp_path / "elsewhere", layout.write(parts), layout, model, elsewhere):
        silent.append("another site")
    assert silent == []


def test_what_a_file_leaves_open_is_chosen_by_what_explains_more(model, tmp_path):
    layout = next(one for one in LAYOUTS if one.name == "dictionary-jumprelu")
    parts = fitted(layout, model)
    toggled = replace(parts, b_enc=parts.b_enc + parts.b_dec @ parts.enc)
    for folder, made, subtracts in (("as", parts, False), ("toggled", toggled, True)):
        path = layout.write(made).save(tmp_path / folder)
        sae = ue.load_sae(path, model=model)
        assert sae.description.subtract_bias is subtracts
        assert sae.description.open == ()
    check = ue.check_sae(sae, model)
    whole = check.to_dict()
    assert whole["explained"] == pytest.approx(0.88, abs=0.02)
    assert len(check.columns()["reading"]) == len(check.readings)
    assert check.summary().startswith("8")


def test_the_share_that_is_explained_and_what_is_active_are_those_of_plain_sums(model, tmp_path):
    layout = next(one for one in LAYOUTS if one.name == "sparsify")
    parts = fitted(layout, model)
    check = ue.check_sae(ue.load_sae(layout.write(parts).save(tmp_path)), model)
    x = torch.cat(
        [
            model.run(list(ids), ["L1.resid_post"])["L1.resid_post"][1:]
            for ids in sample.windows(model)
        ]
    )
    left = (x - layout.y(parts, x)).square().sum()
    assert check.n_tokens == len(x)
    assert check.explained == pytest.approx(1 - float(left / (x - x.mean(0)).square().sum()))
    active = (layout.values(parts, x) != 0).sum(1).double().mean()
    assert check.active == pytest.approx(float(active))


@pytest.mark.parametrize(("times", "refused"), [(1.0, False), (3.0, False), (10.0, True)])
def test_how_many_latents_are_active_is_held_against_what_is_declared(
    model, tmp_path, times, refused
):
    layout = next(one for one in LAYOUTS if one.name == "gemma-scope-2")
    parts = fitted(layout, model)
    plain = ue.check_sae(ue.load_sae(layout.write(parts).save(tmp_path / "plain")), model)
    source = layout.write(parts)
    source.configs["config.json"]["l0"] = plain.active * times
    sae = ue.load_sae(source.save(tmp_path / "declared"))
    if refused:
        with pytest.raises(LoadError, match="latents are active at a token"):
            ue.check_sae(sae, model)
        return
    check = ue.check_sae(sae, model)
    assert bool(check.doubts) == (times != 1.0)
    assert check.declared == pytest.approx(plain.active * times)


@pytest.mark.parametrize("name", ["llama", "gemma3", "bert"])
def test_it_is_held_against_models_of_other_families(model_of, tmp_path, name):
    other = model_of(name)
    layout = next(one for one in LAYOUTS if one.name == "saelens-topk")
    path = layout.write(fitted(layout, other)).save(tmp_path)
    sae = ue.load_sae(path)
    check = ue.check_sae(sae, other)
    assert check.explained > 0.5
    assert check.doubts == ()
    fresh = ue.load(other.module, tokenizer=other.tokenizer)
    fresh.attach(sae)
    edit = [ue.scale("L1.F2", 1.0), ue.scale("L1.F3", 1.0)]
    torch.testing.assert_close(
        fresh.run([5, 6, 7], edits=edit).logits, other.run([5, 6, 7]).logits, atol=1e-5, rtol=1e-5
    )
