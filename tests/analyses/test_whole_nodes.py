"""Whole branches and the stream as nodes, estimated and measured, and integrated gradients."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution.slopes import Passes

from .attribution_by_hand import OTHER, POSITION, WHY, close, limit
from .slow import PROMPT

WHOLES = ("attn", "mlp", "stream")
GOAL = WHY.at(POSITION)
STEP = 1e-4


def step_of(name):
    """Of differences, and how close they come: some kernels round to float32; routing jumps."""
    rounded = limit(name, torch.float64) > 1e-7
    if name == "mixtral":
        return 1e-3, 2e-3
    return (1e-2, 1e-3) if rounded else (STEP, 1e-5)


def two_prompts(model, **options):
    return ue.attribute(
        model, PROMPT, GOAL, against="prompt", references=OTHER, wholes=True, pairs=False, **options
    )


def site_of(group):
    return group.stem if group.kind == "stream" else f"{group.stem}_out"


def value_of(model, edit):
    run = model.run(PROMPT, GOAL.required_capture(model), [edit], logits="none")
    return float(GOAL.value(run))


def ends(model, site):
    """What a site is in the other prompt and in this one."""
    return model.run(OTHER, [site])[site], model.run(PROMPT, [site])[site]


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "phi", "mixtral"])
def test_totals_of_whole_nodes_are_what_a_small_step_towards_the_other_prompt_does(name, model_of):
    """By differences of runs that a small share of the change is put into."""
    model, (step, tolerance) = model_of(name, torch.float64), step_of(name)
    found = two_prompts(model, estimator="gradient")
    groups = [group for group in found.groups if group.kind in WHOLES]
    assert {group.kind for group in groups} == set(WHOLES)
    assert len(groups) == len({group.stem for group in groups})
    for group in groups:
        site, position = site_of(group), 4
        other, own = ends(model, site)
        values = []
        for share in (step, -step):
            moved = own[position] + share * (own - other)[position]
            values.append(value_of(model, ue.set_to(f"{site}@{position}", moved)))
        slope = torch.tensor((values[0] - values[1]) / (2 * step), dtype=torch.float64)
        close(group.total[position, 0], slope, tolerance)


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_whole_nodes_are_measured_as_a_patching_grid_is(name, model_of):
    model = model_of(name, torch.float64)
    found = two_prompts(model, verify="all", layers=[1], positions=[2, 4], kinds=WHOLES)
    for stem, site in (
        ("L1.resid_pre", "resid_pre"),
        ("L1.resid_mid", "resid_mid"),
        ("L1.attn", "attn_out"),
        ("L1.mlp", "mlp_out"),
    ):
        grid = ue.patch_grid(
            model, PROMPT, OTHER, GOAL, site=site, into="clean", layers=[1], positions=[2, 4]
        )
        measured = [found.node(f"{stem}@{position}").measured for position in (2, 4)]
        assert measured == pytest.approx((grid.clean - grid.values[0]).tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "pairs"), [("gpt2", True), ("gemma3", False), ("bert", False), ("mixtral", False)]
)
def test_integrated_gradients_are_means_of_slopes_on_the_way(name, pairs, model_of):
    """Of all nodes of a site together: how the objective moves with all of it, by differences."""
    model, (step, tolerance), steps = model_of(name, torch.float64), step_of(name), 2
    found = ue.attribute(
        model,
        PROMPT,
        GOAL,
        against="prompt",
        references=OTHER,
        wholes=True,
        pairs=pairs,
        steps=steps,
    )
    sites = {"neuron": "mlp_post", "head": "z", "pair": "pattern"}
    checked = set()
    for group in found.groups:
        if group.layer not in (None, 1) or group.kind == "bias":
            continue
        site = "embed" if group.kind == "embed" else site_of(group)
        site = f"L1.{sites[group.kind]}" if group.kind in sites else site
        other, own = ends(model, site)
        slopes = []
        for share in (0.25, 0.75):
            near = [
                value_of(model, ue.set_to(site, other + (share + little) * (own - other)))
                for little in (step, -step)
            ]
            slopes.append((near[0] - near[1]) / (2 * step))
        wanted = torch.tensor(sum(slopes) / steps, dtype=torch.float64)
        close(group.total.sum(), wanted, tolerance)
        checked.add(group.kind)
    assert {"embed", "stream", "mlp", "pair" if pairs else "head"} <= checked


def test_passes_enter_at_their_layer_and_go_through_together(model_of, monkeypatch):
    """Rows of one pass that starts late have the numbers of whole passes one by one."""
    model = model_of("gemma3", torch.float64)
    found = two_prompts(model, steps=3)
    monkeypatch.setattr(Passes, "_entry", lambda *_: None)
    monkeypatch.setattr("unembed.analyses.attribution.slopes.TOKENS_AT_ONCE", 1)
    slowly = two_prompts(model, steps=3)
    for group, other in zip(found.groups, slowly.groups, strict=True):
        close(group.total, other.total, 1e-9)


def test_edits_hold_on_the_way_where_passes_enter_late(model_of):
    """An edit of an early layer is in the stream that they start with, one of a late layer made."""
    model, steps = model_of("gpt2", torch.float64), 30
    edits = [ue.zero("L0.H1"), ue.scale("L2.mlp", 0.5)]
    found = ue.attribute(
        model, PROMPT, GOAL, edits, against="prompt", references=OTHER, steps=steps, pairs=False
    )
    other = model.run(OTHER, ["L1.mlp_post"], edits)["L1.mlp_post"]
    goals = [
        float(GOAL.value(model.run(PROMPT, GOAL.required_capture(model), some, logits="none")))
        for some in (edits, [*edits, ue.set_to("L1.mlp_post", other)])
    ]
    (group,) = (one for one in found.groups if one.kind == "neuron" and one.layer == 1)
    assert float(group.total.sum()) == pytest.approx(goals[0] - goals[1], abs=1e-3)


def test_the_best_estimator_is_integrated_gradients_against_another_prompt_alone(model_of):
    model = model_of("gpt2")
    best = two_prompts(model, steps=2)
    assert best.estimator == "integrated"
    # embeddings, two branches of three layers; these whole, and the stream before each
    assert best.cost.endswith(f"and {(1 + 6 + 6 + 6) * 2} more of both")
    assert best.to_dict() == two_prompts(model, steps=2, estimator="integrated").to_dict()
    plain = ue.attribute(model, PROMPT, GOAL)
    assert (plain.estimator, plain.cost) == ("gradient", "1 forward and 1 backward pass")
    assert ue.attribute(model, PROMPT, GOAL, against="mean").estimator == "gradient"


def test_whole_nodes_are_beside_the_sums_and_outside_the_bound(model_of):
    model = model_of("gpt2")
    plain = ue.attribute(model, PROMPT, GOAL, pairs=False, sample=16)
    found = ue.attribute(model, PROMPT, GOAL, pairs=False, sample=16, wholes=True)
    assert found.n_nodes == plain.n_nodes + 12 * len(PROMPT)
    assert (found.completeness, found.at_positions) == (plain.completeness, plain.at_positions)
    assert found.bound == plain.bound
    assert found.by_component()["L1.resid_mid"] == pytest.approx(
        float(next(one.total.sum() for one in found.groups if one.stem == "L1.resid_mid")), rel=1e-5
    )
    heads = plain.by_component(by="direct")
    assert found.by_component(by="direct")["L2.mlp"] == pytest.approx(
        heads["L2.N*"] + heads["L2.mlp_bias"], abs=1e-4
    )


def test_queries_and_keys_stay_by_the_gradient_beside_integrated_gradients(model_of):
    model = model_of("gpt2", torch.float64)
    found = two_prompts(model, qk="softmax", steps=2)
    plain = two_prompts(model, qk="softmax", estimator="gradient")
    for group, other in zip(found.groups, plain.groups, strict=True):
        if group.kind in ("query", "key"):
            assert torch.equal(group.total, other.total)


def test_graddrop_of_the_stream_keeps_what_goes_past_a_layer(model_of):
    """Of the last layer's stream nothing but the layer itself is dropped: by runs with it held."""
    model = model_of("gpt2", torch.float64)
    found = two_prompts(model, estimator="graddrop")
    site, position = "L2.resid_pre", POSITION
    other, own = ends(model, site)
    plain = abs(float(two_prompts(model, estimator="gradient").node(f"{site}@{position}").total))
    outs = {name: model.run(PROMPT, [name])[name] for name in ("L2.attn_out", "L2.mlp_out")}
    values = []
    for share in (STEP, -STEP):
        edits = [
            ue.set_to(f"{site}@{position}", own[position] + share * (own - other)[position]),
            *(ue.set_to(name, value) for name, value in outs.items()),
        ]
        run = model.run(PROMPT, GOAL.required_capture(model), edits, logits="none")
        values.append(float(GOAL.value(run)))
    past = abs(values[0] - values[1]) / (2 * STEP)
    wanted = (2 * plain + past) / 3  # with layers 0 and 1 dropped nothing behind it changes
    assert abs(found.node(f"{site}@{position}").total) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("estimator", "words"),
    [("best", "integrated gradients"), ("graddrop", "gradients without a layer")],
)
def test_progress_is_of_all_passes_once_there_are_many(estimator, words, model_of):
    told = []
    two_prompts(
        model_of("gpt2"),
        estimator=estimator,
        steps=1,
        progress=lambda *said: told.append(said),
    )
    first = next(at for at, said in enumerate(told) if said[0] == words)
    assert {said[0] for said in told[first:]} == {words}
    assert told[first] == (words, 0, told[-1][2])
