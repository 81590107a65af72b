"""What VISIT gets wrong, each held to the right number from the module's own weights."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions

from .flow_running import drawn

ALL = FlowOptions(n_heads=0, values_per_head=10)


def vector(graph, name, reading=0):
    return graph.vectors[graph.node(name).readings[reading].row]


def padded(states, head, d_head, width):
    """One head's vector at its place among zeros, as the published formula has it."""
    row = torch.zeros(width, dtype=states.dtype)
    row[head * d_head : (head + 1) * d_head] = states
    return row


def test_a_query_is_projected_by_w_k_and_a_key_by_w_q_in_gpt2(model_of):
    run, graph = drawn(model_of("gpt2", torch.float64), [1], options=ALL)
    weight = run.model.module.transformer.h[1].attn.c_attn.weight.detach()
    w_q, w_k, _ = weight.split(40, dim=1)  # y = x W
    for head in range(4):
        query = padded(run["L1.q"][-1, head], head, 10, 40)
        torch.testing.assert_close(vector(graph, f"L1.H{head}.query"), w_k @ query)
        wrong = query @ w_k
        assert float((vector(graph, f"L1.H{head}.query") - wrong).norm()) > 0.1
        key = padded(run["L1.k"][3, head], head, 10, 40)
        torch.testing.assert_close(vector(graph, f"L1.H{head}.key@3"), w_q @ key)


def test_and_in_a_model_of_linear_maps(model_of):
    run, graph = drawn(model_of("bert", torch.float64), [1], options=ALL)
    attention = run.model.module.bert.encoder.layer[1].attention.self
    w_q, w_k = attention.query.weight.detach(), attention.key.weight.detach()  # y = x Wᵀ
    for head in range(4):
        query = padded(run["L1.q"][-1, head], head, 10, 40)
        torch.testing.assert_close(vector(graph, f"L1.H{head}.query"), query @ w_k)
        key = padded(run["L1.k"][3, head], head, 10, 40)
        torch.testing.assert_close(vector(graph, f"L1.H{head}.key@3"), key @ w_q)


@pytest.mark.parametrize("name", ["gpt_neo", "gptj"])
def test_what_heads_write_goes_through_w_o_the_right_way_round(name, model_of):
    run, graph = drawn(model_of(name, torch.float64), [1], options=ALL)
    block = run.model.module.transformer.h[1]
    weight = (block.attn.out_proj if name == "gptj" else block.attn.attention.out_proj).weight
    n_heads, d_head = run["L1.z"].shape[1:]
    for head in range(n_heads):
        wide = padded(run["L1.z"][-1, head], head, d_head, weight.shape[1])
        torch.testing.assert_close(vector(graph, f"L1.H{head}"), (weight @ wide).detach())
        wide = padded(run["L1.v"][8, head], head, d_head, weight.shape[1])
        torch.testing.assert_close(vector(graph, f"L1.H{head}.value@8"), (weight @ wide).detach())


def test_bands_of_chained_layers_are_as_wide_as_what_goes_through_them(model_of):
    run, graph = drawn(model_of("gpt2"), [0, 1, 2])
    for layer in (1, 2):
        entering = float(run[f"L{layer}.resid_pre"][-1].norm())
        start = f"L{layer - 1}.resid_post"
        for end in ("attn_in", "resid_mid"):
            width = graph.link(start, f"L{layer}.{end}").width
            assert width == pytest.approx(entering, rel=1e-5)


def test_a_keys_link_says_the_keys_norm_and_not_the_querys(model_of):
    run, graph = drawn(model_of("gpt2"), [1], options=ALL)
    for head in range(4):
        query = float(run["L1.q"][-1, head].norm())
        key = float(run["L1.k"][3, head].norm())
        stem = f"L1.H{head}"
        asked = graph.link(f"{stem}.query", f"{stem}.key@3")
        handed = graph.link(f"{stem}.key@3", f"{stem}.value@3")
        assert asked.norm == pytest.approx(query, rel=1e-5)
        assert handed.norm == pytest.approx(key, rel=1e-5)
        assert asked.width == handed.width


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_a_negative_neuron_is_rated_by_what_it_writes_and_lists_what_it_suppresses(
    name, model_of, slow_of
):
    run, graph = drawn(model_of(name, torch.float64), [1])
    slow = slow_of(name, torch.float64)
    negative = [node for node in graph.nodes if node.kind == "neuron" and node.activation < 0]
    assert negative
    for node in negative:
        neuron = int(node.id.partition(".N")[2])
        row = run.model.output_weight(1, "mlp")[neuron].detach()
        with torch.no_grad():
            written, suppressed = slow.decode(torch.stack([-row, row])).double()
        assert node.sign == -1
        own, other = node.readings[:2]
        assert other.name == "suppressed"
        assert [one.token.id for one in own.tokens] == written.topk(5).indices.tolist()
        assert [one.token.id for one in other.tokens] == suppressed.topk(5).indices.tolist()
        target = graph.target.tokens[0].id
        assert own.target.rank == 1 + int((written > written[target]).sum())
        assert node.label == "−" + other.tokens[0].token.label


def test_colours_of_activations_are_by_sign_and_not_by_group(model_of):
    options = FlowOptions(top_neurons=45, bottom_neurons=0)
    _, graph = drawn(model_of("gpt2"), [1], options=options)
    links = [link for link in graph.links if link.colour == "sign"]
    assert {link.kind for link in links} == {"activation", "z_row_key"}
    top_but_negative = 0
    for link in links:
        node = graph.node(link.target)
        assert link.colour_value == node.activation
        assert node.sign == (1 if node.activation >= 0 else -1)
        top_but_negative += node.activation < 0
    assert top_but_negative, "the top group must reach below zero, or this shows nothing"


@pytest.mark.parametrize("text", ["the cat sat on ", " the cat  ", "the\ncat\n"])
def test_positions_are_those_of_the_tokens_that_ran_blanks_at_the_end_too(text, model_of):
    model = model_of("gpt2")
    run = model.run(text, capture=ue.flow_capture(model, [1]))
    graph = ue.flow_graph(run, [1], options=ALL)
    assert [token.id for token in graph.tokens] == list(model.tokenize(text))
    for node in graph.nodes:
        if node.kind in ("key", "value"):
            assert node.token.id == run.ids[node.position]


def test_grouped_heads_read_the_key_and_value_of_their_group(model_of):
    run, graph = drawn(model_of("llama", torch.float64), [1], options=ALL)
    weight = run.model.module.model.layers[1].self_attn.o_proj.weight.detach()
    for head in range(4):
        value = run["L1.v"][3, head // 2]
        wanted = weight[:, head * 10 : (head + 1) * 10] @ value
        torch.testing.assert_close(vector(graph, f"L1.H{head}.value@3"), wanted)


def test_the_gate_of_a_gated_feed_forward_is_not_forgotten(model_of):
    run, graph = drawn(model_of("llama", torch.float64), [1])
    mlp = run.model.module.model.layers[1].mlp
    for node in graph.nodes:
        if node.kind == "neuron":
            neuron = int(node.id.partition(".N")[2])
            gate = mlp.act_fn(run["L1.mlp_gate"][-1, neuron]).item()
            assert node.gate == pytest.approx(gate)
            assert node.gate * node.up == pytest.approx(node.activation)
            column = vector(graph, f"{node.id}.key", 1)
            torch.testing.assert_close(column, mlp.gate_proj.weight[neuron].detach())
