"""Effects of every node against autograd on a slow second model, and against runs without them."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.analyses.attribution.result import AttributionComparison
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.analyses.tools.writes import write, write_capture
from unembed.engine.editing.edits import by_analysis
from unembed.errors import CapabilityError, InputError, PromptError, TargetError, TooLargeError
from unembed.models.tiny import is_masked, tiny_model, tiny_tokenizer

from ..contract.wiring import REPRESENTATIVES, wiring
from .slow import PROMPT

WHY = ue.Objective.logit_diff([72, 5], 9)
POSITION = 6
SITES = {"neuron": "mlp_post", "pair": "pattern", "attn": "attn_out", "mlp": "mlp_out"}
DTYPES = [*((name, torch.float64) for name in REPRESENTATIVES), ("gpt2", torch.float32)]
DTYPES += [("gemma3", torch.float32), ("bert", torch.float32)]


def limit(name, dtype):
    """Some kernels round their pattern to float32 whatever the model's dtype."""
    rounded = wiring(name).fp32_pattern or name in ("olmo2", "gemma2", "gemma3", "gemma3-capped")
    return 2e-4 if dtype == torch.float32 else 5e-6 if rounded else 1e-9


def close(found, wanted, tolerance):
    scale = max(float(wanted.abs().max()), 1.0)
    torch.testing.assert_close(found.double(), wanted.double(), rtol=0, atol=tolerance * scale)


def slow_slopes(oracle, groups, value_of):
    """Gradient of a number at every variable, by adding a zero there: values, then gradients."""
    sites = {"L0.resid_pre"} | {
        site for group in groups for site in [site_of(group)] if group.layer is not None
    }
    plain = oracle.run(PROMPT)
    pushes = {site: torch.zeros_like(plain[site], requires_grad=True) for site in sites}
    changes = {site: lambda value, push=push: value + push for site, push in pushes.items()}
    seen = oracle.run(PROMPT, changes, grad=True)
    found = torch.autograd.grad(value_of(seen), list(pushes.values()), allow_unused=True)
    slopes = {
        site: torch.zeros_like(plain[site]) if slope is None else slope
        for site, slope in zip(pushes, found, strict=True)
    }
    return plain, slopes


def site_of(group):
    if group.layer is None:
        return "L0.resid_pre"
    if group.kind == "bias":
        return f"L{group.layer}.{'mlp' if 'mlp' in group.stem else 'attn'}_out"
    return f"L{group.layer}.{SITES[group.kind]}"


def expected_totals(group, plain, slopes):
    values, slope = plain[site_of(group)], slopes[site_of(group)]
    product = values * slope
    if group.kind == "pair":
        return product.transpose(0, 1)
    return product if group.kind == "neuron" else product.sum(-1, keepdim=True)


def totals_agree(found, oracle, value_of, tolerance):
    plain, slopes = slow_slopes(oracle, found.groups, value_of)
    for group in found.groups:
        if group.kind != "bias":
            close(group.total, expected_totals(group, plain, slopes), tolerance)


@pytest.mark.parametrize(("name", "dtype"), DTYPES)
def test_totals_are_autograd_on_the_nodes_own_variable(name, dtype, model_of, slow_of):
    model, oracle = model_of(name, dtype), slow_of(name, dtype).oracle
    found = ue.attribute(model, PROMPT, WHY.at(POSITION), frozen="none")

    def value_of(seen):
        logits = seen["logits"][POSITION].double()
        return (logits[72] + logits[5]) / 2 - logits[9]

    assert found.value == pytest.approx(float(value_of(oracle.run(PROMPT))), abs=1e-4)
    totals_agree(found, oracle, value_of, limit(name, dtype))


