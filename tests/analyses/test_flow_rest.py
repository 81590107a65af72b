"""With nodes for what is not shown, links sum to what was added; the sums say what is shown."""

from __future__ import annotations

import pytest
import torch

from unembed.analyses.flow.options import FlowOptions

from ..contract.wiring import REPRESENTATIVES
from .flow_oracle import SlowFlow
from .flow_running import drawn

DTYPES = (torch.float64,)  # float32: see tests/contract
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
FEW = FlowOptions(n_heads=2, top_neurons=3, bottom_neurons=2, values_per_head=1, rest=True)


def close(found, wanted):
    limit = TOLERANCE[wanted.dtype] * max(float(wanted.norm()), 1e-30)
    assert float((found.to(wanted.dtype) - wanted).norm()) <= limit


def arriving(graph, name):
    """What all links into a node bring that carry a part of it."""
    links = [link for link in graph.links if link.target == name and link.row is not None]
    parts = [graph.vectors[link.row] * link.coefficient for link in links if link.kind != "bias"]
    biases = [link for link in links if link.kind == "bias"]
    return sum(parts) + sum(graph.vectors[one.row] * one.coefficient for one in biases)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_links_sum_to_what_was_added(name, dtype, model_of):
    run, graph = drawn(model_of(name, dtype), [1], position=6, options=FEW)
    for branch in ("attn_out", "mlp_out"):
        close(arriving(graph, f"L1.{branch}"), run[f"L1.{branch}"][6])
    biases = [node for node in graph.nodes if node.kind == "attn_bias"]
    bias = sum(graph.vectors[node.readings[0].row] for node in biases)
    close(arriving(graph, "L1.z"), run["L1.attn_out"][6] - bias)
    for node in graph.nodes:
        if node.kind == "head":
            close(arriving(graph, node.id), graph.vectors[node.readings[0].row])


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite", "gptj", "bert", "mixtral"])
@pytest.mark.parametrize("options", [{}, {"attn_bias": False, "mlp_bias": False}], ids=str)
def test_shares_sum_to_one_and_the_rest_has_what_is_not_drawn(name, options, model_of):
    chosen = FlowOptions(n_heads=1, top_neurons=2, bottom_neurons=0, rest=True, **options)
    run, graph = drawn(model_of(name, torch.float64), [1, 2], options=chosen)
    for layer in (1, 2):
        for branch in ("attn_out", "mlp_out"):
            target = f"L{layer}.{branch}"
            links = [link for link in graph.links if link.target == target and link.share]
            assert sum(link.share for link in links) == pytest.approx(1, abs=1e-9)
            close(arriving(graph, target), run[target][-1])


def test_without_the_option_there_is_no_rest(model_of):
    _, graph = drawn(model_of("gpt2"), [1])
    assert not [node for node in graph.nodes if node.kind == "rest"]
    assert not [link for link in graph.links if link.kind == "rest"]


def test_the_rest_has_its_names(model_of):
    _, graph = drawn(model_of("gpt2"), [1], options=FEW)
    heads = [node.id for node in graph.nodes if node.kind == "head"]
    wanted = {f"{head}.rest" for head in heads} | {"L1.heads.rest", "L1.z.rest"}
    assert {node.id for node in graph.nodes if node.kind == "rest"} == wanted | {"L1.neurons.rest"}
    ends = {link.source: link.target for link in graph.links if link.kind == "rest"}
    assert ends["L1.heads.rest"] == "L1.z"
    assert ends["L1.z.rest"] == "L1.attn_out"
    assert ends["L1.neurons.rest"] == "L1.mlp_out"
    assert all(ends[f"{head}.rest"] == head for head in heads)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "granite", "gptj", "bert", "falcon-new"])
def test_the_sums_say_how_much_is_shown(name, model_of, slow_of):
    options = FlowOptions(n_heads=2, top_neurons=3, bottom_neurons=2)
    _, graph = drawn(model_of(name, torch.float64), [1], options=options)
    with torch.no_grad():
        slow = SlowFlow(slow_of(name, torch.float64), [1], options=options)
    for total in graph.sums:
        branch = f"L1.{total.branch}_out"
        added = slow.nodes[branch].vectors[""]
        parts = {"z_row": 0.0, "neuron": 0.0, "head": 0.0, "bias": 0.0}
        for (_, end), link in slow.links.items():
            ours = link.part == total.branch and (end == branch or link.kind == "head")
            if ours and link.kind in parts:
                parts[link.kind] += float(link.write @ added / (added @ added))
        shown = parts["z_row"] if total.branch == "attn" else parts["neuron"]
        assert total.added_norm == pytest.approx(float(added.norm()))
        assert total.shown == pytest.approx(shown, abs=1e-6)
        assert total.bias == pytest.approx(parts["bias"], abs=1e-6)
        assert total.rest == pytest.approx(1 - shown - parts["bias"], abs=1e-6)
        if total.branch == "attn":
            assert total.heads == pytest.approx(parts["head"], abs=1e-6)
        else:
            assert total.heads is None
