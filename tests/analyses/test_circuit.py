"""Circuits against a forward pass written out by hand (`circuit_by_hand`)."""

from __future__ import annotations

import json

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution.references import draw
from unembed.analyses.circuits.graph import Graph, Layer, areas
from unembed.analyses.circuits.running import Circuits, graph_of, written, written_capture
from unembed.errors import CapabilityError, InputError, PromptError, TooLargeError
from unembed.models.tiny import tiny_model

from .circuit_by_hand import OTHER, WHY, ByHand, value_of
from .slow import PROMPT


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_with_some_edges_a_run_is_that_written_out_by_hand(name, model_of):
    model, hand = model_of(name, torch.float64), ByHand(name)
    graph = graph_of(model)
    with torch.no_grad():
        plain, made = hand.run(PROMPT)
        _, replaced = hand.run(OTHER)
        seen = model.run(PROMPT, written_capture(model))
        torch.testing.assert_close(plain, seen.logits)
        torch.testing.assert_close(written(seen), torch.stack(made))
        circuits = Circuits(model, model.read_prompt(PROMPT), graph, torch.stack(replaced))
        generator = torch.Generator().manual_seed(0)
        shape = len(graph.sources), len(graph.readers)
        sets = [torch.rand(shape, generator=generator) < share for share in (0.2, 0.8)]
        wanted = [float(value_of(hand.run(PROMPT, kept, replaced)[0])) for kept in sets]
        assert circuits.values(sets, WHY) == pytest.approx(wanted, abs=1e-10)
        assert circuits.values(sets[1:], WHY) == pytest.approx(wanted[1:], abs=1e-10)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_edges_are_rated_by_the_gradient_at_what_reads_them(name, model_of):
    model, hand = model_of(name, torch.float64), ByHand(name)
    graph = graph_of(model)
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=7)
    shape = len(graph.readers), len(PROMPT), model.anatomy.d_model
    pushes = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    logits, made = hand.run(PROMPT, pushes=pushes)
    (slopes,) = torch.autograd.grad(value_of(logits), pushes)
    with torch.no_grad():
        _, other = hand.run(OTHER)
        change = torch.stack(made) - torch.stack(other)
        wanted = torch.einsum("spd,rpd->sr", change, slopes)
    for reader, count in enumerate(graph.before):
        wanted[count:, reader] = 0  # no edge
    torch.testing.assert_close(found.effects, wanted, rtol=1e-5, atol=1e-6)
    sizes = sorted(
        (
            abs(float(wanted[source, reader]))
            for reader, count in enumerate(graph.before)
            for source in range(count)
        ),
        reverse=True,
    )
    assert [abs(edge.effect) for edge in found.edges] == pytest.approx(sizes[:7], rel=1e-5)
    edge = found.edges[0]
    assert found.effect(edge.source, edge.target) == edge.effect
    assert found.n_edges == len(sizes)
    some = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, threshold=sizes[11] * 0.9999)
    assert len(some.edges) == 12


def test_integrated_gradients_are_means_on_the_way_from_the_other_prompt(model_of):
    model, hand = model_of("gpt2", torch.float64), ByHand("gpt2")
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, estimator="integrated", steps=3)
    with torch.no_grad():
        made, other = (torch.stack(hand.run(ids)[1]) for ids in (PROMPT, OTHER))
    total = 0
    for share in (1 / 3, 2 / 3, 1):
        shape = len(graph_of(model).readers), len(PROMPT), model.anatomy.d_model
        pushes = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
        body = hand.model.transformer
        rows = body.wte.weight.detach().clone()
        between = other[0] + share * (made[0] - other[0]) - body.wpe.weight[: len(PROMPT)].detach()
        rows[list(PROMPT)] = between
        body.wte.weight, kept = torch.nn.Parameter(rows), body.wte.weight
        try:
            (slope,) = torch.autograd.grad(value_of(embedded(hand, pushes)), pushes)
        finally:
            body.wte.weight = kept
        total = total + slope
    wanted = torch.einsum("spd,rpd->sr", made - other, total / 3)
    for reader, count in enumerate(graph_of(model).before):
        wanted[count:, reader] = 0
    torch.testing.assert_close(found.effects, wanted)


def embedded(hand, pushes):
    """The logits with rows of W_E put in: the unembedding is not tied to them while they are."""
    return hand.run(PROMPT, pushes=pushes)[0]