@pytest.mark.parametrize(("name", "dtype"), DTYPES)
def test_direct_effects_are_a_linearisation_and_sum_to_the_objective(
    name, dtype, model_of, slow_of
):
    """The direction in the last residual, found by carrying every axis there forward."""
    model, oracle = model_of(name, dtype), slow_of(name, dtype).oracle
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, frozen="final")
    sums = found.completeness
    assert abs(sums.rest) < limit(name, dtype) * 10
    assert sums.nodes == pytest.approx(
        sum(float(group.direct.sum()) for group in found.groups), rel=1e-5, abs=1e-6
    )
    last = model.anatomy.n_layers - 1
    if found.method == "gradient":
        assert is_masked(name)
        run = model.run(PROMPT, objective.required_capture(model), logits="none")
        direction = objective.gradient(run).double()
    else:
        assert not is_masked(name)
        direction = None
        if model.block(last).stream_norms is None:
            run = model.run(PROMPT, effects_capture(model, last), logits="none")
            axes = torch.eye(model.anatomy.d_model, dtype=dtype)
            direction = effects_on(run, [Writes(axes, last, "mlp")], [objective])[:, 0].double()
    if direction is not None:
        totals_agree(
            found,
            oracle,
            lambda seen: seen[f"L{last}.resid_post"][POSITION].double() @ direction,
            limit(name, dtype),
        )


@pytest.mark.parametrize("name", [name for name in REPRESENTATIVES if not is_masked(name)])
def test_one_nodes_direct_effect_is_its_write_carried_forward(name, model_of):
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, pairs=False)
    for group in found.groups:
        if group.kind == "bias":
            continue
        number = 1 if group.kind in ("head", "neuron") else ""
        node = group.name((POSITION, number or 0))
        stem = node.partition("@")[0]
        capture = [*write_capture(model, stem), *effects_capture(model, group.layer)]
        run = model.run(PROMPT, capture, logits="none")
        written = write(run, stem)[POSITION, None]
        branch = {"head": "attn", "neuron": "mlp", "embed": None}.get(group.kind, group.kind)
        wanted = effects_on(run, [Writes(written, group.layer, branch)], [objective])
        row = found.node(node)
        assert row.direct == pytest.approx(float(wanted), rel=1e-6, abs=1e-8), node
        assert row.write == pytest.approx(float(written.norm()), rel=1e-6, abs=1e-8), node


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_in_the_last_layer_direct_and_total_are_the_same(name, model_of):
    """Nothing comes after the last feed-forward, nor after attention beside it."""
    model = model_of(name, torch.float64)
    last = model.anatomy.n_layers - 1
    block = model.block(last)
    if block.stream_norms is not None:
        pytest.skip("the stream itself goes through a norm behind it, whose scale is not held")
    for frozen in ("final", "all"):
        found = ue.attribute(model, PROMPT, WHY.at(POSITION), frozen=frozen)
        kinds = ("neuron", "mlp", "pair") if block.parallel else ("neuron", "mlp")
        groups = [one for one in found.groups if one.layer == last and one.kind in kinds]
        groups = [one for one in groups if model.post_norm(last, "mlp") is None]
        for group in groups:
            close(group.total[POSITION], group.direct, limit(name, torch.float64))
            others = [at for at in range(len(PROMPT)) if at != POSITION]
            assert not group.total[others].any()


