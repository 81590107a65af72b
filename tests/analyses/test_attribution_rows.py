"""What can be explained, how nodes are listed and summed up, and what is refused."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution.result import AttributionComparison
from unembed.errors import CapabilityError, InputError, TargetError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .attribution_by_hand import POSITION, WHY, close, limit, site_of, slow_slopes
from .slow import PROMPT


def test_a_bias_is_measured_by_taking_its_write_away(model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.attribute(model, PROMPT, WHY, top_k=1000)
    rows = [row for row in found.rows if row.kind == "bias"]
    assert {row.name.partition("@")[0] for row in rows} >= {"L2.mlp_bias"}
    found = ue.attribute(model, PROMPT, WHY, layers=[2], verify=200, top_k=200)
    (row,) = (one for one in found.rows if one.name == "L2.mlp_bias@9")
    bias = model.module.transformer.h[2].mlp.c_proj.bias.detach()
    edit = ue.add("L2.mlp_out@9", -bias)
    without = model.run(PROMPT, WHY.required_capture(model), [edit])
    assert row.measured == pytest.approx(found.value - float(WHY.value(without)), abs=1e-9)


@pytest.mark.parametrize("objective", [
    ue.Objective.log_prob(72), ue.Objective.logit_minus_mean([72, 4]),
    ue.Objective.logit(9, position=3), ue.Objective.activation("L1.N3"),
    ue.Objective.activation("L1.H2@5<3"),
])  # fmt: skip
def test_every_objective_can_be_explained(objective, model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.attribute(model, PROMPT, objective)
    run = model.run(PROMPT, objective.required_capture(model))
    assert found.value == pytest.approx(float(objective.value(run)), abs=1e-9)
    if objective.is_of_logits:
        assert abs(found.completeness.rest) < 1e-10
    else:
        assert (found.completeness, found.method) == (None, None)
        assert all(row.direct is None for row in found.rows)
        name = objective.node.at(objective.position, objective.node.key).name
        later = [group for group in found.groups if (group.layer or 0) > 1]
        assert not any(group.total.any() for group in later)
        if "N" in name:
            assert found.node("L1.N3@9").total == pytest.approx(found.value)


@pytest.mark.parametrize("site", ["L1.resid_mid", "L2.resid_pre", "L0.resid_post", "final_norm"])
def test_a_direction_of_the_stream_is_read_there(site, model_of):
    model = model_of("gemma3", torch.float64)
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(model.anatomy.d_model, generator=generator, dtype=torch.float64)
    objective = ue.Objective.direction(site, vector, position=POSITION)
    found = ue.attribute(model, PROMPT, objective)
    assert abs(found.completeness.rest) < 1e-6
    assert found.completeness.objective == pytest.approx(found.value)


def test_edits_are_explained_as_they_are(model_of):
    model = model_of("gpt2", torch.float64)
    edit = ue.zero("L1.H2")
    found = ue.attribute(model, PROMPT, WHY, [edit])
    run = model.run(PROMPT, WHY.required_capture(model), [edit])
    assert found.value == pytest.approx(float(WHY.value(run)))
    assert abs(found.completeness.rest) < 1e-10
    assert found.node("L1.H2@9").total == 0  # whose z is not what its pattern makes
    assert found.node("L0.H2@9<3").activation > 0
    stream = ue.attribute(model, PROMPT, WHY, [ue.scale("L1.resid_post", 0.5)])
    assert abs(stream.completeness.rest) > 1e-3  # nobody's write


def test_listing_and_naming(model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.attribute(model, PROMPT, WHY, top_k=7, sort_by="direct", layers=[1, 2])
    assert len(found.rows) == 7
    assert {row.layer for row in found.rows} <= {1, 2}
    values = [abs(row.direct) for row in found.rows]
    assert values == sorted(values, reverse=True)
    every = found.top(10**6)
    assert all(row.total for row in every)
    assert not [row for row in every if row.kind == "pair" and row.key > row.position]
    for row in every[:40]:
        assert found.node(row.name) == row
    neurons = found.top(5, kinds=["neuron"], positions=[-1])
    assert {(row.kind, row.position) for row in neurons} == {("neuron", 9)}
    by_hand = sorted(
        (abs(float(g.total[9, n])) for g in found.groups if g.kind == "neuron" for n in range(52)),
        reverse=True,
    )
    assert [abs(row.total) for row in neurons] == pytest.approx(by_hand[:5])
    assert json.loads(found.to_json())["rows"][0]["name"] == found.rows[0].name
    with pytest.raises(InputError, match="no node of this attribution"):
        found.node("L1.H2@3")
    with pytest.raises(InputError, match="'ple'"):
        found.top(kinds=["ple"])


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("name", ["llama", "mixtral"])
def test_sums_of_components_and_of_positions_are_those_of_their_nodes(name, pairs, model_of):
    model = model_of(name, torch.float64)
    found = ue.attribute(model, PROMPT, WHY, pairs=pairs, top_k=1000)
    nodes = found.top(10**9)
    by_name: dict[str, list[float]] = {}
    for row in nodes:
        stem = row.name.partition("@")[0]
        stem = f"L{row.layer}.N*" if row.kind == "neuron" else stem
        sums = by_name.setdefault(stem, [0.0, 0.0])
        sums[0], sums[1] = sums[0] + row.total, sums[1] + row.direct
    assert {one.name for one in found.components} == set(by_name)
    for one in found.components:
        assert (one.total, one.direct) == pytest.approx(tuple(by_name[one.name]), abs=1e-9)
    assert found.by_component()["L1.H0"] == pytest.approx(by_name["L1.H0"][0], abs=1e-9)
    columns = {"embed": "embedding", "neuron": "neurons", "pair": "heads", "head": "heads"}
    for position, sums in enumerate(found.at_positions):
        for column in ("embedding", "heads", "neurons", "others"):
            wanted = sum(
                row.total
                for row in nodes
                if row.position == position and columns.get(row.kind, "others") == column
            )
            assert getattr(sums, column) == pytest.approx(wanted, abs=1e-9), (column, position)
        looked_at = sum(row.total for row in nodes if row.key == position)
        assert sums.looked_at == (pytest.approx(looked_at, abs=1e-9) if pairs else None)


@pytest.mark.parametrize("pairs", [True, False])
@pytest.mark.parametrize("name", ["gemma3", "olmo2"])
def test_sums_behind_a_norm_have_its_scale_held(name, pairs, model_of, slow_of):
    """Its nodes cancel where the norm sees that all of them change; what it adds does not."""
    model, oracle = model_of(name, torch.float64), slow_of(name, torch.float64).oracle
    found = ue.attribute(model, PROMPT, WHY.at(POSITION), pairs=pairs)
    parts = [
        SimpleNamespace(kind=branch, layer=layer, stem="")
        for layer in range(model.anatomy.n_layers)
        for branch in ("attn", "mlp")
    ]

    def value_of(seen):
        logits = seen["logits"][POSITION].double()
        return (logits[72] + logits[5]) / 2 - logits[9]

    plain, slopes = slow_slopes(oracle, parts, value_of)
    tolerance = limit(name, torch.float64)
    for column, branch in (("heads", "attn"), ("neurons", "mlp")):
        sites = [site_of(part) for part in parts if part.kind == branch]
        wanted = sum((plain[site] * slopes[site]).sum(-1) for site in sites)
        sums = torch.tensor([getattr(one, column) for one in found.at_positions])
        close(sums, wanted, tolerance)
        assert wanted.abs().max() > 1e-3
        for layer, site in enumerate(sites):
            if branch == "mlp":
                added = float((plain[site] * slopes[site]).sum())
                assert found.by_component()[f"L{layer}.N*"] == pytest.approx(added, abs=1e-5)
    groups = [group for group in found.groups if group.kind in ("pair", "head", "neuron")]
    for group in groups:
        close(group.total.flatten(1).sum(-1), torch.zeros(len(PROMPT)), 1e-4)
    assert (found.at_positions[0].looked_at is not None) == pairs
    if pairs:
        wanted = sum(group.held.sum((0, 1)) for group in groups if group.kind == "pair")
        looked_at = torch.tensor([one.looked_at for one in found.at_positions]).double()
        close(looked_at, wanted, 1e-5)


def test_kinds_are_chosen_and_each_side_has_the_nodes_of_the_other(model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.attribute(model, PROMPT, WHY, kinds=["bias", "embed"])
    assert {row.kind for row in found.rows} == {"bias", "embed"}
    with pytest.raises(InputError) as caught:
        ue.attribute(model, PROMPT, WHY, kinds=["head"])
    assert (caught.value.field, "pair" in str(caught.value.legal)) == ("kinds", True)
    plain = ue.attribute(model, PROMPT, WHY, top_k=5)
    edited = ue.attribute(model, PROMPT, WHY, [ue.zero(plain.rows[0].name)], top_k=5)
    both = AttributionComparison(plain, edited)
    names = {row.name for row in (*plain.rows, *edited.rows)}
    for side, one in both.sides.items():
        listed = [row.name for row in (*one.rows, *both.unlisted[side])]
        assert sorted(listed) == sorted(name for name in names if one.has_node(name))
        assert all(row == one.node(row.name) for row in both.unlisted[side])
    assert both.unlisted["edited"]
    assert AttributionComparison(plain).unlisted == {}


def test_without_a_target_the_likeliest_token_is_explained(model_of):
    model = model_of("gpt2", torch.float64)
    best = model.run(PROMPT).top(1, 4)[0]
    found = ue.attribute(model, PROMPT, position=4)
    assert found.value == pytest.approx(best.logit)
    assert found.position == 4


def test_what_cannot_be_explained_is_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(TargetError, match="position 99"):
        ue.attribute(model, PROMPT, 7, position=99)
    with pytest.raises(TargetError, match="not one token"):
        ue.attribute(model, PROMPT, "the cat is on the")
    with pytest.raises(InputError, match="same token"):
        ue.attribute(model, PROMPT, 7, distractor=7)
    with pytest.raises(InputError, match="layer 7 is not in this model"):
        ue.attribute(model, PROMPT, 7, layers=[7])
    with pytest.raises(InputError, match="estimator"):
        ue.attribute(model, PROMPT, 7, estimator="guess")
    small = ue.load(
        tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_attributed_nodes=2000)
    )
    with pytest.raises(TooLargeError, match="max_attributed_nodes") as caught:
        ue.attribute(small, PROMPT, 7)
    assert "pairs=False" in caught.value.fix
    assert ue.attribute(small, PROMPT, 7, pairs=False).n_nodes <= 2000


def test_a_model_without_a_lens_explains_no_logits():
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(vocab_size=128, hidden_size=32, num_hidden_layers=2,
                        num_attention_heads=4, intermediate_size=48)  # fmt: skip
    model = ue.load(BertForSequenceClassification(config).eval(), tiny_tokenizer())
    with pytest.raises(CapabilityError):
        ue.attribute(model, PROMPT, 7)


def test_nothing_is_left_on_the_model(model_of):
    model = model_of("gemma3")
    before = model.run(PROMPT).logits
    ue.attribute(model, PROMPT, WHY, frozen="all", estimator="integrated", steps=1)
    assert torch.equal(model.run(PROMPT).logits, before)
    assert not any("forward" in vars(part) for part in model.module.modules())


def massive():
    """A model with activations that one layer makes and the next takes away again."""
    module = tiny_model("gpt2", dtype=torch.float64)
    first, second = (module.transformer.h[layer].mlp.c_proj.bias for layer in (0, 1))
    with torch.no_grad():
        push = 1e6 * torch.randn(len(first), generator=torch.Generator().manual_seed(1))
        first += push.double()
        second -= push.double()
    return ue.load(module)


@pytest.mark.parametrize("frozen", ["all", "none"])
def test_estimates_that_explode_are_warned_of_with_what_to_do(frozen, model_of):
    """They say thousands of times what a run without the node loses."""
    model = massive()
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, frozen=frozen, kinds=["bias"], verify=2)
    (words,) = found.warnings
    worst = max((one for one in found.top(5)), key=lambda one: abs(one.total))
    assert f"{worst.name} {worst.total:+.3g}" in words
    assert ("Let norms live" in words) == (frozen == "all")
    limit = 100 * max(1.0, abs(found.value))
    assert abs(worst.total) > limit
    assert all(abs(row.measured) < limit / 10 for row in found.rows if row.measured is not None)
    n_far = sum(int((group.total.abs() > limit).sum()) for group in found.groups)
    assert f"{n_far:,} node" in words
    assert found.to_dict()["warnings"] == [words]
    plain = ue.attribute(model_of("gpt2", torch.float64), PROMPT, objective, frozen=frozen)
    assert plain.warnings == ()
