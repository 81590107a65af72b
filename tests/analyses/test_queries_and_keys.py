"""Queries and keys as nodes: against one replaced at a time on a slow second model."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution.attending import KeyScores
from unembed.models.tiny import tiny_tokenizer

from ..contract.unlisted import UNLISTED
from .attribution_by_hand import OTHER, WHY, close, limit, slow_slopes
from .slow import PROMPT

POSITION = 6
LAYER = 1
FAMILIES = ["gpt2", "llama", "gemma2", "gemma3", "mistral", "bloom", "bert", "qwen3"]
HALF_AS_MANY = [("gpt2", torch.float32), ("gemma3", torch.float32)]


def value_of(seen):
    logits = seen["logits"][POSITION].double()
    return (logits[72] + logits[5]) / 2 - logits[9]


def groups_of(found, kind):
    return {group.layer: group for group in found.groups if group.kind == kind}


@pytest.mark.parametrize(
    ("name", "dtype"), [*((name, torch.float64) for name in FAMILIES), *HALF_AS_MANY]
)
def test_a_query_or_key_is_what_the_pattern_becomes_of_with_it_alone_replaced(
    name, dtype, model_of, slow_of
):
    model, oracle = model_of(name, dtype), slow_of(name, dtype).oracle
    found = ue.attribute(model, PROMPT, WHY.at(POSITION), qk="softmax")
    pairs = [group for group in found.groups if group.kind == "pair" and group.layer == LAYER]
    plain, slopes = slow_slopes(oracle, pairs, value_of)
    site = f"L{LAYER}.pattern"
    for kind in ("query", "key"):
        group = groups_of(found, kind)[LAYER]
        assert group.beside
        wanted = torch.zeros_like(group.total)
        for position, head in [(at, 1) for at in range(10)] + [(6, 0), (3, 0)]:

            def out(value, position=position, head=head):
                value = value.clone()
                value[position, head] = 0
                return value

            seen = oracle.run(PROMPT, {f"L{LAYER}.{kind[0]}": out})
            lost = ((plain[site] - seen[site]) * slopes[site]).sum()
            wanted[position, head] = lost
            assert wanted[position, head].isfinite()
        there = wanted != 0
        assert there.sum() > 5
        close(group.total[there], wanted[there], limit(name, dtype))


@pytest.mark.parametrize("against", ["zero", "prompt"])
@pytest.mark.parametrize("name", FAMILIES)
def test_of_what_is_linear_in_the_pattern_the_estimate_is_what_is_measured(name, against, model_of):
    """An entry of z: each node is measured by a run of its own."""
    model = model_of(name, torch.float64)
    entry = ue.Objective.activation(f"L{LAYER}.z3", position=POSITION)
    given = {} if against == "zero" else {"references": OTHER, "against": against}
    found = ue.attribute(
        model,
        PROMPT,
        entry,
        qk="softmax",
        pairs=False,
        kinds=["query", "key"],
        layers=[LAYER],
        top_k=12,
        verify=12,
        **given,
    )
    keys = [row for row in found.rows if row.kind == "key"]
    assert {row.kind for row in found.rows} == {"query", "key"}
    assert len(keys) >= 4
    assert found.rows[0].measured != 0
    for row in found.rows:
        assert row.total == pytest.approx(row.measured, rel=1e-5, abs=1e-8), row.name
        assert (row.write, row.direct) == (0, None)
    assert found.verification.pearson == pytest.approx(1, abs=1e-9)


@pytest.mark.filterwarnings("ignore")  # transformers' own, about a rare family
def test_a_sink_keeps_its_part_of_the_attention():
    """Some of each query's attention goes to no key: it is in the softmax made anew."""
    family = next(one for one in UNLISTED if str(one) == "gpt_oss")
    model = ue.load(family.build().double(), tokenizer=tiny_tokenizer())
    entry = ue.Objective.activation(f"L{LAYER}.z3", position=POSITION)
    kinds = ["query", "key"]
    found = ue.attribute(
        model,
        PROMPT,
        entry,
        qk="softmax",
        pairs=False,
        kinds=kinds,
        layers=[LAYER],
        top_k=6,
        verify=6,
    )
    assert {row.kind for row in found.rows} == set(kinds)
    for row in found.rows:
        assert row.total == pytest.approx(row.measured, rel=1e-4, abs=1e-6), row.name


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3"])
def test_linear_estimates_are_autograd_on_the_query_and_on_the_key(name, model_of, slow_of):
    model, oracle = model_of(name, torch.float64), slow_of(name, torch.float64).oracle
    found = ue.attribute(model, PROMPT, WHY.at(POSITION), qk="linear", pairs=False)
    assert "for queries" not in found.cost
    plain = oracle.run(PROMPT)
    sites = [f"L{LAYER}.{side}" for side in "qk"]
    pushes = [torch.zeros_like(plain[site], requires_grad=True) for site in sites]
    changes = {
        site: lambda v, push=push: v + push for site, push in zip(sites, pushes, strict=True)
    }
    slopes = torch.autograd.grad(value_of(oracle.run(PROMPT, changes, grad=True)), pushes)
    for kind, site, slope in zip(("query", "key"), sites, slopes, strict=True):
        wanted = (plain[site] * slope).sum(-1)
        close(groups_of(found, kind)[LAYER].total, wanted, limit(name, torch.float64))