FAMILIES = ["gemma3", "gpt_neox", "mixtral", "bloom", "falcon-new", "modernbert", "cohere"]


@pytest.mark.parametrize("name", [*FAMILIES, "gemma2", "olmo2", "granite", "qwen3"])
def test_all_edges_are_the_model_and_none_the_other_prompt(name, model_of):
    model = model_of(name, torch.float64)
    capture = WHY.required_capture(model)
    whole, none = (float(WHY.value(model.run(ids, capture))) for ids in (PROMPT, OTHER))
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, shares=(1,), edges=5)
    assert found.whole == pytest.approx(whole, abs=1e-9)
    assert found.none == pytest.approx(none, abs=1e-6)
    (point,) = found.curve
    assert point.value == pytest.approx(whole, abs=1e-6)
    assert point.edges == found.n_edges


def test_edges_are_measured_in_the_model_and_in_the_circuit(model_of):
    model, hand = model_of("gpt2", torch.float64), ByHand("gpt2")
    graph = graph_of(model)
    found = ue.find_circuit(
        model, PROMPT, OTHER, WHY, ablation="mean", edges=10, measure=2, shares=(0.1, 0.5, 1)
    )
    with torch.no_grad():
        _, made = hand.run(PROMPT)
        replaced = torch.stack(made).mean(1, keepdim=True).expand(-1, len(PROMPT), -1)
        circuit = torch.zeros(len(graph.sources), len(graph.readers), dtype=torch.bool)
        for edge in found.edges:
            circuit[graph.numbers(edge.source, edge.target)] = True
        for edge in found.edges[:2]:
            for kept, lost in ((torch.ones_like(circuit), edge.measured), (circuit, edge.within)):
                values = []
                for there in (True, False):
                    mask = kept.clone()
                    mask[graph.numbers(edge.source, edge.target)] = there
                    values.append(float(value_of(hand.run(PROMPT, mask, replaced)[0])))
                assert lost == pytest.approx(values[0] - values[1], abs=1e-9)
    assert all(edge.measured is None for edge in found.edges[2:])
    kept = (found.value - found.none) / (found.whole - found.none)
    assert found.faithfulness == pytest.approx(kept)
    points = [point.faithfulness for point in found.curve]
    assert points[-1] == pytest.approx(1)
    assert found.cpr == pytest.approx(
        0.4 * (points[0] + points[1]) / 2 + 0.5 * (points[1] + points[2]) / 2
    )


@pytest.mark.parametrize("other", [None, (*PROMPT[:3], 33, 7, 8)])
def test_edges_that_are_left_out_carry_what_is_written_at_drawn_positions(other, model_of):
    """One draw for all sources; the first position from the first, which sees nothing before."""
    model, hand = model_of("gpt2", torch.float64), ByHand("gpt2")
    asked = {"ablation": "resample", "seed": 3, "curve": False, "edges": 10}
    found = ue.find_circuit(model, PROMPT, other, WHY, **asked)
    with torch.no_grad():
        _, writes = hand.run(other or PROMPT)
    columns = torch.stack(writes)
    values = set()
    for seed in (3, 4):
        drawn = draw(len(PROMPT), [columns.shape[1]], seed)
        assert drawn[0] == 0
        assert all(1 <= one < columns.shape[1] for one in drawn[1:])
        with torch.no_grad():
            logits, _ = hand.run(PROMPT, kept_of(found), columns[:, drawn])
        values.add(round(float(value_of(logits)), 9))
    assert len(values) == 2
    assert round(found.value, 9) in values
    assert found.value != ue.find_circuit(model, PROMPT, other, WHY, **asked | {"seed": 4}).value
    with pytest.raises(PromptError, match="it has one token"):
        ue.find_circuit(model, PROMPT, PROMPT[:1], WHY, ablation="resample")


def kept_of(found):
    graph = found.graph
    kept = torch.zeros(len(graph.sources), len(graph.readers), dtype=torch.bool)
    for edge in found.edges:
        kept[graph.numbers(edge.source, edge.target)] = True
    return kept


def test_scores_of_a_curve_made_by_hand():
    """Half of the objective at 0.2 of the edges, one and a half times at 0.6, all of it at 1."""
    cpr, cmd = areas((0.2, 0.6, 1.0), (0.5, 1.5, 1.0))
    assert cpr == pytest.approx(0.4 * 1.0 + 0.4 * 1.25)
    assert cmd == pytest.approx(0.4 * 0.5 + 0.4 * 0.25)


