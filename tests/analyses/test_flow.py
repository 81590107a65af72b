"""How many nodes and links a flow graph has, and the graph as data."""

from __future__ import annotations

import json
import math

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .flow_running import drawn


def wide(name, n_heads, **overrides):
    """A tiny model with as many heads as a published one, and neurons enough for both groups."""
    sizes = {
        "gpt2": {"n_embd": 4 * n_heads, "n_head": n_heads, "n_inner": 66, "n_layer": 5},
        "gpt_neo": {"hidden_size": 4 * n_heads, "num_heads": n_heads, "intermediate_size": 66},
        "gptj": {"n_embd": 4 * n_heads, "n_head": n_heads, "n_inner": 66, "n_layer": 5},
        "llama": {
            "hidden_size": 4 * n_heads,
            "num_attention_heads": n_heads,
            "num_key_value_heads": n_heads,
            "intermediate_size": 66,
        },
    }[name]
    return ue.load(tiny_model(name, **sizes, **overrides), tokenizer=tiny_tokenizer())


V1 = FlowOptions(top_neurons=20, bottom_neurons=10, n_heads=0)
# name, heads, options, nodes and links as published
PUBLISHED = {
    "GPT-2": ("gpt2", 12, FlowOptions(), 147, 217),
    "GPT-Neo": ("gpt_neo", 12, FlowOptions(), 147, 217),
    "GPT-J": ("gptj", 16, FlowOptions(values_per_head=1), 126, 185),
    "Llama 2": ("llama", 32, FlowOptions(values_per_head=1), 124, 182),
    "GPT-2 small, first version": ("gpt2", 12, V1, 174, 258),
    "GPT-2 medium, first version": ("gpt2", 16, V1, 198, 290),
    "GPT-2 XL, first version": ("gpt2", 25, V1, 252, 362),
    "GPT-J, first version": (
        "gptj",
        16,
        FlowOptions(top_neurons=10, bottom_neurons=5, n_heads=0),
        152,
        213,
    ),
}


@pytest.mark.parametrize("case", PUBLISHED)
def test_a_graph_has_as_many_nodes_and_links_as_the_published_ones(case):
    name, n_heads, options, n_nodes, n_links = PUBLISHED[case]
    _, graph = drawn(wide(name, n_heads), [1], options=options)
    assert (len(graph.nodes), len(graph.links)) == (n_nodes, n_links)


def test_three_layers_in_a_row_share_two_nodes():
    _, graph = drawn(wide("gpt2", 12), [1, 2, 3])
    assert (len(graph.nodes), len(graph.links)) == (3 * 147 - 2, 3 * 217)
    assert [node.id for node in graph.nodes if node.kind == "resid_pre"] == ["L1.resid_pre"]


def test_layers_with_a_gap_are_joined_by_a_link_that_says_so():
    _, graph = drawn(wide("gpt2", 12), [0, 1, 3])
    assert (len(graph.nodes), len(graph.links)) == (3 * 147 - 1, 3 * 217 + 1)
    skipped = graph.link("L1.resid_post", "L3.resid_pre")
    assert skipped.kind == "skipped"
    assert graph.node("L3.resid_pre").column == graph.node("L1.resid_post").column + 1
    assert graph.node("L0.resid_post").column == 15


def counted(heads, values, neurons, attn_bias=1, mlp_bias=1):
    """Nodes and links by the formulas."""
    nodes = 9 + heads * (2 + 2 * values) + neurons + attn_bias + 2 * neurons + 2 * mlp_bias
    links = 7 + heads * (2 + 3 * values) + 2 * neurons + 2 * attn_bias + 3 * neurons
    return nodes, links + 3 * mlp_bias


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, counted(4, 2, 25)),
        ({"n_heads": 3}, counted(3, 2, 25)),
        ({"n_heads": 99}, counted(4, 2, 25)),
        ({"values_per_head": 7}, counted(4, 7, 25)),
        ({"values_per_head": 99}, counted(4, 10, 25)),
        ({"top_neurons": 0}, counted(4, 2, 7)),
        ({"top_neurons": 0, "bottom_neurons": 0}, counted(4, 2, 0)),
        ({"attn_bias": False}, counted(4, 2, 25, attn_bias=0)),
        ({"mlp_bias": False}, counted(4, 2, 25, mlp_bias=0)),
    ],
    ids=str,
)
def test_options_change_the_counts_by_the_formulas(options, wanted, model_of):
    _, graph = drawn(model_of("gpt2"), [1], options=FlowOptions(**options))
    assert (len(graph.nodes), len(graph.links)) == wanted


def test_merging_takes_one_node_and_one_link_for_each_pair(model_of):
    nodes, links = counted(4, 2, 25)
    for options, fewer in (
        ({"merge_neurons": True}, 25),
        ({"merge_values": True}, 8),
        ({"merge_values": True, "merge_neurons": True}, 33),
    ):
        _, graph = drawn(model_of("gpt2"), [1], options=FlowOptions(**options))
        assert (len(graph.nodes), len(graph.links)) == (nodes - fewer, links - fewer)


