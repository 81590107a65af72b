"""What nodes are rated by: the model's own token, a chosen one, or several in a row."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import CapabilityError

from .flow_running import drawn
from .slow import PROMPT


def test_without_a_target_the_models_own_token_is_rated(model_of):
    model = model_of("gpt2")
    run, graph = drawn(model, [1], target=None)
    best = int(run.logits[-1].argmax())
    assert not graph.target.chosen
    assert [token.id for token in graph.target.tokens] == [best]
    assert graph.output.target.rank == 1
    assert graph.output.tokens[0].token.id == best
    probabilities = run.logits[-1].double().softmax(-1)
    assert graph.output.target.probability == pytest.approx(float(probabilities.max()), rel=1e-4)


def test_the_models_own_token_at_another_position_is_that_of_the_position(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, capture=ue.flow_capture(model, [1], 3), logits="all")
    graph = ue.flow_graph(run, [1], position=3)
    assert graph.target.tokens[0].id == int(run.logits[3].argmax())
    assert graph.position == 3


def test_a_target_of_several_tokens_is_rated_by_its_first_and_says_so(model_of):
    model = model_of("gpt2")
    _, graph = drawn(model, [1], target=" xyz")
    first = model.tokenize(" xyz")[-len(graph.target.tokens) :]
    assert len(graph.target.tokens) > 1
    assert any(f"{len(graph.target.tokens)} tokens" in note for note in graph.notes)
    _, alone = drawn(model, [1], target=first[0])
    for node, other in zip(graph.nodes, alone.nodes, strict=True):
        assert node.readings[0].target == other.readings[0].target
    assert not alone.notes


STREAMS = ("resid_pre", "attn_in", "attn_out", "resid_mid", "mlp_in", "mlp_out", "resid_post")


@pytest.mark.parametrize("position", [-1, 3])
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj", "mixtral"])
def test_a_whole_target_is_read_token_by_token_at_its_own_positions(
    name, position, model_of, slow_of
):
    model, slow = model_of(name), slow_of(name, torch.float64)
    options = FlowOptions(target_mode="whole", rest=True)
    _, graph = drawn(model, [1], target=" xyz", position=position, options=options)
    tokens = [token.id for token in graph.target.tokens]
    assert len(tokens) == 4
    assert graph.target.mode == "whole"
    ids = PROMPT[: graph.position + 1]
    with torch.no_grad():
        sites = slow.oracle.run((*ids, *tokens))
        for node in graph.nodes:
            if node.kind in STREAMS:
                rows = sites[f"L1.{node.kind}"][len(ids) - 1 : -1]
                assert_product(slow.decode(rows).double(), tokens, node.readings[0].target)
            elif node.kind == "neuron" and node.sign == 1:  # the same vector at every position
                row = graph.vectors[node.readings[0].row].double()
                logits = slow.decode(row[None]).double().expand(len(tokens), -1)
                if name != "gemma3":  # its post-norm has another scale at each position
                    assert_product(logits, tokens, node.readings[0].target)
        assert_product(sites["logits"][len(ids) - 1 : -1].double(), tokens, graph.output.target)


def test_a_whole_target_of_one_token_is_that_token(model_of):
    model = model_of("gpt2")
    _, whole = drawn(model, [1], target=" the", options=FlowOptions(target_mode="whole"))
    _, first = drawn(model, [1], target=" the")
    for node, other in zip(whole.nodes, first.nodes, strict=True):
        assert node.readings[0].target == other.readings[0].target


def assert_product(logits, tokens, score):
    product, worst = 1.0, 1
    for row, token in zip(logits, tokens, strict=True):
        product *= float(row.softmax(-1)[token])
        worst = max(worst, 1 + int((row > row[token]).sum()))
    assert score.probability == pytest.approx(product, rel=1e-3)
    assert score.rank == worst


def test_a_masked_model_rates_the_token_at_its_own_position(model_of, slow_of):
    _, graph = drawn(model_of("bert"), [1], position=4)
    with torch.no_grad():
        logits = slow_of("bert", torch.float64).oracle.run(PROMPT)["logits"][4].double()
    assert graph.output.target.rank == 1 + int((logits > logits[77]).sum())
    assert graph.output.target.probability == pytest.approx(float(logits.softmax(-1)[77]), rel=1e-3)


def test_a_whole_target_of_a_masked_model_is_refused(model_of):
    """What follows a token is no prediction of a masked model: nothing may be multiplied."""
    model, options = model_of("bert"), FlowOptions(target_mode="whole")
    with pytest.raises(CapabilityError, match="fills in one token") as caught:
        drawn(model, [1], target=" xyz", options=options)
    assert caught.value.field == "target_mode"
    assert caught.value.fix
