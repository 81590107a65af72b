"""How large a flow graph may be: known before the walk through the vocabulary."""

from __future__ import annotations

from dataclasses import replace

import pytest

import unembed as ue
from unembed.engine.reading.unembedding import Unembedding
from unembed.errors import TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

PROMPT = [7, 9, 20, 33, 41, 50, 12]


@pytest.fixture(scope="module")
def run():
    model = ue.load(tiny_model("gpt2"), tiny_tokenizer())
    return model.run(PROMPT, ue.flow_capture(model, [1]))


def test_a_graph_as_large_as_the_limit_is_drawn_and_one_larger_is_refused(run, monkeypatch):
    n = len(ue.flow_graph(run, [1], target=9).vectors)
    settings = run.model.settings
    monkeypatch.setattr(run.model, "settings", replace(settings, max_flow_vectors=n))
    ue.flow_graph(run, [1], target=9)
    monkeypatch.setattr(run.model, "settings", replace(settings, max_flow_vectors=n - 1))
    monkeypatch.setattr(Unembedding, "read", None)  # nothing was read
    with pytest.raises(TooLargeError) as error:
        ue.flow_graph(run, [1], target=9)
    assert (error.value.field, error.value.value) == ("layers", n)
    assert f"max_flow_vectors={n}" in error.value.fix


def test_what_passes_a_threshold_is_counted_too(run, monkeypatch):
    small = replace(run.model.settings, max_flow_vectors=150)
    monkeypatch.setattr(run.model, "settings", small)
    ue.flow_graph(run, [1], target=9, threshold=0.5)
    with pytest.raises(TooLargeError, match="threshold"):
        ue.flow_graph(run, [1], target=9, threshold=0.0)


@pytest.mark.parametrize("rest", [False, True])
def test_a_graph_in_which_nothing_is_large_enough_has_its_frame(run, rest):
    graph = ue.flow_graph(run, [1], target=9, threshold=99.0, rest=rest)
    assert {node.kind for node in graph.nodes} >= {"attn_out", "mlp_out", "z", "resid_post"}
    assert not [node for node in graph.nodes if node.kind in ("head", "z_row", "neuron")]
    assert all(link.source != link.target for link in graph.links)
