"""Effects of every node against autograd on a slow second model, and against runs without them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.analyses.tools.writes import write, write_capture
from unembed.models.tiny import is_masked

from ..contract.wiring import REPRESENTATIVES
from .attribution_by_hand import POSITION, WHY, close, limit, site_of, slow_slopes
from .slow import PROMPT

DTYPES = [*((name, torch.float64) for name in REPRESENTATIVES), ("gpt2", torch.float32)]
DTYPES += [("gemma3", torch.float32), ("bert", torch.float32)]


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
