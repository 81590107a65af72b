"""Circuits of edges by position against a forward pass written out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import unembed as ue
from unembed.analyses.circuits.graph import Graph, Layer
from unembed.analyses.circuits.running import Circuits, graph_of
from unembed.errors import InputError, TooLargeError
from unembed.models.tiny import tiny_model

from .circuit_by_hand import OTHER, WHY, ByHand, value_of
from .slow import PROMPT

LAST = len(PROMPT) - 1


def by_position(model, **options):
    asked = {"curve": False, "by_position": True} | options
    return ue.find_circuit(model, PROMPT, OTHER, WHY, **asked)


def mask_of(found):
    """Edges of a circuit as a mask, by their names written out."""
    sources, readers = list(found.graph.sources), list(found.graph.readers)
    kept = torch.zeros(len(sources), len(readers), len(PROMPT), dtype=torch.bool)
    for edge in found.edges:
        (source, at), (target, there) = edge.source.split("@"), edge.target.split("@")
        assert at == there
        kept[sources.index(source), readers.index(target), int(at)] = True
    return kept


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_with_some_edges_by_position_a_run_is_that_written_out_by_hand(name, model_of):
    model, hand = model_of(name, torch.float64), ByHand(name)
    graph = replace(graph_of(model), positions=len(PROMPT), answer=LAST)
    with torch.no_grad():
        _, replaced = hand.run(OTHER)
        circuits = Circuits(model, model.read_prompt(PROMPT), graph, torch.stack(replaced))
        generator = torch.Generator().manual_seed(0)
        sets = [torch.rand(graph.shape, generator=generator) < share for share in (0.3, 0.9)]
        wanted = [float(value_of(hand.run(PROMPT, kept, replaced)[0])) for kept in sets]
        assert circuits.values(sets, WHY) == pytest.approx(wanted, abs=1e-10)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_edges_by_position_are_rated_by_the_gradient_at_what_reads_them_there(name, model_of):
    model, hand = model_of(name, torch.float64), ByHand(name)
    found = by_position(model, edges=9)
    graph = graph_of(model)
    shape = len(graph.readers), len(PROMPT), model.anatomy.d_model
    pushes = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    logits, made = hand.run(PROMPT, pushes=pushes)
    (slopes,) = torch.autograd.grad(value_of(logits), pushes)
    with torch.no_grad():
        change = torch.stack(made) - torch.stack(hand.run(OTHER)[1])
    wanted = {}
    for reader, count in enumerate(graph.before):
        for source in range(count):
            for pos in range(len(PROMPT)):
                if graph.readers[reader] != "logits" or pos == LAST:
                    effect = float(change[source, pos] @ slopes[reader, pos])
                    wanted[f"{graph.sources[source]}@{pos}", f"{graph.readers[reader]}@{pos}"] = (
                        effect
                    )
    assert found.n_edges == len(wanted)
    largest = sorted(wanted.values(), key=abs, reverse=True)
    assert [edge.effect for edge in found.edges] == pytest.approx(largest[:9], rel=1e-5)
    for edge in found.edges:
        assert edge.effect == pytest.approx(wanted[edge.source, edge.target], rel=1e-5)
        assert found.effect(edge.source, edge.target) == edge.effect
    some = by_position(model, threshold=abs(largest[13]) * 0.9999)
    assert len(some.edges) == 14
    whole = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False)
    torch.testing.assert_close(found.effects.sum(-1), whole.effects)
    assert found.effect("embed", "L0.mlp") == pytest.approx(whole.effect("embed", "L0.mlp"))


@pytest.mark.parametrize("name", ["gemma3", "gpt_neox", "mixtral", "bloom", "modernbert"])
def test_all_edges_by_position_are_the_model_and_none_the_other_prompt(name, model_of):
    model = model_of(name, torch.float64)
    capture = WHY.required_capture(model)
    whole, none = (float(WHY.value(model.run(ids, capture))) for ids in (PROMPT, OTHER))
    found = by_position(model, curve=True, shares=(1,), edges=5)
    assert found.none == pytest.approx(none, abs=1e-6)
    (point,) = found.curve
    assert (point.edges, point.value) == (found.n_edges, pytest.approx(whole, abs=1e-6))


def test_edges_by_position_are_measured_in_the_model_and_in_the_circuit(model_of):
    model, hand = model_of("gpt2", torch.float64), ByHand("gpt2")
    found = by_position(model, edges=12, measure=1)
    last = found.edges[-1]
    named = f"{last.source}>{last.target}".replace(f"@{LAST}", "@-1")
    found = by_position(model, edges=12, measure=1, measure_named=[named])
    circuit = mask_of(found)
    everything = torch.ones_like(circuit)
    with torch.no_grad():
        _, replaced = hand.run(OTHER)

        def value(kept):
            return float(value_of(hand.run(PROMPT, kept, replaced)[0]))

        assert found.value == pytest.approx(value(circuit), abs=1e-9)
        for edge in (found.edges[0], found.edges[-1]):
            alone = mask_of(replace(found, edges=(edge,)))
            for kept, lost in ((everything, edge.measured), (circuit, edge.within)):
                assert lost == pytest.approx(value(kept) - value(kept & ~alone), abs=1e-9)
    assert sum(edge.measured is not None for edge in found.edges) == 2
    kept = (found.value - found.none) / (found.whole - found.none)
    assert found.faithfulness == pytest.approx(kept)


def test_names_by_hand_may_say_where_or_mean_every_position(model_of):
    """Against a plain loop over names."""
    model = model_of("gpt2", torch.float64)
    first = by_position(model, edges=10)
    asked = {
        "include": ["L1.H2@4", "embed>L2.H0.q"],
        "exclude": ["L0.mlp@-1", "L0.H1", "L1.H2@4>L2.H3.v@4"],
    }
    found = by_position(model, edges=10, **asked)
    every = [f"embed@{pos}>L2.H0.q@{pos}" for pos in range(len(PROMPT))]
    wanted = {f"{edge.source}>{edge.target}" for edge in first.edges} | set(every)

    def ends(name):
        source, _, target = name.partition(">")
        reader, _, pos = target.partition("@")
        return source, ".".join(reader.split(".")[:2]) + f"@{pos}"

    inside = {"embed@4", "logits@4", "L1.H2@4"} | {end for name in wanted for end in ends(name)}
    graph = found.graph
    at_4 = [
        f"{source}@4>{reader}@4"
        for reader, count in zip(graph.readers[:-1], graph.before, strict=False)
        for source in graph.sources[:count]
    ]
    wanted |= {name for name in at_4 if "L1.H2@4" in ends(name) and inside.issuperset(ends(name))}
    out = {f"L0.mlp@{LAST}", *(f"L0.H1@{pos}" for pos in range(len(PROMPT)))}
    wanted = {name for name in wanted if not out & set(ends(name))} - {"L1.H2@4>L2.H3.v@4"}
    assert {f"{edge.source}>{edge.target}" for edge in found.edges} == wanted
    assert set(found.nodes) == {end for name in wanted for end in ends(name)}


def test_files_have_the_positions_but_for_mibs_which_says_so(model_of, tmp_path):
    model = model_of("gpt2", torch.float64)
    found = by_position(model, edges=8)
    (tmp_path / "ours.json").write_text(found.to_json())
    given = ue.load_circuit(tmp_path / "ours.json")
    again = by_position(model, edges=0, include=given.edges)
    assert again.value == pytest.approx(found.value, abs=1e-9)
    mib = json.loads(found.to_mib())
    assert "no positions" in mib["note"]
    whole = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False)
    assert len(mib["edges"]) == whole.n_edges
    score = mib["edges"]["a0.h1->a2.h3<v>"]["score"]
    assert score == pytest.approx(whole.effect("L0.H1", "L2.H3.v"))
    without = {f"{e.source.split('@')[0]}>{e.target.split('@')[0]}" for e in found.edges}
    (tmp_path / "mib.json").write_text(found.to_mib())
    assert set(ue.load_circuit(tmp_path / "mib.json").edges) == without
    assert "note" not in json.loads(whole.to_mib())
    with pytest.raises(InputError, match="of scores has no position"):
        by_position(model, scores=ue.load_circuit(tmp_path / "mib.json"))


def test_a_graph_by_position_made_by_hand():
    graph = Graph((Layer(1, True, False),), positions=3, answer=1)
    assert graph.n_edges == (1 + 1 + 1 + 2) * 3 + 3
    assert graph.numbers("embed@2", "L0.H0.k@-1") == (0, 1, 2)
    assert graph.numbers("embed@2", "L0.H0.k@1") is None
    assert graph.numbers("embed@3", "L0.H0.k@3") is None
    assert graph.numbers("embed@2", "logits@2") is None
    assert graph.numbers("L0.mlp@1", "logits@1") == (2, 4, 1)
    assert graph.node_numbers("logits@1") == (3, 1)


def test_names_of_no_edge_by_position_are_refused(model_of):
    model = model_of("gpt2")
    for field, name, said in [
        ("include", "L1.H2@99", "0 to 9"),
        ("include", "L0.H0@3>L1.H0.q@4", "the same for both ends"),
        ("exclude", "L0.H0@3>logits@3", "read at 9"),
        ("measure_named", "L0.H0>logits", "both ends at a position"),
    ]:
        with pytest.raises(InputError) as caught:
            by_position(model, edges=3, **{field: [name]})
        assert (caught.value.field, caught.value.value) == (field, name)
        assert said in str(caught.value.legal)
    with pytest.raises(InputError, match="no node 'L1") as caught:
        by_position(model, by_position=False, include=["L1.H2@3"])
    assert "by_position=True" in caught.value.fix
    small = ue.load(tiny_model("gpt2"), settings=ue.Settings(max_capture_bytes=300_000))
    with pytest.raises(TooLargeError, match="edges by position") as caught:
        by_position(small)
    assert (caught.value.field, caught.value.fix) == (
        "by_position",
        "a shorter prompt, or by_position=False",
    )
