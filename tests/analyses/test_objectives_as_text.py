"""Objectives as text, as the command line, HTTP and the app send them: the same as in Python."""

from __future__ import annotations

import pytest

import unembed as ue
from unembed.analyses.tools.spelling import spelled
from unembed.errors import InputError, TargetError

PROMPT = "the cat sat on"
Made = ue.Objective


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ('logit(" a")', Made.logit(" a")),
        ("logit(7)", Made.logit(7)),
        ('logit([" a", 9])', Made.logit([" a", 9])),
        ('log_prob(" a")', Made.log_prob(" a")),
        (' logit_minus_mean( " a" ) ', Made.logit_minus_mean(" a")),
        ('logit_diff(" a", ["b", "c"])', Made.logit_diff(" a", ["b", "c"])),
        (r'logit("\"")', Made.logit('"')),
        ('activation("L1.N3")', Made.activation("L1.N3")),
        ('label("POSITIVE")', Made.label("POSITIVE")),
        ("label(1)", Made.label(1)),
    ],
)
def test_it_is_read_as_the_call_in_python(text, made):
    found = spelled(text)
    assert (found.kind, found.tokens, found.others) == (made.kind, made.tokens, made.others)
    assert found.words == made.words
    assert (found.node, found.position) == (made.node, made.position)
    assert found.scored == made.scored


@pytest.mark.parametrize(
    "text", [" a", "logit", "log_prob", "logit(", "logits(3)", "(a)", "", "x()"]
)
def test_other_text_is_a_token(text):
    assert spelled(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "logit()",
        "logit( a)",
        "logit(' a')",
        "logit(true)",
        "logit(1.5)",
        "logit([])",
        'logit({"a": 1})',
        'logit_diff(" a")',
        'log_prob(" a", " b")',
        "activation(3)",
        'label(["good", "bad"])',
        f"logit({'[' * 100_000})",
        "logit([[3]])",
    ],
)
def test_half_an_objective_says_how_it_is_written(text):
    with pytest.raises(InputError) as caught:
        spelled(text)
    assert caught.value.field == "target"
    assert "log_prob(" in caught.value.legal
    assert len(str(caught.value)) < 500


def test_a_node_that_is_more_than_a_number_or_none_is_refused():
    for text in ('activation("L1.H2")', 'activation("nonsense")'):
        with pytest.raises(TargetError):
            spelled(text)


@pytest.fixture(scope="module")
def model(model_of):
    return model_of("gpt2")


OBJECTIVES = {
    'log_prob("b")': Made.log_prob("b"),
    'logit_diff("b", "c")': Made.logit_diff("b", "c"),
    'logit_minus_mean(["b", "c"])': Made.logit_minus_mean(["b", "c"]),
}


@pytest.mark.parametrize("text", OBJECTIVES)
def test_lens_predictions_and_flow_give_the_numbers_of_python(model, text):
    made = OBJECTIVES[text]
    lens = [ue.logit_lens(model, PROMPT, target=one) for one in (text, made)]
    assert lens[0].to_json() == lens[1].to_json()
    assert lens[0].objective == made.words
    # at any position: what is read says where
    found = ue.predictions(model, PROMPT, target=text, position=1, sub_updates=2)
    wanted = ue.predictions(model, PROMPT, target=made.at(1), position=1, sub_updates=2)
    assert wanted.objective == f"{found.objective} at position 1"
    assert found.to_dict() | {"objective": ""} == wanted.to_dict() | {"objective": ""}
    run = model.run(PROMPT, ue.flow_capture(model, [1]))
    flow = [ue.flow_graph(run, [1], target=one).to_json() for one in (text, made)]
    assert flow[0] == flow[1]


def test_a_distractor_beside_one_is_refused(model):
    with pytest.raises(InputError, match="leave distractor out"):
        ue.predictions(model, PROMPT, target='log_prob("b")', distractor="c")


def test_an_activation_is_refused_where_a_state_is_read(model):
    with pytest.raises(InputError, match="a state of the residual stream alone"):
        ue.logit_lens(model, PROMPT, target='activation("L1.N3")')