def hold(module):
    """Norms of one model rewritten by hand with their scale detached."""
    for part in module.modules():
        kind = type(part).__name__
        if isinstance(part, nn.LayerNorm):
            part.forward = lambda x, n=part: (
                (x - x.mean(-1, keepdim=True))
                / (x.var(-1, keepdim=True, unbiased=False) + n.eps).sqrt().detach()
                * n.weight
                + n.bias
            )
        elif kind.endswith("RMSNorm"):
            start = 1.0 if kind.startswith("Gemma") else 0.0
            eps = getattr(part, "variance_epsilon", getattr(part, "eps", None))
            part.forward = lambda x, n=part, start=start, eps=eps: (
                x / (x.pow(2).mean(-1, keepdim=True) + eps).sqrt().detach() * (start + n.weight)
            )


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "qwen3", "olmo2", "gpt_neox"])
def test_with_all_norms_held_totals_are_those_of_a_model_whose_norms_are_linear(name, model_of):
    from ..contract.oracle import Oracle

    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, frozen="all")
    oracle = Oracle(name, torch.float64)
    hold(oracle.model)

    def value_of(seen):
        logits = seen["logits"][POSITION].double()
        return (logits[72] + logits[5]) / 2 - logits[9]

    totals_agree(found, oracle, value_of, max(limit(name, torch.float64), 5e-6))
    assert not torch.allclose(
        found.groups[0].total, ue.attribute(model, PROMPT, objective).groups[0].total
    )


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "llama", "bloom", "gpt_neox", "bert"])
def test_pairs_of_a_query_sum_to_its_head(name, model_of):
    model = model_of(name, torch.float64)
    by_pair = ue.attribute(model, PROMPT, WHY)
    by_head = ue.attribute(model, PROMPT, WHY, pairs=False)
    pairs = [group for group in by_pair.groups if group.kind == "pair"]
    heads = [group for group in by_head.groups if group.kind == "head"]
    assert len(pairs) == len(heads) == model.anatomy.n_layers
    tolerance = limit(name, torch.float64)
    for pair, head in zip(pairs, heads, strict=True):
        close(pair.total.sum(-1), head.total, tolerance)
        close(pair.direct.sum(-1), head.direct, tolerance)
    assert by_pair.by_component().keys() == by_head.by_component().keys()
    for node, value in by_head.by_component().items():
        assert by_pair.by_component()[node] == pytest.approx(value, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj"])
def test_with_a_layers_gradient_dropped_effects_are_those_past_it(name, model_of, slow_of):
    """The slow model, with what one layer adds held, layer by layer."""
    model, oracle = model_of(name, torch.float64), slow_of(name, torch.float64).oracle
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, estimator="graddrop", pairs=False)
    plain = ue.attribute(model, PROMPT, objective, pairs=False)
    layers = range(model.anatomy.n_layers)
    assert f"and {len(layers)} more of both" in found.cost
    sites = [f"L{layer}.mlp_post" for layer in layers]
    sizes = dict.fromkeys(sites, 0.0)
    seen = oracle.run(PROMPT)
    for dropped in layers:
        pushes = {site: torch.zeros_like(seen[site], requires_grad=True) for site in sites}
        changes = {site: lambda value, push=push: value + push for site, push in pushes.items()}
        for out in ("attn_out", "mlp_out"):
            changes[f"L{dropped}.{out}"] = lambda value: value.detach()
        run = oracle.run(PROMPT, changes, grad=True)
        logits = run["logits"][POSITION].double()
        value = (logits[72] + logits[5]) / 2 - logits[9]
        slopes = torch.autograd.grad(value, list(pushes.values()), allow_unused=True)
        for site, slope in zip(pushes, slopes, strict=True):
            if slope is not None:
                sizes[site] = sizes[site] + (seen[site] * slope).abs()
    for group, before in zip(found.groups, plain.groups, strict=True):
        if group.kind == "neuron":
            size = sizes[f"L{group.layer}.mlp_post"] / (len(layers) - 1)
            close(group.total.abs(), size, limit(name, torch.float64))
            assert torch.equal(group.total < 0, (before.total < 0) & (group.total != 0))


def test_integrated_gradients_of_a_layer_sum_to_what_it_does(model_of):
    """The axiom of completeness, for each branch of each layer alone."""
    model = model_of("gpt2", torch.float64)
    found = ue.attribute(
        model, PROMPT, WHY, estimator="integrated", steps=30, frozen="none", pairs=False
    )
    assert "180 more of both" in found.cost
    whole = found.value
    for layer in range(3):
        for kind, site in (("head", "z"), ("neuron", "mlp_post")):
            (group,) = (g for g in found.groups if g.layer == layer and g.kind == kind)
            edit = ue.zero(f"L{layer}.{site}")
            run = model.run(PROMPT, WHY.required_capture(model), [edit], logits="none")
            assert float(group.total.sum()) == pytest.approx(
                whole - float(WHY.value(run)), abs=5e-3
            )


@pytest.mark.parametrize("against", ["zero", "mean"])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "mixtral"])
def test_measured_effects_are_those_of_a_run_without_the_node(name, against, model_of):
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(model, PROMPT, objective, verify=30, top_k=40, against=against)
    assert found.verification.nodes == 30
    assert all(row.measured is None for row in found.rows[30:])
    capture = ["z", "mlp_post", "mlp_out", "embed", *objective.required_capture(model)]
    capture = [site for site in capture if site != "mlp_post" or name != "mixtral"]
    run = model.run(PROMPT, capture)
    for row in found.rows[:30]:
        if row.kind == "bias":
            continue
        edit = ue.zero(row.name)
        if against == "mean" and row.kind != "pair":
            edit = ue.set_to(row.name, run[row.name.partition("@")[0]].mean(0))
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-6), row.name
    estimated = torch.tensor([row.total for row in found.rows[:30]])
    measured = torch.tensor([row.measured for row in found.rows[:30]])
    wanted = float(torch.corrcoef(torch.stack([estimated, measured]))[0, 1])
    assert found.verification.pearson == pytest.approx(wanted, abs=1e-6)
    ranks = torch.stack([estimated.argsort().argsort(), measured.argsort().argsort()]).double()
    assert found.verification.spearman == pytest.approx(
        float(torch.corrcoef(ranks)[0, 1]), abs=0.01
    )