def test_a_graph_made_by_hand():
    graph = Graph((Layer(1, True, False), Layer(1, True, True)))
    assert graph.sources == ("embed", "L0.H0", "L0.mlp", "L1.H0", "L1.mlp")
    assert graph.readers == (
        *("L0.H0.q", "L0.H0.k", "L0.H0.v", "L0.mlp"),
        *("L1.H0.q", "L1.H0.k", "L1.H0.v", "L1.mlp", "logits"),
    )
    assert graph.before == (1, 1, 1, 2, 3, 3, 3, 3, 5)
    assert graph.n_edges == 22
    assert graph.numbers("L1.H0", "L1.mlp") is None  # side by side
    assert graph.numbers("L0.H0", "L0.mlp") == (1, 3)


def test_a_circuit_is_written_as_mib_writes_it(model_of):
    model = model_of("gpt2", torch.float64)
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=9)
    data = json.loads(found.to_mib())
    assert data["cfg"] == {
        "n_layers": 3,
        "n_heads": 4,
        "parallel_attn_mlp": False,
        "d_model": model.anatomy.d_model,
    }
    assert len(data["edges"]) == found.n_edges
    assert sum(edge["in_graph"] for edge in data["edges"].values()) == 9
    score = data["edges"]["a0.h1->a2.h3<v>"]["score"]
    assert score == found.effect("L0.H1", "L2.H3.v")
    assert data["edges"]["input->m0"]["score"] == found.effect("embed", "L0.mlp")
    assert {"input", "a2.h3", "m2", "logits"} <= data["nodes"].keys()
    assert json.loads(found.to_json())["edges"][0]["source"] == found.edges[0].source


def test_what_has_no_circuit_is_refused(model_of):
    model = model_of("gpt2")
    with pytest.raises(InputError, match="there is none"):
        ue.find_circuit(model, PROMPT, target=WHY)
    with pytest.raises(PromptError, match="10 tokens and the corrupted one 9"):
        ue.find_circuit(model, PROMPT, PROMPT[:-1], WHY)
    with pytest.raises(InputError, match="edges is 9,999"):
        ue.find_circuit(model, PROMPT, OTHER, WHY, edges=9999)
    with pytest.raises(TooLargeError, match="max_circuit_runs"):
        ue.find_circuit(model, PROMPT, OTHER, WHY, measure=150)
    with pytest.raises(InputError, match="a circuit of the activation"):
        ue.find_circuit(model, PROMPT, OTHER, ue.Objective.activation("L1.N3"))
    with pytest.raises(CapabilityError, match="normalised or scaled"):
        ue.find_circuit(model_of("bert"), PROMPT, OTHER, WHY)
    small = ue.load(tiny_model("gpt2"), settings=ue.Settings(max_capture_bytes=50_000))
    with pytest.raises(TooLargeError, match="max_capture_bytes") as caught:
        ue.find_circuit(small, PROMPT, OTHER, WHY)
    assert caught.value.field == "prompt"
    with pytest.raises(InputError, match="no edge from"):
        ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False).effect("L2.H0", "L1.mlp")


def test_a_circuit_leaves_nothing_behind_and_can_be_cancelled(model_of):
    model = model_of("gemma3")
    before = model.run(PROMPT).logits
    said = []
    ue.find_circuit(
        model, PROMPT, OTHER, WHY, shares=(0.5,), progress=lambda *one: said.append(one[0])
    )
    assert "runs of circuits" in said
    assert torch.equal(model.run(PROMPT).logits, before)
    cancel = ue.Cancel()
    cancel.cancel()
    with pytest.raises(ue.errors.CancelledError):
        ue.find_circuit(model, PROMPT, OTHER, WHY, cancel=cancel)


def names(found):
    return [f"{edge.source}>{edge.target}" for edge in found.edges]


