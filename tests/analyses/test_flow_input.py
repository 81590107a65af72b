"""What cannot be drawn is refused with what would be legal; drawing can be cancelled."""

from __future__ import annotations

import math

import pytest

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import CancelledError, InputError, TargetError, UnembedError

from .slow import PROMPT


def refused(field, call):
    with pytest.raises(UnembedError) as caught:
        call()
    error = caught.value
    assert error.field == field, error
    assert error.value is not None
    assert error.legal or error.fix
    return error


def test_bad_input_names_the_field_the_value_and_what_is_legal(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, capture=ue.flow_capture(model, [1]))
    refused("layers", lambda: ue.flow_graph(run, [3]))
    refused("layers", lambda: ue.flow_graph(run, [-1]))
    refused("layers", lambda: ue.flow_graph(run, []))
    refused("layers", lambda: ue.flow_capture(model, [3]))
    refused("layers", lambda: ue.flow_capture(model, []))
    refused("position", lambda: ue.flow_graph(run, [1], position=10))
    refused("position", lambda: ue.flow_graph(run, [1], position=-11))
    refused("target", lambda: ue.flow_graph(run, [1], target=128))
    refused("target", lambda: ue.flow_graph(run, [1], target=""))
    refused("target", lambda: ue.flow_graph(run, [1], target=-1))
    refused("site", lambda: ue.flow_graph(run, [1], position=3))  # attention not captured there
    other = ue.flow_graph(run, [1])
    both = model.run(PROMPT, capture=ue.flow_capture(model, [0, 1]))
    refused("like", lambda: ue.flow_graph(both, [0, 1], like=other))


def test_layers_are_drawn_in_order_each_once(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, capture=ue.flow_capture(model, [0, 1, 2]))
    assert ue.flow_graph(run, [2, 0, 2]).layers == (0, 2)


def test_a_run_that_captured_too_little_says_what_to_capture(model_of):
    model = model_of("gpt2")
    for capture in ([], ["z"], ue.flow_capture(model, [0])):
        run = model.run(PROMPT, capture=capture)
        with pytest.raises(TargetError, match="captured") as caught:
            ue.flow_graph(run, [1])
        assert caught.value.fix or caught.value.legal


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("top_neurons", -1),
        ("bottom_neurons", 1.5),
        ("n_heads", True),
        ("values_per_head", 0),
        ("k", 0),
        ("threshold", -0.1),
        ("threshold", math.nan),
        ("head_factor", -1),
        ("default_width", "7"),
        ("target_mode", "last"),
        ("include", "L1.H2"),
    ],
)
def test_an_option_outside_its_range_is_refused(field, value):
    error = refused(field, lambda: FlowOptions(**{field: value}))
    assert isinstance(error, InputError)


def test_it_can_be_cancelled_and_says_how_far_it_is(model_of):
    model, cancel, seen = model_of("gpt2"), ue.Cancel(), []
    run = model.run(PROMPT, capture=ue.flow_capture(model, [0, 1]))
    ue.flow_graph(run, [0, 1], progress=lambda *step: seen.append(step))
    assert seen
    cancel.cancel()
    with pytest.raises(CancelledError):
        ue.flow_graph(run, [0, 1], cancel=cancel)