def test_where_one_key_has_all_attention_the_slope_is_flat_and_the_softmax_is_not():
    """Saturated: the gradient of the pattern by the key is lost, what it becomes is not."""
    scores = torch.tensor([[[40.0, 0.0, 1.0]]], dtype=torch.float64)
    replaced = torch.zeros_like(scores)
    slope = torch.tensor([[[1.0, -2.0, 0.5]]], dtype=torch.float64)
    found = KeyScores(scores, replaced, None).changes(slope)
    for key in range(3):
        after = scores.clone()
        after[..., key] = 0
        wanted = ((scores.softmax(-1) - after.softmax(-1)) * slope).sum()
        assert float(found[0, key]) == pytest.approx(float(wanted), rel=1e-12, abs=1e-15)
    assert abs(float(found[0, 0])) > 0.5
    variable = scores.clone().requires_grad_()
    (by_slope,) = torch.autograd.grad((variable.softmax(-1) * slope).sum(), variable)
    assert float((by_slope * scores).abs().max()) < 1e-12


def test_they_are_beside_the_sums_and_take_two_passes(model_of):
    model = model_of("llama", torch.float64)
    plain = ue.attribute(model, PROMPT, WHY)
    found = ue.attribute(model, PROMPT, WHY, qk="softmax")
    assert found.cost == f"{plain.cost}, 2 more forward for queries and keys"
    assert found.completeness == plain.completeness
    assert found.at_positions == plain.at_positions
    attention = model.block(0).attention
    more = (attention.n_heads + attention.n_kv_heads) * len(PROMPT) * model.anatomy.n_layers
    assert found.n_nodes == plain.n_nodes + more
    row = found.node("L1.H2.q@4")
    assert (row.kind, row.layer, row.position) == ("query", 1, 4)
    assert found.by_component()["L1.H2.q"] == pytest.approx(
        sum(found.node(f"L1.H2.q@{at}").total for at in range(len(PROMPT)))
    )
    assert "L1.H1.k" in found.by_component()
    for group, same in zip(plain.groups, found.groups, strict=False):
        assert torch.equal(group.total, same.total)


def test_graddrop_has_them_with_each_layers_gradient_dropped(model_of):
    """With its own layer's dropped nothing is left; in size no less than a plain estimate."""
    model = model_of("gpt2", torch.float64)
    plain = ue.attribute(model, PROMPT, WHY, qk="softmax", pairs=False)
    found = ue.attribute(model, PROMPT, WHY, qk="softmax", pairs=False, estimator="graddrop")
    last = model.anatomy.n_layers - 1
    for kind in ("query", "key"):
        close(groups_of(found, kind)[last].total, groups_of(plain, kind)[last].total, 1e-9)
        first = groups_of(found, kind)[0].total
        assert not torch.allclose(first.abs(), groups_of(plain, kind)[0].total.abs())


def test_keys_of_an_edited_pattern_are_left_out_and_said(model_of):
    model = model_of("gpt2", torch.float64)
    edit = ue.scale("L1.H2.pattern", 0.5)
    found = ue.attribute(model, PROMPT, WHY, [edit], qk="softmax")
    assert set(groups_of(found, "key")) == {0, 2}
    assert set(groups_of(found, "query")) == {0, 1, 2}
    assert "keys of L1 are no rows: its pattern is not the softmax of its scores" in found.notes