def test_edges_and_nodes_are_put_in_and_taken_out_by_hand(model_of):
    """Against a plain loop over names, and the run of those edges written out by hand."""
    model, hand = model_of("gpt2", torch.float64), ByHand("gpt2")
    graph = graph_of(model)
    asked = {"include": ["L1.H2", "embed>L2.H0.q"], "exclude": ["L0.mlp", "L1.H2>L2.H3.v"]}
    first = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=12)
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=12, **asked)
    wanted = {*names(first), "embed>L2.H0.q"}

    def ends(name):
        source, _, target = name.partition(">")
        return source, ".".join(target.split(".")[:2])

    inside = {"embed", "logits", "L1.H2"} | {end for name in wanted for end in ends(name)}
    everything = [
        f"{source}>{reader}"
        for reader, count in zip(graph.readers, graph.before, strict=True)
        for source in graph.sources[:count]
    ]
    wanted |= {n for n in everything if "L1.H2" in ends(n) and inside.issuperset(ends(n))}
    wanted = {n for n in wanted if "L0.mlp" not in ends(n)} - {"L1.H2>L2.H3.v"}
    assert set(names(found)) == wanted
    sizes = [abs(edge.effect) for edge in found.edges]
    assert sizes == sorted(sizes, reverse=True)
    with torch.no_grad():
        mask = torch.zeros(len(graph.sources), len(graph.readers), dtype=torch.bool)
        for edge in found.edges:
            mask[graph.numbers(edge.source, edge.target)] = True
        _, other = hand.run(OTHER)
        logits, _ = hand.run(PROMPT, mask, other)
    assert found.value == pytest.approx(float(value_of(logits)), abs=1e-9)


def test_an_edge_is_measured_by_its_name(model_of):
    model = model_of("gpt2", torch.float64)
    first = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=8, measure=6)
    name = names(first)[5]
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=8, measure_named=[name])
    assert [edge.measured is None for edge in found.edges] == [place != 5 for place in range(8)]
    assert found.edges[5].measured == pytest.approx(first.edges[5].measured, abs=1e-9)
    assert found.edges[5].within == pytest.approx(first.edges[5].within, abs=1e-9)
    nothing = ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=0)
    assert (nothing.edges, nothing.faithfulness) == ((), pytest.approx(0, abs=1e-9))


def test_a_circuit_is_read_from_its_own_json_and_from_mibs(model_of, tmp_path):
    model = model_of("gpt2", torch.float64)
    found = ue.find_circuit(model, PROMPT, OTHER, WHY, edges=9, shares=(0.1, 0.5, 1))
    for form, text in (("ours", found.to_json()), ("mib", found.to_mib())):
        (tmp_path / form).write_text(text)
        given = ue.load_circuit(tmp_path / form)
        assert set(given.edges) == set(names(found))
        assert all(given.scores[f"{e.source}>{e.target}"] == e.effect for e in found.edges)
    again = ue.find_circuit(
        model, PROMPT, OTHER, WHY, edges=0, include=given.edges, scores=given, shares=(0.1, 0.5, 1)
    )
    assert again.estimator == "given"
    assert (again.value, again.cmd) == pytest.approx((found.value, found.cmd), abs=1e-9)
    assert json.loads(again.to_mib())["edges"] == json.loads(found.to_mib())["edges"]


def test_names_and_files_of_no_circuit_are_refused(model_of, tmp_path):
    model = model_of("gpt2")

    def asked(**options):
        return ue.find_circuit(model, PROMPT, OTHER, WHY, curve=False, edges=3, **options)

    for field, name in [
        ("include", "L0.H9"),
        ("include", "L2.H0>L1.mlp"),
        ("exclude", "L0.H0.q"),
        ("measure_named", "L9.H0>logits"),
    ]:
        with pytest.raises(InputError, match=r"there is no (edge|node)") as caught:
            asked(**{field: [name]})
        assert (caught.value.field, caught.value.value) == (field, name)
    with pytest.raises(InputError, match="is no edge of the circuit"):
        asked(measure_named=["embed>L0.H0.q"], exclude=["embed"])
    for text, why in [
        ("[", "it is no JSON"),
        ("[1]", 'it has no "edges"'),
        ('{"edges": [{"source": "embed"}]}', "no source and target"),
        ('{"edges": {"a0.h1": {}}}', "no edge of MIB's format"),
        ('{"edges": {"input->m0": {"score": NaN}}}', "no finite number"),
    ]:
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(InputError, match=why):
            ue.load_circuit(tmp_path / "bad.json")
    with pytest.raises(InputError, match="cannot be read as a circuit"):
        ue.load_circuit(tmp_path)
    (tmp_path / "some.json").write_text('{"edges": {"input->m0": {"score": 1, "in_graph": true}}}')
    given = ue.load_circuit(tmp_path / "some.json")
    assert given.edges == ("embed>L0.mlp",)
    with pytest.raises(InputError, match="scores has none for"):
        asked(scores=given)
