"""Which heads, rows and neurons are shown: by threshold, by hand, or as in another graph."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import InputError

from .flow_running import TARGET, drawn
from .slow import PROMPT


def norms_of_writes(graph, kind):
    links = {link.source: link for link in graph.links if link.kind in ("z_row", "neuron", "head")}
    return {node.id: links[node.id].norm for node in graph.nodes if node.kind == kind}


def everything(model, **options):
    chosen = FlowOptions(n_heads=0, top_neurons=999, bottom_neurons=0, **options)
    return drawn(model, [1], options=chosen)


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "gptj"])
def test_a_threshold_shows_all_that_reach_it_and_nothing_else(name, model_of):
    model = model_of(name, torch.float64)
    run, every = everything(model)
    added = {part: float(run[f"L1.{part}_out"][-1].norm()) for part in ("attn", "mlp")}
    for threshold in (0.05, 0.2):
        _, graph = drawn(model, [1], options=FlowOptions(threshold=threshold))
        for kind, part in (("head", "attn"), ("z_row", "attn"), ("neuron", "mlp")):
            least = threshold * added[part]
            wanted = {one for one, norm in norms_of_writes(every, kind).items() if norm >= least}
            assert set(norms_of_writes(graph, kind)) == wanted, kind


def test_what_is_included_is_shown_beside_the_others(model_of):
    model = model_of("gpt2")
    few = {"n_heads": 1, "top_neurons": 2, "bottom_neurons": 1}
    _, plain = drawn(model, [1], options=FlowOptions(**few))
    shown = {node.id for node in plain.nodes}
    head = next(f"L1.H{head}" for head in range(4) if f"L1.H{head}" not in shown)
    neuron = next(f"L1.N{neuron}" for neuron in range(52) if f"L1.N{neuron}" not in shown)
    _, graph = drawn(model, [1], options=FlowOptions(**few, include=(head, neuron)))
    added = {node.id for node in graph.nodes} - shown
    assert shown <= {node.id for node in graph.nodes}
    assert {head, f"{head}.query", neuron, f"{neuron}.key"} <= added
    assert {one.split(".")[1] for one in added} == {head.split(".")[1], neuron.split(".")[1]}


def test_what_is_included_and_shown_anyway_is_shown_once(model_of):
    model = model_of("gpt2")
    _, plain = drawn(model, [1])
    names = tuple(node.id for node in plain.nodes if node.kind in ("head", "neuron"))[:3]
    _, graph = drawn(model, [1], options=FlowOptions(include=names))
    assert {node.id for node in graph.nodes} == {node.id for node in plain.nodes}


@pytest.mark.parametrize("name", ["L1.H4", "L1.N52", "L9.H0", "L1.X3", "nothing", "L1.resid_pre"])
def test_what_cannot_be_included_is_refused(name, model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, capture=ue.flow_capture(model, [1]))
    with pytest.raises(InputError) as caught:
        ue.flow_graph(run, [1], options=FlowOptions(include=(name,)))
    assert caught.value.field is not None
    assert caught.value.legal is not None


@pytest.mark.parametrize("name", ["gpt2", "gemma3", "bert", "gptj"])
def test_another_run_can_be_drawn_with_the_same_nodes(name, model_of):
    model = model_of(name)
    _, plain = drawn(model, [1, 2], options=FlowOptions(n_heads=2, top_neurons=3, rest=True))
    edits = [ue.scale("L1.H0", 8.0), ue.set_to("L2.N5", 30.0), ue.zero("L1.H1")]
    run, alone = drawn(model, [1, 2], edits=edits, options=plain.options)
    again = ue.flow_graph(run, [1, 2], target=TARGET, options=plain.options, like=plain)
    assert [node.id for node in again.nodes] == [node.id for node in plain.nodes]
    assert [link.id for link in again.links] == [link.id for link in plain.links]
    assert [node.id for node in alone.nodes] != [node.id for node in plain.nodes]
    assert again.selection == plain.selection
    shared = {node.id: node for node in alone.nodes}
    for node in again.nodes:
        if node.id in shared and node.kind not in ("rest",):
            assert node.readings[0].norm == pytest.approx(shared[node.id].readings[0].norm)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "falcon", "llama"])
@pytest.mark.parametrize(
    "edit", ["L1.attn_in", "L1.mlp_in", "L1.attn_bias", "L1.H0.q", "L1.mlp", "L1.z", "L1.mlp_post"]
)
def test_whatever_is_cut_the_same_nodes_are_drawn(name, edit, model_of):
    model = model_of(name)
    few = FlowOptions(n_heads=2, top_neurons=2, bottom_neurons=1, rest=True)
    plain_run, plain = drawn(model, [1, 2], options=few)
    if edit == "L1.attn_bias" and edit not in {node.id for node in plain.nodes}:
        return
    edits = ue.cut(plain_run, edit) if edit.endswith("bias") else [ue.zero(edit)]
    _, again = drawn(model, [1, 2], edits=edits, options=plain.options, like=plain)
    assert [node.id for node in again.nodes] == [node.id for node in plain.nodes]
    assert [link.id for link in again.links] == [link.id for link in plain.links]
