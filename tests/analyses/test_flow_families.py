"""Every number of a flow graph is what one vector at a time gives, in every family."""

from __future__ import annotations

import pytest
import torch

from unembed.analyses.flow.options import FlowOptions

from ..contract.wiring import REPRESENTATIVES
from .flow_compare import Comparison, near
from .flow_oracle import SlowFlow
from .flow_running import TARGET, drawn

TWO_LAYERS = "two layers, last position"
CASES = {
    TWO_LAYERS: ([1, 2], -1, FlowOptions()),
    "a gap, another position, few parts": (
        [0, 2],
        4,
        FlowOptions(top_neurons=4, bottom_neurons=3, n_heads=2, values_per_head=3, k=2),
    ),
    "merged": ([1], 6, FlowOptions(merge_neurons=True, merge_values=True, values_per_head=1)),
}


# One of each make: both kinds of attention, norms on either side, experts, shared layers.
MAKES = ("gpt2", "gptj", "falcon-new", "gemma3", "granite", "mixtral", "bert", "albert")


@pytest.mark.parametrize(
    ("name", "case", "dtype"),
    [
        *((name, TWO_LAYERS, torch.float64) for name in REPRESENTATIVES),
        *((name, TWO_LAYERS, torch.float32) for name in MAKES),
        *((name, case, torch.float64) for name in MAKES for case in CASES if case != TWO_LAYERS),
    ],
    ids=str,
)
def test_every_number_is_that_of_one_vector_at_a_time(name, case, dtype, model_of, slow_of):
    layers, position, options = CASES[case]
    _, graph = drawn(model_of(name, dtype), layers, position=position, options=options)
    with torch.no_grad():
        neurons = [node.id for node in graph.nodes if node.kind == "neuron"]
        slow = SlowFlow(
            slow_of(name, torch.float64), layers, position, options, among_equals=neurons
        )
        wrong = Comparison(graph, slow, TARGET, near(name, dtype)).wrong()
    assert wrong == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("name", ["gpt2", "gemma3", "falcon", "mixtral", "bert"])
def test_half_precision_draws_the_same_frame_with_about_the_same_widths(name, dtype, model_of):
    _, exact = drawn(model_of(name, torch.float32), [1])
    _, rough = drawn(model_of(name, dtype), [1])
    for link in exact.links:
        if link.kind in ("norm", "branch", "residual_attn", "residual_mlp"):
            assert rough.link(link.source, link.target).width == pytest.approx(link.width, rel=0.1)
    for node in rough.nodes:
        for reading in node.readings:
            assert 0 <= reading.entropy <= 4.86
            assert 1 <= reading.target.rank <= rough.vocab_size
