"""What a graph will take is what it takes: nodes, memory as allocated, ways back by counting."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import unembed as ue
from unembed.analyses.attribution_graph import estimate as estimating
from unembed.analyses.attribution_graph.edges import Edges
from unembed.errors import CapabilityError, InputError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .transcoded import BARE, PROMPT, transcoder, with_transcoders

LONG = (1, *((7 * n) % 90 + 3 for n in range(29)))


@pytest.fixture(scope="module")
def llama():
    return with_transcoders("llama")


@pytest.fixture(scope="module")
def many():
    """In float32, with many active latents."""
    model = ue.load(tiny_model("llama", dtype=torch.float32), tokenizer=tiny_tokenizer())
    for layer in range(model.anatomy.n_layers):
        if layer != BARE:
            made = transcoder(model, layer, n=100)
            model.attach(ue.Sae(replace(made.description, k=30), made.weights), verify=False)
    return model


@pytest.mark.parametrize(
    "options",
    [{}, {"latents": 7}, {"target": 5, "distractor": 9}, {"answers": 3, "position": 2}],
    ids=["all", "few", "a difference", "in the middle"],
)
def test_nodes_are_those_that_the_graph_then_has(llama, options):
    found = ue.estimate_graph(llama, PROMPT, **options)
    graph = ue.attribution_graph(llama, PROMPT, **options)
    assert found.n_nodes == len(graph.names)
    assert (found.n_active, found.n_chosen) == (graph.n_active, graph.n_chosen)
    assert found.seconds > 0
    assert found.lack is None


def peak(work):
    """Bytes allocated at most while something runs, as the allocator tells."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    told = [one for one in seen.profiler.kineto_results.events() if one.name() == "[memory]"]
    now = most = 0
    for one in sorted(told, key=lambda one: one.start_ns()):
        now += one.nbytes()
        most = max(most, now)
    return most


@pytest.mark.filterwarnings("ignore:Memory block of unknown size")
@pytest.mark.parametrize("latents", [2000, 60], ids=["squares", "rows"])
def test_memory_is_what_is_allocated_at_most(many, latents):
    """Where squares of nodes take most, and where edges from latents not chosen do."""
    found = ue.estimate_graph(many, LONG, latents=latents)
    taken = peak(lambda: ue.attribution_graph(many, LONG, latents=latents))
    assert found.memory == pytest.approx(taken, rel=0.1)


def test_seconds_are_those_of_the_ways_back_that_a_graph_goes(many, monkeypatch):
    """By a made-up clock, on which a way back is 1 and nothing else takes time."""
    clock = {"now": 0.0}
    together = Edges._together

    def counted(self, starts, seen=None):
        clock["now"] += len(starts)
        return together(self, starts, seen)

    monkeypatch.setattr(Edges, "_together", counted)
    monkeypatch.setattr(estimating.time, "perf_counter", lambda: clock["now"])
    found = ue.estimate_graph(many, LONG, latents=500)
    before = clock["now"]
    assert before < 100  # a few of them
    graph = ue.attribution_graph(many, LONG, latents=500)
    assert found.seconds == pytest.approx(clock["now"] - before)
    assert found.seconds == graph.n_chosen + sum(n.kind == "logit" for n in graph.nodes)


def test_what_does_not_fit_is_said_with_what_does(many, monkeypatch):
    whole = ue.estimate_graph(many, LONG)
    some = ue.estimate_graph(many, LONG, latents=300)
    monkeypatch.setattr(estimating, "available", lambda: some.memory)
    lack = ue.estimate_graph(many, LONG).lack
    assert "MiB are left on this machine: at most 3" in lack
    fits = int(lack.partition("at most ")[2].partition(" latents")[0])
    assert 300 <= fits < whole.n_chosen
    assert ue.estimate_graph(many, LONG, latents=fits).lack is None
    assert ue.estimate_graph(many, LONG, latents=fits + 5).lack is not None
    monkeypatch.setattr(estimating, "available", lambda: 1000)
    assert ue.estimate_graph(many, LONG).lack.endswith("on this machine: a shorter prompt")
    monkeypatch.setattr(estimating, "available", lambda: None)  # a system that says nothing
    assert ue.estimate_graph(many, LONG).lack is None


def test_what_has_no_graph_has_no_estimate(llama):
    with pytest.raises(TooLargeError, match="max_graph_latents"):
        ue.estimate_graph(llama, PROMPT, latents=10**6)
    with pytest.raises(InputError, match="not linear"):
        ue.estimate_graph(llama, PROMPT, ue.Objective.log_prob(3))
    bare = ue.load(tiny_model("llama"), tokenizer=tiny_tokenizer())
    with pytest.raises(CapabilityError, match="no transcoder"):
        ue.estimate_graph(bare, PROMPT)
