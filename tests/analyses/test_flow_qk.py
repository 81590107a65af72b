"""Queries and keys as directions: their product with what is read is the score, biases aside."""

from __future__ import annotations

import pytest
import torch

from unembed.analyses.flow.options import FlowOptions

from ..contract.wiring import NAMES
from .flow_heads import Heads
from .flow_running import drawn
from .slow import PROMPT

DTYPES = (torch.float64,)  # float32: see tests/contract
# The tables of cosines are made in float32 whatever the model's dtype, here and there alike.
TURNED = 2e-6
# Their queries and keys are made as another family's here are.
SAME_ATTENTION = (
    *("mixtral", "starcoder2", "gemma2", "gemma3-capped", "qwen3_moe", "qwen3_moe-dense-last"),
    *("roberta", "distilbert", "electra", "albert-two-groups", "gpt2-inverse-layer"),
)
POSITION = 6
OPTIONS = FlowOptions(n_heads=0, values_per_head=4, top_neurons=0, bottom_neurons=0)


def heads_of(slow_of, name, layer=1):
    slow = slow_of(name, torch.float64)
    with torch.no_grad():
        sites = slow.oracle.run(PROMPT)
    return Heads(slow.oracle, layer, sites[f"L{layer}.attn_in"]), sites


@pytest.mark.parametrize("name", NAMES)
def test_the_maps_written_down_for_the_tests_make_the_models_queries_keys_and_values(name, slow_of):
    heads, sites = heads_of(slow_of, name)
    with torch.no_grad():
        made = {"q": heads.queries, "k": heads.keys, "v": heads.values}
        for which, found in made.items():
            wanted = sites[f"L1.{which}"].double()
            copies = wanted.shape[1] // found.shape[1]
            for position in range(len(PROMPT)):
                for head in range(wanted.shape[1]):
                    own = found[position, head // copies]
                    turned = own if which == "v" else heads.turned(own, position)
                    assert float((turned - wanted[position, head]).abs().max()) < TURNED


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in SAME_ATTENTION])
def test_a_keys_direction_times_what_is_read_and_the_biases_part_is_the_score(
    name, dtype, model_of, slow_of
):
    run, graph = drawn(model_of(name, dtype), [1], position=POSITION, options=OPTIONS)
    heads, _ = heads_of(slow_of, name)
    read = run["L1.attn_in"][POSITION].double()
    keys = [node for node in graph.nodes if node.kind == "key"]
    assert keys
    for node in keys:
        head = int(node.id.partition(".H")[2].partition(".")[0])
        reading = node.readings[-1]  # as this query meets it
        assert reading.name == ("after rotation" if heads.turns else "")
        found = graph.vectors[reading.row].double() @ read + of_the_bias(heads, head, node.position)
        q, k = (run[f"L1.{which}"].double() for which in "qk")
        wanted = float(q[POSITION, head] @ k[node.position, head * k.shape[1] // q.shape[1]])
        assert float(found) == pytest.approx(wanted, rel=2e-5, abs=2e-5)


@torch.no_grad()
def of_the_bias(heads, head, source):
    """What the bias of W_Q, and of the norm behind it, add to q·k."""
    bias = heads.through_norm("q", POSITION, head, heads.maps["q"].bias[head])
    offered = heads.keys[source, head // heads.group]
    return (bias + heads.norm_bias("q")) @ heads.turned(offered, source - POSITION)


@pytest.mark.parametrize("name", ["gpt2", "opt", "bert", "gpt_neo"])
def test_without_norms_and_rotation_a_querys_direction_meets_every_key_alike(
    name, model_of, slow_of
):
    run, graph = drawn(model_of(name, torch.float64), [1], position=POSITION, options=OPTIONS)
    heads, _ = heads_of(slow_of, name)
    for node in graph.nodes:
        if node.kind != "query":
            continue
        head = int(node.id.partition(".H")[2].partition(".")[0])
        direction = graph.vectors[node.readings[0].row]
        query = run["L1.q"][POSITION, head].double()
        constant = query @ heads.maps["k"].bias[head]
        found = run["L1.attn_in"].double() @ direction.double() + constant
        torch.testing.assert_close(found, run["L1.k"][:, head].double() @ query, atol=1e-6, rtol=0)


def test_a_layer_that_does_not_rotate_has_no_reading_after_rotation(model_of):
    options = FlowOptions(top_neurons=0, bottom_neurons=0)
    _, graph = drawn(model_of("smollm3"), [0, 1, 2], options=options)
    keys = [node for node in graph.nodes if node.kind == "key"]
    turned = {node.layer for node in keys if len(node.readings) == 2}
    assert turned == {0, 2}


def test_the_positions_own_key_is_the_same_before_and_after_rotation(model_of):
    for name in ("llama", "gptj", "gemma3"):
        _, graph = drawn(model_of(name), [1], options=FlowOptions(values_per_head=10))
        for node in graph.nodes:
            if node.kind == "key" and node.position == graph.position:
                before, after = (graph.vectors[reading.row] for reading in node.readings)
                torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)