def test_a_position_that_sees_fewer_shows_fewer_values(model_of):
    for position, seen in ((0, 1), (1, 2), (2, 3), (3, 3)):
        options = FlowOptions(values_per_head=3)
        _, graph = drawn(model_of("gpt2"), [1], position=position, options=options)
        assert (len(graph.nodes), len(graph.links)) == counted(4, seen, 25)
    _, graph = drawn(model_of("bert"), [1], position=0, options=FlowOptions(values_per_head=3))
    assert len([node for node in graph.nodes if node.kind == "value"]) == 12


def test_a_window_hides_what_a_value_cannot_come_from(model_of):
    _, graph = drawn(model_of("mistral"), [1], options=FlowOptions(values_per_head=9))
    assert {node.position for node in graph.nodes if node.kind == "value"} == {6, 7, 8, 9}


def test_more_neurons_than_there_are_shows_each_once(model_of):
    options = FlowOptions(top_neurons=40, bottom_neurons=40)
    _, graph = drawn(model_of("gpt2"), [1], options=options)
    ids = [node.id for node in graph.nodes]
    assert len(set(ids)) == len(ids)
    assert len([node for node in graph.nodes if node.kind == "neuron"]) == 52
    assert len([node for node in graph.nodes if node.kind == "z_row"]) == 40


def test_every_link_joins_two_nodes_from_left_to_right(model_of):
    for name in ("gpt2", "gptj", "gpt_neox", "mixtral", "bert"):
        few = FlowOptions(top_neurons=3, bottom_neurons=2, rest=True)
        _, graph = drawn(model_of(name), [0, 2], options=few)
        columns = {node.id: node.column for node in graph.nodes}
        assert all(columns[link.source] < columns[link.target] for link in graph.links), name
        assert len({link.id for link in graph.links}) == len(graph.links)
        assert all(math.isfinite(link.width) and link.width >= 0 for link in graph.links)


def test_a_mixture_of_experts_is_drawn_whole_with_the_reason(model_of, slow_of):
    for name in ("mixtral", "qwen3_moe"):
        _, graph = drawn(model_of(name), [0, 1, 2])
        experts = slow_of(name, torch.float32).oracle.wiring.moe_layers
        for layer in range(3):
            neurons = [one for one in graph.nodes if one.layer == layer and one.kind == "neuron"]
            assert bool(neurons) == (layer not in experts)
            (total,) = [one for one in graph.sums if one.layer == layer and one.branch == "mlp"]
            assert ("expert" in (total.reason or "")) == (layer in experts)
            kinds = {link.kind for link in graph.links if link.target == f"L{layer}.mlp_out"}
            assert ("experts" in kinds) == (layer in experts)


@pytest.mark.parametrize("mode", ["low_memory", "stream"])
def test_weights_on_disk_give_the_same(mode, tmp_path):
    tiny_model("gpt2").save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    _, plain = drawn(ue.load(tmp_path), [1])
    _, lean = drawn(ue.load(tmp_path, **{mode: True}), [1])
    assert [node.id for node in lean.nodes] == [node.id for node in plain.nodes]
    torch.testing.assert_close(lean.vectors, plain.vectors)


def test_nodes_and_links_are_found_by_name(model_of):
    _, graph = drawn(model_of("gpt2"), [1])
    for node in graph.nodes:
        assert graph.node(node.id) is node
        assert node.title
    for link in graph.links:
        assert graph.link(link.source, link.target) is link
    with pytest.raises(TargetError, match=r"L1\.H9"):
        graph.node("L1.H9")
    with pytest.raises(TargetError, match="no link"):
        graph.link("L1.z", "L1.mlp_out")


def test_json_is_finite_and_says_what_the_graph_says(model_of):
    _, graph = drawn(model_of("gemma3"), [1, 2], options=FlowOptions(rest=True))
    data = json.loads(graph.to_json())
    assert [one["id"] for one in data["nodes"]] == [node.id for node in graph.nodes]
    assert len(data["links"]) == len(graph.links)
    table = graph.to_pandas()
    assert table.id.tolist() == [node.id for node in graph.nodes]
    assert graph.links_to_pandas().width.tolist() == [link.width for link in graph.links]


def test_the_same_run_gives_the_same_graph_and_one_layer_the_same_numbers(model_of):
    model = model_of("gemma3")
    _, both = drawn(model, [1, 2])
    _, again = drawn(model, [1, 2])
    assert both.to_json() == again.to_json()
    _, alone = drawn(model, [1])
    for node in alone.nodes:
        own, other = node.readings[0], both.node(node.id).readings[0]
        assert own.norm == other.norm
        assert own.entropy == pytest.approx(other.entropy, rel=1e-5)
        assert [one.token for one in own.tokens] == [one.token for one in other.tokens]
