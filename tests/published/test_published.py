"""The figures published for GPT-2 and BERT, on their weights. Run with `make published`."""

from __future__ import annotations

import pytest
import torch

from . import attention_checks, checks, flow_checks, why_checks
from .attention_figures import RECORDED
from .figures import MEDIUM, PROJECTED, READ_AS_STATES, STEERING, STEERING_VALUE, TRACES
from .flow_figures import FLOWS
from .why_figures import (
    ABLATED,
    AGREEING,
    CIRCUITS,
    DIRECT,
    EIGHT,
    INDUCING,
    LIKELY,
    SMALL,
    TRACED,
    YEARS,
)

pytestmark = pytest.mark.published


@pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)
def test_a_trace_is_the_published_one(trace, published_model):
    assert checks.check_trace(published_model(trace.model), trace) == []


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_a_flow_graph_is_the_published_one(flow, published_model):
    assert flow_checks.check_flow(published_model(flow.model), flow) == []


@pytest.mark.parametrize("vector", PROJECTED, ids=lambda vector: vector.name)
def test_a_value_vector_promotes_the_published_tokens(vector, published_model):
    model = published_model(vector.model)
    assert checks.check_vector(vector, checks.projected_tokens(model, vector.node)) == []


def test_a_keyword_search_finds_the_vector_published_with_its_words(published_model, tmp_path):
    model = published_model(MEDIUM)
    assert checks.found_by_words(model, ["stupid", "idiots"], "L18.N2669", tmp_path)


@pytest.mark.parametrize("vector", READ_AS_STATES, ids=lambda vector: vector.name)
def test_a_value_vector_reads_like_the_published_tokens(vector, published_model):
    model = published_model(vector.model)
    assert checks.check_vector(vector, checks.read_tokens(model, vector.node)) == []


@pytest.mark.parametrize(
    "vector",
    [vector for vector in READ_AS_STATES if vector.activation is not None],
    ids=lambda vector: vector.name,
)
def test_a_neuron_is_as_active_as_published(vector, published_model):
    assert checks.check_activation(published_model(vector.model), vector) == []


def test_ten_vectors_steer(published_model):
    """What they are set to, that the text changes, and that nothing is left behind."""
    model = published_model(MEDIUM)
    prompt, edits = "The man behind the counter said", checks.steering(STEERING, STEERING_VALUE)
    plain = model.generate(prompt, 20).text
    layers = sorted({node.partition(".")[0] for node in STEERING})
    run = model.run(prompt, [f"{layer}.mlp_post" for layer in layers], edits)
    wanted = torch.nn.functional.gelu(torch.tensor(STEERING_VALUE), approximate="tanh")
    for node in STEERING:
        torch.testing.assert_close(run[node], wanted.expand_as(run[node]))
    steered = model.generate(prompt, 20, edits).text
    assert steered != plain
    assert model.generate(prompt, 20).text == plain


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
def test_attention_is_what_exbert_recorded(recorded, published_model):
    assert attention_checks.check_recorded(published_model(recorded.model), recorded) == []


def test_a_head_of_roberta_looks_from_an_object_to_its_preposition(published_model):
    """exBERT's suggestion: layer 8, head 7, from "ages" to "for"."""
    found = attention_checks.looks_from(
        published_model("ROBERTA"), 8, 7, "A simple sentence for the ages.", "ages"
    )
    assert found == "for"


def test_differences_of_indirect_objects_are_the_published_ones(published_model):
    model = published_model(SMALL)
    assert why_checks.check_differences(model, EIGHT) == []
    assert why_checks.check_likely(model, LIKELY) == []


@pytest.mark.parametrize("direct", DIRECT, ids=lambda direct: direct.name)
def test_heads_add_directly_what_is_published(direct, published_model):
    assert why_checks.check_direct(published_model(SMALL), direct) == []


def test_a_name_mover_left_out_costs_what_is_published(published_model):
    assert why_checks.check_ablated(published_model(SMALL), ABLATED) == []


@pytest.mark.parametrize("traced", TRACED, ids=lambda traced: traced.name)
def test_a_trace_finds_the_published_heads(traced, published_model):
    assert why_checks.check_traced(published_model(SMALL), traced) == []


def test_induction_heads_are_the_published_ones(published_model):
    assert why_checks.check_inducing(published_model(SMALL), INDUCING) == []


def test_later_years_come_from_the_published_layers(published_model):
    assert why_checks.check_years(published_model(SMALL), YEARS) == []


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: circuit.name)
def test_circuits_score_as_in_mib(circuit, published_model):
    assert why_checks.check_circuit(published_model(SMALL), circuit) == []


@pytest.mark.parametrize("agreeing", AGREEING, ids=lambda agreeing: agreeing.site)
def test_estimates_agree_as_in_the_table_of_relp(agreeing, published_model):
    assert why_checks.check_agreement(published_model(SMALL), agreeing) == []