OTHER = (*PROMPT[:4], 33, 7, *PROMPT[6:])


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert"])
def test_against_another_prompt_values_change_into_its_own(name, model_of):
    """Estimated: the difference times the gradient. Measured: a patch from its run."""
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, against="prompt", references=OTHER, verify=25, top_k=25
    )
    plain = ue.attribute(model, PROMPT, objective)
    capture = ["z", "mlp_post", "embed", "pattern", *objective.required_capture(model)]
    here, there = model.run(PROMPT, capture), model.run(OTHER, capture)
    for row in found.rows:
        other = float(there[row.name]) if row.kind in ("pair", "neuron") else None
        if other is not None:  # by the slope of the attribution against 0
            slope = plain.node(row.name).total / float(here[row.name])
            estimate = slope * (float(here[row.name]) - other)
            assert row.total == pytest.approx(estimate, rel=1e-6, abs=1e-9)
        edit = ue.patch(row.name, there)
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-7), row.name
    assert not any(group.total.any() for group in found.groups if group.kind == "bias")
    twice = ue.attribute(model, PROMPT, objective, against="prompt", references=[OTHER, PROMPT])
    close(2 * twice.groups[0].total, found.groups[0].total, 1e-9)


def test_a_mean_is_over_all_positions_of_the_references(model_of):
    model = model_of("gpt2", torch.float64)
    others = [PROMPT[:3], OTHER]
    found = ue.attribute(model, PROMPT, WHY, against="mean", references=others, verify=20)
    seen = [model.run(one, ["mlp_post", "z", "embed"]) for one in others]
    for row in found.rows:
        if row.kind in ("neuron", "head", "embed"):
            stem = row.name.partition("@")[0]
            mean = torch.cat([run[stem] for run in seen]).mean(0)
            without = model.run(PROMPT, WHY.required_capture(model), [ue.set_to(row.name, mean)])
            assert row.measured == pytest.approx(found.value - float(WHY.value(without)))


LONGER = (*PROMPT[:3], 33, 7, 12, *PROMPT[5:])  # two tokens made three
PLACES = (0, 1, 2, 4, 5, 6, 7, 8, 9, 10)


def test_a_reference_of_another_length_stands_where_tokens_are_the_same():
    from unembed.analyses.attribution.references import counterparts

    assert counterparts(PROMPT, LONGER) == PLACES
    assert counterparts(LONGER, PROMPT) == (0, 1, 2, None, 3, 4, 5, 6, 7, 8, 9)
    assert counterparts((1, 2, 3), (3, 2, 1)) == (0, 1, 2)
    assert counterparts((1, 2, 3, 4), (1, 4)) == (0, None, None, 1)


@pytest.mark.parametrize("name", ["gpt2", "gemma3"])
def test_against_a_prompt_of_another_length_values_change_into_their_counterparts(name, model_of):
    model = model_of(name, torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, against="prompt", references=LONGER, verify=25, top_k=25
    )
    assert not found.notes
    plain = ue.attribute(model, PROMPT, objective)
    capture = ["mlp_post", "pattern", "z", "embed", *objective.required_capture(model)]
    here, there = model.run(PROMPT, capture), model.run(LONGER, capture)
    for row in found.rows:
        stem, _, _ = row.name.partition("@")
        at = PLACES[row.position]
        key = "" if row.key is None else f"<{PLACES[row.key]}"
        if row.kind in ("pair", "neuron"):
            slope = plain.node(row.name).total / float(here[row.name])
            estimate = slope * (float(here[row.name]) - float(there[f"{stem}@{at}{key}"]))
            assert row.total == pytest.approx(estimate, rel=1e-6, abs=1e-9)
        edit = ue.set_to(row.name, there[f"{stem}@{at}{key}"])
        without = model.run(PROMPT, objective.required_capture(model), [edit])
        lost = found.value - float(objective.value(without))
        assert row.measured == pytest.approx(lost, rel=1e-5, abs=1e-7), row.name
    kept = ue.attribute(model, LONGER, objective, against="prompt", references=PROMPT)
    assert kept.notes == ("a reference has nothing for position 3: kept there",)
    assert not any(group.total[3].any() for group in kept.groups)
    assert any(group.total[4].any() for group in kept.groups)


