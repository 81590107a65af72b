"""No autoencoder is used that a model's activations contradict, and none refused that fits."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError

from .fitted import fitted
from .written import LAYOUTS, Layout, Parts, Source

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
