"""Traces against autograd on a slow second model whose one norm before the node is held by hand."""

from __future__ import annotations

import json

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_on, stream_capture
from unembed.analyses.tools.writes import write, write_capture
from unembed.errors import CapabilityError, InputError, TargetError

from ..contract.oracle import Oracle
from ..contract.wiring import REPRESENTATIVES, wiring
from .slow import PROMPT
from .test_attribution import close, hold, limit, totals_agree

QUERY, KEY, LAYER = 6, 3, 1
PAIR = f"L{LAYER}.H1@{QUERY}<{KEY}"


def neuron_of(name, model):
    """A neuron of a dense layer, and the site of what goes through its activation function."""
    layers = [one for one in range(model.anatomy.n_layers) if one not in wiring(name).moe_layers]
    if not layers:
        return None
    layer = layers[-1]
    site = "mlp_gate" if wiring(name).gated else "mlp_pre"
    return layer, 3, f"L{layer}.{site}"


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_what_is_traced_is_what_the_model_computes_and_all_of_it(name, model_of, slow_of):
    model, oracle = model_of(name, torch.float64), slow_of(name, torch.float64).oracle
    plain = oracle.run(PROMPT)
    made = {PAIR: plain[f"L{LAYER}.scores"][1, QUERY, KEY]}
    found = neuron_of(name, model)
    if found is not None:
        layer, neuron, site = found
        made[f"L{layer}.N{neuron}@{QUERY}"] = plain[site][QUERY, neuron]
    for node, value in made.items():
        trace = ue.trace(model, PROMPT, node, pairs=False)
        assert trace.value == pytest.approx(float(value), abs=10 * limit(name, torch.float64))
        for part in trace.parts:
            assert abs(part.completeness.rest) < 1e-9
            direct = sum(float(group.direct.sum()) for group in part.groups)
            assert part.completeness.nodes == pytest.approx(direct, abs=1e-9)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gpt_neox", "bert", "granite", "olmo2"])
def test_an_edge_is_the_write_carried_to_what_reads_it(name, model_of):
    model = model_of(name, torch.float64)
    trace = ue.trace(model, PROMPT, f"L2.N3@{QUERY}", pairs=False)
    (part,) = trace.parts
    site = "L2.resid_pre" if model.block(2).parallel else "L2.resid_mid"
    for node in (f"L0.H1@{QUERY}", f"L1.N5@{QUERY}", f"embed@{QUERY}"):
        stem = node.partition("@")[0]
        run = model.run(
            PROMPT, [*write_capture(model, stem), *stream_capture(model, None)], logits="none"
        )
        branch = None if stem == "embed" else "attn" if "H" in stem else "mlp"
        layer = None if stem == "embed" else int(stem[1])
        writes = [Writes(write(run, stem)[QUERY, None], layer, branch)]
        slope = slope_at(model, f"L2.N3@{QUERY}")
        objective = ue.Objective.direction(site, slope, position=QUERY)
        wanted = float(effects_on(run, writes, [objective]))
        assert trace.node_at(node).direct == part.node(node).direct
        assert trace.node_at(node).direct == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def slope_at(model, node):
    from unembed.analyses.tracing.reads import Reader, step_of_node

    read = model.read_prompt(PROMPT)
    step = step_of_node(model, node, None, len(PROMPT))
    return Reader(model, read, (), None).readings(step, None)[0].slope


def held_oracle(name, *paths):
    """The slow model with some norms of a block held; of a mixture of both models nothing else."""
    oracle = Oracle(name, torch.float64)
    for layer, path in paths:
        hold(oracle.part(layer, path))
    return oracle


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "gpt_neox", "qwen3", "starcoder2"])
def test_totals_are_autograd_with_the_scale_of_the_norm_before_detached(name, model_of):
    model, parts = model_of(name, torch.float64), wiring(name)
    tolerance = max(limit(name, torch.float64), 5e-6)
    layer, neuron, site = neuron_of(name, model)
    trace = ue.trace(model, PROMPT, f"L{layer}.N{neuron}@{QUERY}")
    oracle = held_oracle(name, (layer, parts.mlp_norm))
    totals_agree(trace.parts[0], oracle, lambda seen: seen[site][QUERY, neuron], tolerance)
    live = ue.trace(model, PROMPT, f"L{layer}.N{neuron}@{QUERY}", frozen="all")
    assert not torch.allclose(live.parts[0].groups[0].total, trace.parts[0].groups[0].total)

    inner = [(LAYER, parts.attn)] if name in ("gemma3", "qwen3") else []  # norms of q and k
    oracle = held_oracle(name, (LAYER, parts.attn_norm), *inner)
    whole = ue.trace(model, PROMPT, PAIR)
    query, key = whole.parts
    summed = whole._summed
    totals_agree(summed, oracle, lambda seen: seen[f"L{LAYER}.scores"][1, QUERY, KEY], tolerance)
    assert (query.position, key.position) == (QUERY, KEY)