def test_drawn_references_are_those_of_one_position_for_all_sites(model_of):
    from unembed.analyses.attribution.references import draw

    model = model_of("gpt2", torch.float64)
    others = [PROMPT[:3], OTHER]
    found = ue.attribute(
        model,
        PROMPT,
        WHY,
        against="resample",
        references=others,
        pairs=False,
        seed=5,
        verify=20,
    )
    seen = [model.run(one, ["mlp_post", "z", "embed"]) for one in others]
    rows = draw(10, [3, 10], 5)
    assert rows == draw(10, [3, 10], 5) != draw(10, [3, 10], 6)
    assert rows[0] in (0, 3)
    assert not {0, 3} & set(rows[1:])
    for row in found.rows:
        stem = row.name.partition("@")[0]
        drawn = torch.cat([run[stem] for run in seen])[rows[row.position]]
        without = model.run(PROMPT, WHY.required_capture(model), [ue.set_to(row.name, drawn)])
        assert row.measured == pytest.approx(found.value - float(WHY.value(without)), abs=1e-9)
    assert not any(group.total.any() for group in found.groups if group.kind == "bias")


def test_every_node_is_measured_where_one_asks_for_all(model_of):
    """Those that nothing could come of are 0 and were not run."""
    model = model_of("gpt2", torch.float64)
    objective = WHY.at(POSITION)
    found = ue.attribute(
        model, PROMPT, objective, verify="all", positions=[2, 6, 8], layers=[1], top_k=5
    )
    assert len(found.rows) == 5
    capture = objective.required_capture(model)
    checked = 0
    for group in found.groups:
        if group.layer != 1:
            assert group.measured is None
            continue
        assert group.measured[[2, 6, 8]].isfinite().all()
        assert group.measured[[0, 1, 3, 4, 5, 7, 9]].isnan().all()
        for index in [(6, 1, 4), (2, 3, 5), (8, 0, 0)] if group.kind == "pair" else [(2, 7)]:
            if group.kind == "bias":
                continue
            run = model.run(PROMPT, capture, [ue.zero(group.name(index))])
            lost = found.value - float(objective.value(run))
            assert float(group.measured[index]) == pytest.approx(lost, abs=1e-9)
            checked += 1
    assert checked == 4
    by_measured = found.top(3, by="measured")
    assert [row.measured for row in by_measured] == sorted(
        (row.measured for row in by_measured), key=abs, reverse=True
    )
    small = ue.load(
        tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_measured_nodes=50)
    )
    with pytest.raises(TooLargeError, match="max_measured_nodes") as caught:
        ue.attribute(small, PROMPT, WHY, verify="all")
    assert "minutes" in caught.value.message


def planted(seed):
    """A tiny model, and a neuron of it that writes far more than any other."""
    torch.manual_seed(seed)
    model = ue.load(tiny_model("gpt2").double(), tiny_tokenizer())
    for block in model.module.transformer.h:
        for part in (block.mlp.c_fc, block.mlp.c_proj):
            torch.nn.init.normal_(part.weight, std=0.05)
    layer, neuron = (int(torch.randint(size, ())) for size in (3, 52))
    with torch.no_grad():
        model.module.transformer.h[layer].mlp.c_proj.weight[neuron] *= 60
    return model, f"L{layer}.N{neuron}"


@pytest.mark.parametrize("seed", range(4))
def test_a_planted_node_is_never_outside_the_bound_on_what_was_not_measured(seed):
    model, node = planted(seed)
    found = ue.attribute(model, PROMPT, WHY, sample=32, pairs=False)
    assert found.bound.runs == 32
    assert found.verification is None
    every = ue.attribute(model, PROMPT, WHY, verify="all", layers=[int(node[1])], pairs=False)
    (worst,) = every.top(1, by="measured")
    assert found.bound.largest >= abs(worst.measured) > 0
    assert found.bound.nodes == sum(group.total[:10].numel() for group in found.groups)
    rest = ue.attribute(model, PROMPT, WHY, sample=32, verify=50, top_k=50, pairs=False)
    assert rest.bound.nodes == found.bound.nodes - 50
    assert rest.bound.largest < found.bound.largest


