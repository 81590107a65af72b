"""Latents as nodes of an attribution: the sums stay whole, and each number is that of runs."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.errors import InputError
from unembed.latents import files, unpickle
from unembed.latents.sae import split
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .fitted import fitted
from .written import LAYOUTS

PROMPT = "the cat sat on the mat"
BY_NAME = {layout.name: layout for layout in LAYOUTS}
PLACES = {
    "added": ("saelens-topk", "L1.mlp_out"),
    "attention": ("saelens-jumprelu", "L1.attn_out"),
    "transcoder": ("circuit-tracer", "L1.mlp_in>L1.mlp_out"),
    "stream": ("openai-topk", "L1.resid_post"),
}
GOAL = ue.Objective.logit(7, position=-1)


@pytest.fixture(scope="module")
def plain():
    return ue.load(tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer())


@pytest.fixture(scope="module", params=PLACES)
def attached(request, plain, tmp_path_factory):
    name, place = PLACES[request.param]
    layout = BY_NAME[name]
    path = layout.write(fitted(layout, plain, place=place)).save(tmp_path_factory.mktemp("sae"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(files, "converted", lambda path, to: unpickle.main(str(path), str(to)))
        sae = ue.load_sae(path, place)
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(sae)
    return model, sae, request.param


@pytest.fixture(scope="module")
def found(attached):
    return ue.attribute(attached[0], PROMPT, GOAL)


def of_kinds(found, *kinds):
    return [group for group in found.groups if group.kind in kinds]


def test_direct_effects_sum_to_what_the_site_does(attached, found, plain):
    _, _, place = attached
    before = ue.attribute(plain, PROMPT, GOAL)
    own = of_kinds(found, "latent", "latent_bias", "error")
    assert len(own) == 3
    divided = {
        "added": [g for g in before.groups if g.layer == 1 and g.kind == "neuron"]
        + [g for g in before.groups if g.stem == "L1.mlp_bias"],
        "attention": [g for g in before.groups if g.layer == 1 and g.kind == "pair"]
        + [g for g in before.groups if g.stem == "L1.attn_bias"],
        "stream": [g for g in before.groups if g.layer in (None, 0, 1)],
    }
    divided["transcoder"] = divided["added"]
    wanted = sum(float(group.direct.sum()) for group in divided[place])
    assert sum(float(group.direct.sum()) for group in own) == pytest.approx(wanted, abs=1e-9)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    assert found.value == pytest.approx(before.value, abs=1e-10)


def test_a_direct_effect_is_that_of_what_the_latent_writes(attached, found):
    model, sae, place = attached
    reads, writes = sae.description.reads.name, sae.description.writes.name
    run = model.run(PROMPT, [reads, writes, *effects_capture(model, 1)])
    parts = split(sae, run[reads], run[writes])
    double = sae.like(run[reads])
    latent = of_kinds(found, "latent")[0]
    rows = parts.values[-1][:, None] * double.directions * double.factor(run[reads])[-1]
    branch = "attn" if place == "attention" else "mlp"
    effects = effects_on(run, [Writes(rows, 1, branch)], [GOAL])[:, 0]
    torch.testing.assert_close(latent.direct, effects, atol=1e-10, rtol=1e-8)
    torch.testing.assert_close(latent.write[-1], rows.norm(dim=-1), atol=1e-10, rtol=1e-8)


def test_a_total_is_the_slope_of_the_objective_along_the_latent(attached, found):
    model, _, _ = attached
    latent = of_kinds(found, "latent")[0]
    step = 1e-5
    for position in (2, len(found.tokens) - 1):
        number = int(latent.total[position].abs().argmax())
        edits = [ue.scale(f"L1.F{number}@{position}", 1 + way * step) for way in (1, -1)]
        up, down = ue.sweep(model, PROMPT, edits, objective=GOAL).values.tolist()
        assert float(latent.total[position, number]) == pytest.approx(
            (up - down) / (2 * step), rel=1e-5, abs=1e-7
        )


def test_integrated_gradients_of_latents_sum_to_what_they_do_together(attached, found):
    """The axiom of completeness: beside a run without any latent, but with bias and error."""
    model, sae, place = attached
    steps = 8
    along = ue.attribute(model, PROMPT, GOAL, estimator="integrated", steps=steps, pairs=False)
    branches = 6 if place == "stream" else 5  # that are taken apart
    assert f"and {(branches + 1) * steps} more of both" in along.cost
    reads, writes = sae.description.reads.name, sae.description.writes.name
    run = model.run(PROMPT, [reads, writes])
    left = split(sae, run[reads], run[writes])
    without = (left.constant + left.error).reshape(run[writes].shape)
    edited = model.run(PROMPT, edits=[ue.set_to(writes, without)])
    lost = found.value - float(edited.logits[-1, 7])
    (latent,) = of_kinds(along, "latent")
    assert float(latent.total.sum()) == pytest.approx(lost, abs=2e-3)
    (plain,) = of_kinds(found, "latent")
    assert abs(float(plain.total.sum()) - lost) > 1e-2
    for kind in ("latent_bias", "error"):  # there all the way: by the plain gradient
        (one,), (same,) = of_kinds(along, kind), of_kinds(found, kind)
        torch.testing.assert_close(one.total, same.total, atol=1e-9, rtol=1e-9)


def test_what_is_measured_is_what_runs_without_it_lose(attached):
    model, _, _ = attached
    found = ue.attribute(model, PROMPT, GOAL, verify=400, top_k=400)
    rows = [row for row in found.rows if row.kind in ("latent", "error") and row.measured]
    named = [row for row in rows if row.kind == "latent"][:3]
    assert named
    assert {row.kind for row in rows} == {"latent", "error"}
    value = float(model.run(PROMPT).logits[-1, 7])
    for row in named:
        without = float(model.run(PROMPT, edits=[ue.zero(row.name)]).logits[-1, 7])
        assert row.measured == pytest.approx(value - without, abs=1e-9)
    assert found.node(named[0].name).activation == pytest.approx(named[0].activation)


def test_latents_inside_of_a_branch_are_edited_and_are_no_rows(plain, tmp_path):
    layout = BY_NAME["saelens-topk"]
    parts = fitted(layout, plain, place="L1.z")
    sae = ue.load_sae(layout.write(parts).save(tmp_path), "L1.z")
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(sae)
    found = ue.attribute(model, PROMPT, GOAL)
    assert {group.kind for group in found.groups}.isdisjoint({"latent", "error"})
    assert any("L1.z are no rows" in note for note in found.notes)
    z = plain.run(PROMPT, ["L1.z"])["L1.z"]
    values = sae.like(z).encode(z)
    number = int(values[3].argmax())
    change = torch.zeros_like(z).flatten(1)
    change[3] = -values[3, number] * parts.dec.double()[number]
    edited = model.run(PROMPT, ["L1.z"], [ue.zero(f"L1.F{number}@3")])["L1.z"]
    torch.testing.assert_close(edited, z + change.reshape(z.shape), atol=1e-9, rtol=1e-9)


def test_what_is_not_told_of_latents_is_refused(attached):
    model, _, _ = attached
    with pytest.raises(InputError, match="autoencoders attached"):
        ue.attribute(model, PROMPT, GOAL, against="mean")
    with pytest.raises(InputError, match="autoencoders attached"):
        ue.attribute(model, PROMPT, GOAL, sample=16)
