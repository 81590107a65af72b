"""Latents of an autoencoder that was attached: nodes like any other, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.errors import LoadError, TargetError
from unembed.latents.sae import split
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .fitted import fitted
from .written import LAYOUTS

PROMPT = "the cat sat on the mat"
BY_NAME = {layout.name: layout for layout in LAYOUTS}
# one of the stream with normalisation, one of a transcoder with a skip
KINDS = ("openai-topk", "circuit-tracer")


@pytest.fixture(scope="module", params=KINDS)
def attached(request, tmp_path_factory):
    """A model in double precision with an autoencoder of its own."""
    model = ue.load(tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer())
    layout = BY_NAME[request.param]
    path = layout.write(fitted(layout, model)).save(tmp_path_factory.mktemp("sae"))
    with pytest.MonkeyPatch.context() as patched:
        from unembed.latents import files, unpickle

        patched.setattr(files, "converted", lambda path, to: unpickle.main(str(path), str(to)))
        sae = ue.load_sae(path)
    model.attach(sae)
    return model, sae


def sites(sae):
    says = sae.description
    return says.reads.name, says.writes.name


def test_attaching_changes_no_logit_and_the_parts_are_the_site(attached):
    model, sae = attached
    plain = ue.load(model.module, tokenizer=model.tokenizer)
    assert torch.equal(model.run(PROMPT).logits, plain.run(PROMPT).logits)
    reads, writes = sites(sae)
    run = model.run(PROMPT, [reads, writes])
    parts = split(sae, run[reads], run[writes])
    whole = parts.written + parts.constant + parts.error
    torch.testing.assert_close(whole, run[writes], atol=1e-10, rtol=1e-10)
    # what is kept of an edit of latents that changes nothing
    same = model.run(PROMPT, edits=[ue.scale("L1.F7", 1.0)])
    torch.testing.assert_close(same.logits, run.logits, atol=1e-10, rtol=1e-10)


def test_a_latent_is_read_by_its_name(attached):
    model, sae = attached
    reads, _ = sites(sae)
    run = model.run(PROMPT, ["L1.F7"])
    values = sae.like(run[reads]).encode(run[reads])
    torch.testing.assert_close(run["L1.F7"], values[:, 7])
    assert run["L1.F7@3"] == run["L1.F7"][3]
    with pytest.raises(TargetError, match="latents 0-119"):
        model.run(PROMPT, ["L1.F120"])


@pytest.mark.parametrize("operation", ["zero", "scale", "set_to", "add", "several"])
def test_an_edit_changes_the_site_by_what_the_latents_stand_for(attached, operation):
    model, sae = attached
    reads, writes = sites(sae)
    run = model.run(PROMPT, [reads, writes])
    x = run[reads]
    double = sae.like(x)
    values = double.encode(x)
    active = int(values[3].argmax())
    name, wanted = f"L1.F{active}", values.clone()
    edits = {
        "zero": [ue.zero(name, positions=[3])],
        "scale": [ue.scale(name, -2.0, positions=[3])],
        "set_to": [ue.set_to(f"{name}@3", 1.5)],
        "add": [ue.add(name, 0.5, positions=[3])],
        "several": [ue.zero(name), ue.set_to("L1.F5@3", 2.0)],
    }[operation]
    if operation == "several" and reads == writes:
        wanted[:, active] = 0
        x = x + double.written(wanted - values, x)
        values = double.encode(x)
        wanted = values.clone()
        wanted[3, 5] = 2.0
    elif operation == "several":
        wanted[:, active] = 0
        wanted[3, 5] = 2.0
    else:
        old = values[3, active]
        now = {"zero": 0 * old, "scale": -2 * old, "set_to": 1.5 + 0 * old, "add": old + 0.5}
        wanted[3, active] = now[operation]
    change = (wanted - values) @ double.directions * double.factor(x)
    base = x if reads == writes else run[writes]
    edited = model.run(PROMPT, [writes], edits)
    torch.testing.assert_close(edited[writes], base + change, atol=1e-10, rtol=1e-10)
    by_site = model.run(PROMPT, edits=[ue.set_to(writes, base + change)])
    torch.testing.assert_close(edited.logits, by_site.logits, atol=1e-10, rtol=1e-10)


def test_generation_and_sweeps_edit_latents_too(attached):
    model, _ = attached
    edit = ue.set_to("L1.F3", 4.0)
    alone = model.run(PROMPT, edits=[edit])
    sweep = ue.sweep(model, PROMPT, [edit, ue.zero("L1.mlp")], objective=ue.Objective.logit(7))
    assert sweep.rows[0].value == pytest.approx(float(alone.logits[-1, 7]), rel=1e-9)
    generated = model.generate(PROMPT, 3, edits=[edit])
    again = model.generate(PROMPT, 3, edits=[edit], use_cache=False)
    assert generated.new_ids == again.new_ids


def test_two_of_one_layer_and_one_that_does_not_fit_attach_nothing(attached):
    model, sae = attached
    before = model.derived
    with pytest.raises(LoadError, match="attached already"):
        model.attach(sae)
    assert model.derived == before
    fresh = ue.load(model.module, tokenizer=model.tokenizer)
    wrong = type(sae)(replace(sae.description, d_in=41), sae.weights)
    with pytest.raises(LoadError, match="does not fit"):
        fresh.attach(sae, wrong)
    assert fresh.derived == {}
    with pytest.raises(TargetError):
        fresh.node("L1.F7")
