"""Attribution graphs of a cross-layer transcoder: an edge goes through all writes of its source."""

from __future__ import annotations

import random
from functools import partial

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution_graph.interventions import held_runs
from unembed.errors import TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

from ..latents.cross_made import attached, rows_of, values_of
from .graph_edges import edges_of
from .held_by_hand import ByHand

PROMPT = (1, 72, 5, 33, 9, 72)
FAMILIES = ("gpt2", "llama", "gemma2", "gpt_neox")


def with_clt(name, dtype=torch.float64, **choices):
    plain = ue.load(tiny_model(name, dtype=dtype), tokenizer=tiny_tokenizer())
    return attached(plain, **choices)


@pytest.fixture(scope="module")
def llama():
    return with_clt("llama")


@pytest.fixture(scope="module")
def graph(llama):
    return ue.attribution_graph(llama[0], PROMPT, answers=2, latents=60)


def node_at(found, column):
    """Layer, number and position of a latent."""
    layer, number = found.where(column)
    one = found.transcoded[layer]
    return layer, int(one.latents[number]), int(one.at[number])


@pytest.mark.parametrize("name", FAMILIES)
def test_an_edge_is_what_its_target_loses_without_all_writes_of_its_source(name):
    model, clt = with_clt(name)
    edges, by_hand = edges_of(model, PROMPT), ByHand(name, PROMPT)
    found, draw = edges.sources, random.Random(0)
    targets = draw.sample(range(found.n_latents), 30)
    wanted = edges.rows(edges.latent_starts(targets))
    largest = float(wanted.abs().max())
    assert largest > 0.1
    early = [column for column in range(found.n_latents) if found.where(column)[0] < 2]
    for column in draw.sample(early, 10):
        layer, latent, at = node_at(found, column)
        value = values_of(clt.layers[layer], by_hand.read[layer])[at, latent]
        changes = {
            to: partial(less, at=at, written=value * row)
            for to, row in rows_of(clt.layers[layer], latent).items()
        }
        assert len(changes) > 1
        read, _ = by_hand.held(changes)
        for row, target in enumerate(targets):
            there, which, position = node_at(found, target)
            reader = clt.layers[there].weights.W_enc[:, which]
            lost = (by_hand.read[there][position] - read[there][position]) @ reader
            assert float(lost) == pytest.approx(float(wanted[row, column]), abs=1e-6 * largest)


def less(value, at, written):
    found = value.clone()
    found[..., at, :] -= written
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_what_goes_into_a_latent_and_its_bias_are_its_value(name):
    """The bias: its value where tokens, latents and errors are 0, and biases alone are left."""
    model, clt = with_clt(name)
    edges, by_hand = edges_of(model, PROMPT), ByHand(name, PROMPT)
    biases = {
        layer: lambda out, one=one: one.weights.b_dec.expand_as(out)
        for layer, one in enumerate(clt.layers)
    }
    read, _ = by_hand.held(biases, torch.zeros_like)
    found = edges.sources
    columns = list(range(found.n_latents))
    rows = edges.rows(edges.latent_starts(columns))
    for column in columns:
        layer, latent, at = node_at(found, column)
        held_weights = clt.layers[layer].weights
        bias = read[layer][at] @ held_weights.W_enc[:, latent] + held_weights.b_enc[latent]
        value = float(values_of(clt.layers[layer], by_hand.read[layer])[at, latent])
        assert float(rows[column].sum() + bias) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "dtype", "choices"),
    [
        ("llama", torch.float64, {"skip": True}),
        ("gptj", torch.float64, {"skip": True}),
        ("gemma3", torch.float32, {"reads": "resid_mid"}),
    ],
    ids=["skip", "skip-parallel", "stream-float32"],
)
def test_edges_are_measured_by_the_models_own_code(name, dtype, choices):
    model, _ = with_clt(name, dtype, **choices)
    edges = edges_of(model, PROMPT)
    found, draw = edges.sources, random.Random(1)
    targets = draw.sample(range(found.n_latents), 20)
    columns = draw.sample(range(found.n_columns), 20)
    wanted = edges.rows(edges.latent_starts(targets))[:, columns]
    held_out = held_runs(edges.held, found, columns)
    close = (1e-7 if dtype == torch.float64 else 1e-4) * float(wanted.abs().max())
    for row, target in enumerate(targets):
        layer, number = found.where(target)
        one = found.transcoded[layer]
        reader = one.sae.readers(one.latents[[number]])[0]
        reads = held_out.reads[layer][:, int(one.at[number])]
        lost = (reads[0] - reads[1:]).to(reader) @ reader
        torch.testing.assert_close(lost, wanted[row], atol=close, rtol=0)