def test_a_score_is_traced_through_its_query_and_its_key(model_of):
    model = model_of("gemma3", torch.float64)
    both = ue.trace(model, PROMPT, PAIR, through="qk")
    for side, part in zip(("q", "k"), both.parts, strict=True):
        alone = ue.trace(model, PROMPT, PAIR, through=side)
        (only,) = alone.parts
        for group, own in zip(part.groups, only.groups, strict=True):
            close(group.total, own.total, 1e-9)
            close(group.direct, own.direct, 1e-9)
    q, k = (ue.trace(model, PROMPT, PAIR, through=side) for side in ("q", "k"))
    for row in both.top(30):
        parts = (q.node_at(row.name), k.node_at(row.name))
        assert row.total == pytest.approx(sum(one.total for one in parts))
        assert row.direct == pytest.approx(sum(one.direct for one in parts))
    best = both.top(5, by="direct")
    assert {row.position for row in best} <= {QUERY, KEY}
    sizes = [abs(row.direct) for row in best]
    assert sizes == sorted(sizes, reverse=True)
    assert both.by_component("direct")["L0.H1"] == pytest.approx(
        sum(part.by_component("direct")["L0.H1"] for part in both.parts)
    )


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma3", "olmo2", "bert"])
def test_a_value_is_traced_towards_what_reads_it(name, model_of):
    """What pairs bring to an objective are their direct effects; a trail goes on from there."""
    model = model_of(name, torch.float64)
    why = ue.Objective.logit_diff(72, 9).at(QUERY)
    direct = ue.attribute(model, PROMPT, why)
    pair = f"L2.H1@{QUERY}<{KEY}"
    trace = ue.trace(model, PROMPT, pair, through="v", target=why)
    assert trace.objective == f"{direct.objective} at position {QUERY}"
    assert trace.value == pytest.approx(direct.node(pair).direct, rel=1e-6)
    assert {row.position for row in trace.top(5, by="direct")} == {KEY}
    chained = ue.trace(
        model, PROMPT, f"L1.H2@{KEY}<1", through="v", trail=[f"{pair}:v"], target=why
    )
    assert chained.value == pytest.approx(trace.node_at(f"L1.H2@{KEY}<1").direct, rel=1e-6)
    towards = ue.trace(model, PROMPT, f"L1.H2@{KEY}<1", through="v", trail=[f"{pair}:k"])
    score = ue.trace(model, PROMPT, pair, through="k")
    assert towards.value == pytest.approx(score.node_at(f"L1.H2@{KEY}<1").direct, rel=1e-6)
    assert (towards.objective, towards.trail) == (None, (f"{pair}:k",))


def test_edits_are_traced_as_they_are(model_of):
    model = model_of("gpt2", torch.float64)
    edit = ue.scale("L0.N7", 3.0)
    trace = ue.trace(model, PROMPT, f"L2.N3@{QUERY}", [edit])
    run = model.run(PROMPT, ["L2.mlp_pre"], [edit])
    assert trace.value == pytest.approx(float(run["L2.mlp_pre"][QUERY, 3]))
    assert abs(trace.parts[0].completeness.rest) < 1e-10
    plain = ue.trace(model, PROMPT, f"L2.N3@{QUERY}")
    assert trace.node_at(f"L0.N7@{QUERY}").activation == pytest.approx(
        3 * plain.node_at(f"L0.N7@{QUERY}").activation
    )


def test_what_cannot_be_traced_is_refused(model_of):
    model, experts = model_of("gpt2"), model_of("mixtral")
    with pytest.raises(TargetError, match="which key it looks at is missing"):
        ue.trace(model, PROMPT, "L2.H1@6")
    for name in ("L2.attn@3", "L2.N3", "embed@2"):
        with pytest.raises(TargetError, match="cannot be traced"):
            ue.trace(model, PROMPT, name)
    with pytest.raises(InputError, match="not traced through 'q'"):
        ue.trace(model, PROMPT, "L2.N3@4", through="q")
    with pytest.raises(InputError, match="not traced through 'gate'"):
        ue.trace(model, PROMPT, "L2.N3@4", through="gate")
    with pytest.raises(TargetError, match="masked"):
        ue.trace(model, PROMPT, "L2.H1@3<6")
    with pytest.raises(TargetError, match="position 99"):
        ue.trace(model, PROMPT, "L2.N3@99")
    with pytest.raises(InputError, match="does not read that"):
        ue.trace(model, PROMPT, "L2.H1@3<2", through="v", target=7)
    with pytest.raises(InputError, match="does not read that"):
        ue.trace(model, PROMPT, "L2.H1@6<2", through="v", trail=["L1.N3@6"])
    with pytest.raises(InputError, match="through what it is traced with 'x'"):
        ue.trace(model, PROMPT, "L2.N3@4", trail=["L2.N4@4:x"])
    with pytest.raises(CapabilityError, match="mixture of experts"):
        ue.trace(experts, PROMPT, "L1.N3@4")
    with pytest.raises(InputError, match="no node of this attribution"):
        ue.trace(model, PROMPT, "L1.N3@4").node_at("L1.N4@4")


def test_a_trace_is_a_result_and_leaves_nothing_behind(model_of):
    model = model_of("gemma3")
    before = model.run(PROMPT).logits
    trace = ue.trace(model, PROMPT, PAIR, top_k=7)
    assert len(trace.rows) == 7
    assert [row.name for row in trace.rows] == [row.name for row in trace.top(7)]
    assert json.loads(trace.to_json())["rows"][0]["name"] == trace.rows[0].name
    assert "score of head 1" in repr(trace)
    assert torch.equal(model.run(PROMPT).logits, before)
    assert not any("forward" in vars(part) for part in model.module.modules())
