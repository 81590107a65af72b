"""Latents of a cross-layer transcoder as nodes: no number changes, and each write is its own."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.errors import LoadError
from unembed.latents.sae import what_is_attached

from ..contract.wiring import REPRESENTATIVES
from .cross_made import attached, made, rows_of, values_of
from .cross_written import LAYOUTS, fitted_clt

PROMPT = (1, 72, 5, 33, 9, 72)
GOAL = ue.Objective.logit(7, position=-1)


def sites(clt, *, reads=True):
    found = [key.name for one in clt.layers for key in one.description.ends[:1]]
    return [*(one.description.reads.name for one in clt.layers if reads), *found]


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_attached_to_any_family_it_changes_nothing_and_ablating_takes_every_write(name, model_of):
    plain = model_of(name, torch.float64)
    model, clt = attached(plain, skip=True)
    run = plain.run(PROMPT, sites(clt))
    assert torch.equal(model.run(PROMPT).logits, run.logits)
    first = clt.layers[0]
    layer = first.description.reads.layer
    values = values_of(first, run[first.description.reads.name])
    number = int(values[-1].argmax())
    rows = rows_of(first, number)
    assert len(rows) == len(clt.layers) > 1
    ablated = model.run(PROMPT, sites(clt, reads=False), [ue.zero(f"L{layer}.F{number}")])
    # by hand: each write taken off where it is made, in the plain model
    taken = [ue.add(f"L{to}.mlp_out", -values[:, number, None] * row) for to, row in rows.items()]
    by_hand = plain.run(PROMPT, sites(clt, reads=False), taken)
    for to in rows:
        there = f"L{to}.mlp_out"
        torch.testing.assert_close(ablated[there], by_hand[there], atol=1e-10, rtol=1e-10)
        assert float((by_hand[there] - run[there]).abs().max()) > 1e-3
    torch.testing.assert_close(ablated.logits, by_hand.logits, atol=1e-9, rtol=1e-9)
    same = [ue.scale(f"L{layer}.F{latent}", 1.0) for latent in range(first.description.n)]
    torch.testing.assert_close(model.run(PROMPT, edits=same).logits, run.logits, atol=1e-9, rtol=0)


def test_edits_at_some_positions_of_several_layers_are_made_in_turn(model_of):
    plain = model_of("gpt2", torch.float64)
    model, clt = attached(plain)
    edits = [ue.set_to("L0.F3@4", 2.0), ue.zero("L1.F5@2")]
    edited = model.run(PROMPT, ["L1.F5"], edits)
    run = plain.run(PROMPT, sites(clt))
    one, two = clt.layers[:2]
    first = [
        ue.add(f"L{to}.mlp_out@4", (2.0 - values_of(one, run["L0.mlp_in"])[4, 3]) * row)
        for to, row in rows_of(one, 3).items()
    ]
    middle = plain.run(PROMPT, ["L1.mlp_in"], first)
    left = values_of(two, middle["L1.mlp_in"])
    second = [ue.add(f"L{to}.mlp_out@2", -left[2, 5] * row) for to, row in rows_of(two, 5).items()]
    by_hand = plain.run(PROMPT, edits=[*first, *second])
    torch.testing.assert_close(edited.logits, by_hand.logits, atol=1e-9, rtol=1e-9)
    torch.testing.assert_close(edited["L1.F5"], left[:, 5], atol=1e-10, rtol=1e-10)


def test_it_is_attached_layer_by_layer_with_short_names_or_beside_others(model_of, tmp_path):
    plain = model_of("gpt2")
    layout = next(one for one in LAYOUTS if one.name == "gemma-scope-2")
    clt = ue.load_sae(layout.write(fitted_clt(layout, plain)).save(tmp_path))
    model = ue.load(plain.module, tokenizer=plain.tokenizer)
    model.attach(clt)
    said = what_is_attached(model)
    assert [one.stem for one in said] == ["L0.F", "L1.F", "L2.F"]
    assert [one.site for one in said][::2] == ["L0.mlp_in>L0-2.mlp_out", "L2.mlp_in>L2.mlp_out"]
    assert {one.kind for one in said} == {"clt"}
    check = ue.check_sae(clt, model)
    shares = [one.explained for one in said]
    assert sum(shares) / 3 == pytest.approx(check.explained, abs=1e-5)
    assert sum(one.active for one in said) == pytest.approx(check.active)
    assert torch.equal(model.run(PROMPT).logits, plain.run(PROMPT).logits)
    before = dict(model.derived)
    with pytest.raises(LoadError, match="attached already"):
        model.attach(made(plain), verify=False)
    assert model.derived == before


@pytest.fixture(scope="module", params=["gpt2", "gemma3", "gpt_neox"])
def both(request, model_of):
    plain = model_of(request.param, torch.float64)
    return plain, *attached(plain, skip=True)


@pytest.fixture(scope="module")
def found(both):
    return ue.attribute(both[1], PROMPT, GOAL)


def groups_of(found, kind):
    return {group.layer: group for group in found.groups if group.kind == kind}


def test_direct_effects_of_latents_biases_and_errors_sum_to_the_objective(both, found):
    plain, _, clt = both
    before = ue.attribute(plain, PROMPT, GOAL)
    assert found.value == pytest.approx(before.value, abs=1e-10)
    assert found.completeness.rest == pytest.approx(0, abs=1e-9)
    run = plain.run(PROMPT, sites(clt))
    values = [values_of(one, run[one.description.reads.name]) for one in clt.layers]
    for order, one in enumerate(clt.layers):
        layer = one.description.reads.layer
        x, out = run[f"L{layer}.mlp_in"], run[f"L{layer}.mlp_out"]
        constant = one.weights.b_dec + x @ one.weights.skip
        written = sum(
            values[way][:, [latent]] * rows_of(clt.layers[way], latent)[layer]
            for way in range(order + 1)
            for latent in range(one.description.n)
        )
        error = groups_of(found, "error")[layer].write[:, 0]
        torch.testing.assert_close(error, (out - constant - written).norm(dim=-1))
        torch.testing.assert_close(groups_of(found, "latent")[layer].activation, values[order])


def test_a_latents_effects_are_those_of_all_its_writes(both, found):
    plain, model, clt = both
    run = plain.run(PROMPT, effects_capture(plain, 0))
    for order in (0, 1):
        one = clt.layers[order]
        layer = one.description.reads.layer
        group = groups_of(found, "latent")[layer]
        number = int(group.activation[-1].argmax())
        rows = {to: row * group.activation[-1, number] for to, row in rows_of(one, number).items()}
        writes = [Writes(row[None], to, "mlp") for to, row in rows.items()]
        direct = float(effects_on(run, writes, [GOAL]).sum())
        assert float(group.direct[number]) == pytest.approx(direct, rel=1e-6, abs=1e-9)
        norm = float(sum(rows.values()).norm())
        assert float(group.write[-1, number]) == pytest.approx(norm, rel=1e-9)
        step = 1e-3  # norms of some families compute in float32
        edits = [ue.scale(f"L{layer}.F{number}@5", 1 + way * step) for way in (1, -1)]
        up, down = ue.sweep(model, PROMPT, edits, objective=GOAL).values.tolist()
        slope = (up - down) / (2 * step)
        assert float(group.total[-1, number]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_what_is_measured_is_a_run_without_the_node(both):
    plain, model, _ = both
    found = ue.attribute(model, PROMPT, GOAL, verify=40, top_k=40, kinds=("latent", "error"))
    value = float(plain.run(PROMPT).logits[-1, 7])
    rows = {kind: [row for row in found.rows if row.kind == kind] for kind in ("latent", "error")}
    assert rows["latent"]
    assert rows["error"]
    row = rows["latent"][0]
    without = float(model.run(PROMPT, edits=[ue.zero(row.name)]).logits[-1, 7])
    assert row.measured == pytest.approx(value - without, abs=1e-9)


def test_integrated_gradients_sum_to_what_taking_all_writes_to_each_site_does(model_of):
    plain = model_of("gpt2", torch.float64)
    model, clt = attached(plain)
    along = ue.attribute(model, PROMPT, GOAL, estimator="integrated", steps=8, pairs=False)
    run = plain.run(PROMPT, sites(clt))
    values = [values_of(one, run[one.description.reads.name]) for one in clt.layers]
    lost = 0.0
    for order, one in enumerate(clt.layers):
        site = one.description.ends[0]
        before = zip(clt.layers[: order + 1], values, strict=False)
        written = sum(some @ other.directions_at(site) for other, some in before)
        without = plain.run(PROMPT, edits=[ue.add(site.name, -written)])
        lost += float(run.logits[-1, 7] - without.logits[-1, 7])
    totals = sum(float(group.total.sum()) for group in groups_of(along, "latent").values())
    assert totals == pytest.approx(lost, abs=5e-3)
    plainly = groups_of(ue.attribute(model, PROMPT, GOAL, pairs=False), "latent").values()
    assert abs(sum(float(group.total.sum()) for group in plainly) - lost) > 0.01