def test_what_a_bound_takes_out_is_what_single_edits_take_out(model_of):
    """A run without a set of nodes of every kind, by one edit a site and by one edit a node."""
    from unembed.analyses.attribution import bound, measure

    model = model_of("gpt2", torch.float64)
    kept = []
    real = measure.Measuring.losses

    def losses(self, without):
        kept.append((self, without))
        return real(self, without)

    for pairs in (True, False):
        kept.clear()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(measure.Measuring, "losses", losses)
            found = ue.attribute(model, PROMPT, WHY, sample=16, pairs=pairs)
        (measuring, without), *_ = kept
        drawn = torch.Generator().manual_seed(0)
        out = [bound._drawn(measuring, one, 9, 16, drawn) for one in found.groups]
        single = [
            by_analysis(edit)
            for group, some in zip(found.groups, out, strict=True)
            for index in some[3].nonzero().tolist()
            for edit in measuring.without(group, tuple(index))
        ]
        both = measuring.losses([without[3], tuple(single)])
        assert len(single) > 500
        assert float(both[0]) == pytest.approx(float(both[1]), abs=1e-9)


def test_references_that_do_not_fit_are_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="there is none") as caught:
        ue.attribute(model, PROMPT, WHY, against="prompt")
    assert caught.value.field == "references"
    with pytest.raises(PromptError, match="10 tokens and reference 1 has 2, none") as wrong:
        ue.attribute(model, PROMPT, WHY, against="prompt", references=[PROMPT[:3], (50, 51)])
    assert wrong.value.field == "references"
    with pytest.raises(InputError, match="there is none"):
        ue.attribute(model, PROMPT, WHY, against="resample", pairs=False)
    with pytest.raises(InputError, match="cannot be drawn") as pairs:
        ue.attribute(model, PROMPT, WHY, against="resample", references=OTHER)
    assert pairs.value.field == "pairs"
    with pytest.raises(PromptError, match="no reference has a second token"):
        ue.attribute(model, PROMPT, WHY, against="resample", references=[(7,)], pairs=False)
    with pytest.raises(InputError, match="compared with 0"):
        ue.attribute(model, PROMPT, WHY, references=PROMPT)
    with pytest.raises(InputError, match="fewer than 16 runs"):
        ue.attribute(model, PROMPT, WHY, sample=3)


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


def half(values):
    return values * 0.5 + values.detach() * 0.5


def by_rules(oracle, name):
    """The feed-forwards of one model rewritten by hand with the rules of RelP."""
    for block in oracle.blocks:
        mlp = block.mlp
        if name == "gpt2":
            act = mlp.act.forward
            mlp.act.forward = lambda x, act=act: x * (act(x) / x).detach()
            continue
        act = (mlp.activation_fn if name == "phi3" else mlp.act_fn).forward

        def forward(x, mlp=mlp, act=act):
            if name == "phi3":
                gate, up = mlp.gate_up_proj(x).chunk(2, dim=-1)
            else:
                gate, up = mlp.gate_proj(x), mlp.up_proj(x)
            return mlp.down_proj(half(gate * (act(gate) / gate).detach()) * half(up))

        mlp.forward = forward


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "phi3"])
def test_relevance_is_the_gradient_of_a_model_rewritten_by_the_rules(name, model_of):
    from ..contract.oracle import Oracle

    model = model_of(name, torch.float64)
    found = ue.attribute(model, PROMPT, WHY.at(POSITION), estimator="relp")
    assert (found.frozen, found.estimator) == ("all", "relp")
    assert found.value == pytest.approx(ue.attribute(model, PROMPT, WHY.at(POSITION)).value)
    oracle = Oracle(name, torch.float64)
    hold(oracle.model)
    by_rules(oracle, name)

    def value_of(seen):
        logits = seen["logits"][POSITION].double()
        return (logits[72] + logits[5]) / 2 - logits[9]

    totals_agree(found, oracle, value_of, 5e-6)
