"""How wide links are and what colours them, by factors of one's own; edited runs alike."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions

from .flow_compare import Comparison, near
from .flow_oracle import SlowFlow
from .flow_running import TARGET, drawn
from .slow import PROMPT

FACTORS = {
    "default_width": 3.0,
    "query_factor": 0.7,
    "attention_factor": 4.0,
    "memory_factor": 2.0,
    "head_factor": 0.3,
    "neuron_factor": 5.0,
}


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj", "bert"])
def test_every_factor_makes_the_width_that_it_says(name, model_of, slow_of):
    options = FlowOptions(**FACTORS)
    _, graph = drawn(model_of(name, torch.float64), [1], options=options)
    with torch.no_grad():
        slow = SlowFlow(slow_of(name, torch.float64), [1], options=options)
        assert Comparison(graph, slow, TARGET, near(name, torch.float64)).wrong() == []
    _, plain = drawn(model_of(name, torch.float64), [1])
    ratios = {
        **{"query": 0.7 / 0.2, "head": 0.3 / 1.8, "activation": 5 / 1.5},
        **{"z_row_key": 3 / 7, "neuron_key": 3 / 7},
    }
    for link, other in zip(graph.links, plain.links, strict=True):
        if link.kind in ratios:
            assert link.width == pytest.approx(other.width * ratios[link.kind])
        elif link.kind not in ("attention", "memory", "bias"):
            assert link.width == other.width


@pytest.mark.parametrize("factor", ["attention_factor", "memory_factor"])
def test_a_link_of_attention_is_never_too_thin_to_be_seen(factor, model_of):
    kind = "attention" if factor == "attention_factor" else "memory"
    _, graph = drawn(model_of("gpt2"), [1], options=FlowOptions(**{factor: 0.0}))
    assert {link.width for link in graph.links if link.kind == kind} == {0.51}


def test_published_widths_are_ten_times_the_attention(model_of):
    run, graph = drawn(model_of("gpt2"), [1], options=FlowOptions(n_heads=0))
    for link in graph.links:
        if link.kind == "attention":
            node = graph.node(link.target)
            head = int(node.id.partition(".H")[2].partition(".")[0])
            score = float(run[f"L1.H{head}.pattern@9"][node.position])
            assert link.attention == pytest.approx(score)
            assert link.width == pytest.approx(max(10 * score, 0.51))


def changed_by(factor):
    def change(value):
        value *= factor
        return value

    return change


def shifted(position, vector):
    def change(value):
        value[position] += vector
        return value

    return change


def one_head(factor):
    def change(value):
        value[:, 0] *= factor
        return value

    return change


def silent(head, query, key):
    def change(value):
        value[head, query, key] = 0
        return value

    return change


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj", "bert", "falcon-new", "mixtral"])
def test_an_edited_run_is_drawn_as_the_edits_left_it(name, model_of, slow_of):
    width = model_of(name).anatomy.d_model
    moved = torch.linspace(-1, 1, width, dtype=torch.float64)
    edits = [
        ue.scale("L1.H0", 3.0),
        ue.scale("L0.mlp", 0.5),
        ue.zero("L1.H1@9<2"),
        ue.add("L1.attn_in@9", moved),
        ue.scale("L2.resid_pre", 2.0),
    ]
    by_hand = {
        "L1.z": one_head(3.0),
        "L0.mlp_out": changed_by(0.5),
        "L1.pattern": silent(1, 9, 2),
        "L1.attn_in": shifted(9, moved),
        "L2.resid_pre": changed_by(2.0),
    }
    if name == "gptj":  # both branches read one vector, and must still
        del edits[3], by_hand["L1.attn_in"]
    _, graph = drawn(model_of(name, torch.float64), [1, 2], edits=edits)
    with torch.no_grad():
        slow = SlowFlow(slow_of(name, torch.float64), [1, 2], edits=by_hand)
        wrong = Comparison(graph, slow, TARGET, near(name, torch.float64)).wrong()
    assert wrong == []


@pytest.mark.parametrize("name", ["gpt2", "llama", "gptj", "qwen3"])
def test_an_edited_query_or_key_moves_its_own_readings_and_no_others(name, model_of):
    model = model_of(name, torch.float64)
    options = FlowOptions(n_heads=0, values_per_head=10)
    _, plain = drawn(model, [1], options=options)
    edits = [ue.scale("L1.H0.q@9", 2.0), ue.scale("L1.H1.k@3", 3.0)]
    run, graph = drawn(model, [1], edits=edits, options=options)
    group = run["L1.q"].shape[1] // run["L1.k"].shape[1]
    for node in plain.nodes:
        if node.kind not in ("query", "key"):
            continue
        head = int(node.id.partition(".H")[2].partition(".")[0])
        factor = 2.0 if node.id == "L1.H0.query" else 1.0
        if node.kind == "key" and node.position == 3 and head // group == 1:
            factor = 3.0
        for before, after in zip(node.readings, graph.node(node.id).readings, strict=True):
            wanted = factor * plain.vectors[before.row]
            limit = 1e-5 * float(wanted.abs().max())
            found = graph.vectors[after.row]
            torch.testing.assert_close(found, wanted, rtol=0, atol=limit, msg=node.id)


def test_a_branch_that_adds_nothing_has_no_shares_and_no_width(model_of):
    model = model_of("llama")
    run = model.run(PROMPT, capture=ue.flow_capture(model, [1]), edits=[ue.zero("L1.z")])
    graph = ue.flow_graph(run, [1], target=TARGET)
    assert graph.link("L1.attn_out", "L1.resid_mid").width == 0
    for link in graph.links:
        if link.target == "L1.attn_out":
            assert link.share in (None, 0.0)
    assert "NaN" not in graph.to_json()