def test_a_measured_edge_is_the_edge_and_live_what_an_ablation_does(llama, graph):
    model, clt = llama
    edge = next(
        one
        for one in graph.edges
        if graph.node(one.source).kind == graph.node(one.target).kind == "latent"
        and graph.node(one.target).layer - graph.node(one.source).layer > 1
    )
    found = ue.measure_edge(model, PROMPT, edge.source, edge.target, pairs=2000)
    assert found.weight == pytest.approx(edge.weight)
    assert found.held == pytest.approx(edge.weight, abs=1e-6)
    source, target = graph.node(edge.source), graph.node(edge.target)
    reads = f"L{target.layer}.mlp_in"
    stem, at = edge.source.split("@")
    before = model.run(PROMPT, [reads])[reads][target.position]
    after = model.run(PROMPT, [reads], [ue.zero(stem, positions=[int(at)])])[reads]
    column = clt.layers[target.layer].weights.W_enc[:, target.index]
    assert found.live == pytest.approx(float((before - after[target.position]) @ column))
    layers = {int(pair.name.split(".")[0][1:]) for pair in found.pairs}
    assert layers <= set(range(source.layer + 1, target.layer + 1))


def test_pairs_of_an_edge_carry_what_does_not_go_along_the_stream(llama):
    """From layer 0 to the next layer: through its attention, or straight on at the position."""
    model, clt = llama
    edges = edges_of(model, PROMPT)
    found = edges.sources
    column = next(n for n in range(found.n_latents) if found.where(n)[0] == 0)
    target = next(n for n in range(found.n_latents) if found.where(n)[0] == 1)
    (start,) = edges.latent_starts([target])
    weight = float(edges.rows([start])[0, column])
    layer, latent, at = node_at(found, column)
    value = values_of(clt.layers[0], edges.held.run["L0.mlp_in"])[at, latent]
    written = value * rows_of(clt.layers[layer], latent)[0]
    straight = float(written @ start.direction) if at == start.position else 0.0
    through = sum(float(pairs.sum()) for pairs in edges.pairs(start, column).values())
    assert straight + through == pytest.approx(weight, abs=1e-8)


def test_a_graph_of_it_is_whole_and_goes_to_a_file_and_back(llama, graph, tmp_path):
    model, clt = llama
    run = model.run(PROMPT, [f"L{layer}.mlp_in" for layer in range(3)])
    values = [values_of(one, run[f"L{layer}.mlp_in"]) for layer, one in enumerate(clt.layers)]
    assert graph.n_active == sum(int((some != 0).sum()) for some in values)
    assert not any("no transcoder" in note for note in graph.notes)
    names = {node.name for node in graph.nodes if node.kind == "error"}
    assert names <= {f"L{layer}.F_error@{at}" for layer in range(3) for at in range(6)}
    path = tmp_path / "graph.json"
    path.write_text(graph.to_viewer(), "utf-8")
    read = ue.load_graph(path)
    assert (read.nodes, read.edges) == (graph.nodes, graph.edges)


def test_a_label_is_what_all_writes_of_a_latent_raise(llama, graph):
    model, clt = llama
    node = next(one for one in graph.nodes if one.kind == "latent" and one.layer == 0)
    row = sum(rows_of(clt.layers[0], node.index).values())
    norm = model.module.model.norm.weight.double()
    best = (model.unembedding.weight.double() @ (row * norm)).topk(3).indices.tolist()
    assert node.label == " ".join(model.token(one).label for one in best)


def test_what_takes_too_much_memory_is_refused(llama):
    plain = llama[0]
    small = ue.load(
        plain.module, tokenizer=plain.tokenizer, settings=Settings(max_capture_bytes=40_000)
    )
    small.derived = plain.derived
    with pytest.raises(TooLargeError):
        ue.attribution_graph(small, PROMPT, latents=5)
