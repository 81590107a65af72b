"""Attribution graphs against a model whose patterns and norms are held by hand, and slow sums."""

from __future__ import annotations

import dataclasses
import random
from functools import partial

import pytest
import torch

import unembed as ue
from unembed.analyses.attribution_graph.interventions import held_runs
from unembed.analyses.attribution_graph.sources import left_out
from unembed.errors import CapabilityError, InputError, TargetError, TooLargeError
from unembed.latents.autoencoder import Autoencoder, Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.latents.sae import split
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .graph_edges import edges_of
from .held_by_hand import ByHand
from .transcoded import BARE, PROMPT, transcoder, with_transcoders

FAMILIES = ("gpt2", "llama", "gemma2", "gpt_neox")


@pytest.fixture(scope="module")
def llama():
    return with_transcoders("llama")


@pytest.fixture(scope="module")
def graph(llama):
    return ue.attribution_graph(llama, PROMPT, answers=3)


def read_along(edges, column):
    """Where a latent reads, and along what."""
    layer, number = edges.sources.where(column)
    one = edges.sources.transcoded[layer]
    return layer, int(one.at[number]), one.sae.readers(one.latents[[number]])[0]


@pytest.mark.parametrize("name", FAMILIES)
def test_an_edge_is_what_its_target_loses_without_its_source(name):
    """1,000 edges of each family, by a pass of transformers' own code for each source."""
    model = with_transcoders(name)
    edges, by_hand = edges_of(model, PROMPT), ByHand(name, PROMPT)
    found, draw = edges.sources, random.Random(0)
    targets = draw.sample(range(found.n_latents), 50)
    columns = draw.sample(range(found.n_columns), 20)
    wanted = edges.rows(edges.latent_starts(targets))
    largest = float(wanted.abs().max())
    assert largest > 0.1
    for column in columns:
        ((layer, written),) = found.written(column).items()
        changes = {layer: lambda value, out=written: value - out}
        embedded = (lambda value, out=written: value - out) if layer < 0 else None
        read, _ = by_hand.held(changes, embedded)
        for row, target in enumerate(targets):
            at_layer, at, reader = read_along(edges, target)
            lost = (by_hand.read[at_layer][at] - read[at_layer][at]) @ reader
            assert float(lost) == pytest.approx(float(wanted[row, column]), abs=1e-6 * largest)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_goes_into_a_node_and_its_bias_are_its_value(name):
    """The bias: its value where tokens, latents and errors are 0, and biases alone are left."""
    model = with_transcoders(name)
    edges, by_hand = edges_of(model, PROMPT), ByHand(name, PROMPT)
    found, seen = edges.sources, edges.held.run
    changes = {BARE: torch.zeros_like}
    for layer, one in found.transcoded.items():
        parts = split(one.sae, seen[f"L{layer}.mlp_in"], seen[f"L{layer}.mlp_out"])
        changes[layer] = lambda value, left=parts.constant: left.expand_as(value)
    read, _ = by_hand.held(changes, torch.zeros_like)
    columns = list(range(found.n_latents))
    rows = edges.rows(edges.latent_starts(columns))
    for column in columns:
        layer, at, reader = read_along(edges, column)
        one, number = found.transcoded[layer], found.where(column)[1]
        bias = read[layer][at] @ reader + one.sae.offsets(one.latents[[number]])[0]
        value = float(one.values[number])
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
def test_edges_past_a_skip_and_from_the_stream(name, dtype, choices):
    model = with_transcoders(name, dtype, **choices)
    edges = edges_of(model, PROMPT)
    found, draw = edges.sources, random.Random(1)
    targets = draw.sample(range(found.n_latents), 20)
    columns = draw.sample(range(found.n_columns), 20)
    wanted = edges.rows(edges.latent_starts(targets))[:, columns]
    without = held_runs(edges.held, found, columns)
    close = (1e-7 if dtype == torch.float64 else 1e-4) * float(wanted.abs().max())
    for row, target in enumerate(targets):
        layer, at, reader = read_along(edges, target)
        reads = without.reads[layer][:, at]
        lost = (reads[0] - reads[1:]).to(reader) @ reader
        torch.testing.assert_close(lost, wanted[row], atol=close, rtol=0)


def test_answers_are_logits_less_their_mean(llama, graph):
    logits = llama.run(PROMPT).logits[-1].detach()
    nodes = [node for node in graph.nodes if node.kind == "logit"]
    assert [node.index for node in nodes] == logits.topk(3).indices.tolist()[: len(nodes)]
    for node in nodes:
        assert node.value == pytest.approx(float(logits[node.index] - logits.mean()))
        assert node.probability == pytest.approx(float(logits.softmax(-1)[node.index]))
        whole = sum(graph.edge(name, node.name) for name in graph.names)
        assert whole + node.bias == pytest.approx(node.value)


@torch.no_grad()
def test_edges_into_answers_by_hand(llama, graph):
    edges, by_hand = edges_of(llama, PROMPT), ByHand("llama", PROMPT)
    found = edges.sources
    unembedding = by_hand.module.lm_head.weight.detach()
    norm = by_hand.last_norm
    answer = next(node for node in graph.nodes if node.kind == "logit")
    columns = [0, found.first_error(BARE) + 5, found.first_token + 5, found.first_latent(3) - 1]
    for column in columns:
        ((layer, written),) = found.written(column).items()
        changes = {layer: lambda value, out=written: value - out}
        embedded = (lambda value, out=written: value - out) if layer < 0 else None
        _, last = by_hand.held(changes, embedded)
        lost = (by_hand.last[-1] - last[-1]) * by_hand.scales[norm][0, -1] * norm.weight
        logits = unembedding @ lost
        wanted = float(logits[answer.index] - logits.mean())
        source = name_of(found, column)
        assert graph.edge(source, answer.name) == pytest.approx(wanted, abs=1e-6)


def name_of(found, column):
    if column >= found.first_token:
        return f"embed@{column - found.first_token}"
    if column >= found.n_latents:
        order, at = divmod(column - found.n_latents, found.n_positions)
        layer = sorted(found.errors)[order]
        return f"L{layer}.{'F_error' if layer in found.transcoded else 'mlp'}@{at}"
    layer, number = found.where(column)
    one = found.transcoded[layer]
    return f"L{layer}.F{int(one.latents[number])}@{int(one.at[number])}"


def test_latents_that_are_chosen_have_the_edges_that_they_have_among_all(llama):
    whole = ue.attribution_graph(llama, PROMPT, answers=3, labels=False)
    some = ue.attribution_graph(llama, PROMPT, answers=3, latents=25, labels=False)
    assert (some.n_chosen, some.n_active) == (25, whole.n_active)
    assert whole.unexplored == 0 < some.unexplored < 1
    numbers = [whole.names.index(name) for name in some.names]
    torch.testing.assert_close(some.weights, whole.weights[numbers][:, numbers])
    for node in some.nodes:
        if node.kind == "latent":  # of what was not chosen, too
            sums = float(whole.weights[whole.names.index(node.name)].sum())
            assert node.bias == pytest.approx(node.value - sums)


# ------------------------------------------------------------------ supernodes, labels


def test_supernodes_sum_edges(graph):
    latents = [node.name for node in graph.nodes if node.kind == "latent"][:4]
    grouped = graph.grouped({"first": latents[:2], "second": latents[2:]})
    sums = {(edge.source, edge.target): edge.weight for edge in grouped.group_edges()}
    group = dict(zip(latents, ["first", "first", "second", "second"], strict=True))
    wanted: dict[tuple[str, str], float] = {}
    for edge in graph.edges:
        ends = group.get(edge.source, edge.source), group.get(edge.target, edge.target)
        if ends[0] != ends[1]:
            wanted[ends] = wanted.get(ends, 0.0) + edge.weight
    assert sums == pytest.approx(wanted)
    with pytest.raises(InputError, match="is in 'a' and in 'b'"):
        graph.grouped({"a": latents[:1], "b": latents[:1]})


def test_labels_are_what_a_latent_raises_or_what_one_says(llama, graph):
    node = next(node for node in graph.nodes if node.kind == "latent")
    norm, layer = llama.module.model.norm, node.layer
    sae = transcoder(llama, layer)
    row = sae.weights.W_dec[node.index].double() * norm.weight
    raised = (llama.module.lm_head.weight @ row).topk(3).indices
    assert node.label == " ".join(llama.token(int(one)).label for one in raised)
    named = graph.labelled({node.name.partition("@")[0]: "cats"})
    assert named.node(node.name).label == "cats"
    with pytest.raises(InputError, match="no node"):
        graph.labelled({"L9.F9": "x"})


# ------------------------------------------------------------------ one edge, measured


def test_a_measured_edge_is_what_edits_say(llama, graph):
    edge = next(
        edge
        for edge in graph.edges
        if edge.source.startswith("L0.F")
        and "error" not in edge.source
        and edge.target.startswith("L2.F")
    )
    found = ue.measure_edge(llama, PROMPT, edge.source, edge.target)
    assert found.weight == pytest.approx(edge.weight)
    assert found.held == pytest.approx(edge.weight, abs=1e-6)
    target = graph.node(edge.target)
    reader = transcoder(llama, 2)
    name, at = edge.source.split("@")
    before = llama.run(PROMPT, ["L2.mlp_in"])["L2.mlp_in"][target.position].detach()
    without = llama.run(PROMPT, ["L2.mlp_in"], [ue.zero(name, positions=[int(at)])])
    after = without["L2.mlp_in"][target.position].detach()
    lost = (before - after) @ reader.weights.W_enc[:, target.index]
    assert found.live == pytest.approx(float(lost))
    assert found.value == pytest.approx(target.value)


@torch.no_grad()
def test_the_pairs_of_an_edge_carry_what_goes_through_heads(llama):
    """From a token to a layer 0 latent: what does not go along the stream goes through one head."""
    whole = ue.attribution_graph(llama, PROMPT, labels=False)
    target = next(n for n in whole.nodes if n.name.startswith("L0.F") and "error" not in n.name)
    found = ue.measure_edge(llama, PROMPT, f"embed@{target.position}", target.name, pairs=1000)
    seen = llama.run(PROMPT, ["embed", "L0.resid_mid", "L0.mlp_in"])
    norm = llama.module.model.layers[0].post_attention_layernorm
    mid = seen["L0.resid_mid"][target.position]
    scale = (mid.square().mean() + norm.variance_epsilon).rsqrt()
    reader = transcoder(llama, 0).weights.W_enc[:, target.index]
    along = float((seen["embed"][target.position] * scale * norm.weight) @ reader)
    through = sum(pair.weight for pair in found.pairs)
    assert abs(through) > 1e-3
    assert along + through == pytest.approx(found.weight, abs=1e-6)
    assert {pair.name.split(".")[0] for pair in found.pairs} == {"L0"}


def test_a_difference_is_one_node(llama):
    why = ue.Objective.logit_diff(5, 9)
    found = ue.attribution_graph(llama, PROMPT, why, labels=False)
    (answer,) = (node for node in found.nodes if node.kind == "logit")
    logits = llama.run(PROMPT).logits[-1].detach()
    assert answer.value == pytest.approx(float(logits[5] - logits[9]))
    edge = found.inputs(answer.name)[0]
    measured = ue.measure_edge(llama, PROMPT, edge.source, answer.name, target=why)
    assert measured.held == pytest.approx(edge.weight, abs=1e-6)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("L9.H6@2", "L2.F1@2", "no sender"),
        ("embed@1", "L2.F_error@2", "no receiver"),
        ("L1.F3@2", "L2.F1@2", "no node of this prompt"),
        ("embed@99", "L2.F1@2", "position 99"),
        ("embed@1", "logit@5", "say what that is"),
    ],
)
def test_ends_that_are_not_there_are_refused(llama, source, target, said):
    with pytest.raises((TargetError, InputError), match=said):
        ue.measure_edge(llama, PROMPT, source, target)


def test_a_transcoder_behind_another_autoencoder_is_refused_and_one_before_it_is_used():
    model = ue.load(tiny_model("llama", dtype=torch.float64), tokenizer=tiny_tokenizer())
    first = transcoder(model, 2)
    reads, writes = places("L2.resid_post")
    says = dataclasses.replace(first.description, kind="sae", reads=reads, writes=writes)
    beside = ue.Sae(says, first.weights)
    model.attach(beside, verify=False)
    model.attach(first, verify=False)
    with pytest.raises(CapabilityError, match="behind another autoencoder of layer 2") as refused:
        ue.attribution_graph(model, PROMPT)
    assert "before the other" in refused.value.fix
    model.detach()
    model.attach(first, verify=False)
    model.attach(beside, verify=False)
    assert any("is no transcoder" in sentence for sentence in left_out(model))
    assert any(sentence.startswith("layers 0-1: no transcoder") for sentence in left_out(model))
    assert ue.attribution_graph(model, PROMPT).nodes


def test_what_has_no_graph_is_refused(llama, model_of):
    with pytest.raises(CapabilityError, match="no transcoder") as refused:
        ue.attribution_graph(model_of("gpt2", torch.float32), PROMPT)
    assert "model.attach" in refused.value.fix
    with pytest.raises(CapabilityError, match="normalised or scaled"):
        ue.attribution_graph(model_of("bert", torch.float32), PROMPT)
    with pytest.raises(InputError, match="not linear in logits"):
        ue.attribution_graph(llama, PROMPT, "log_prob(5)")
    with pytest.raises(TooLargeError, match="max_graph_latents"):
        ue.attribution_graph(llama, PROMPT, latents=20_000)
    with pytest.raises(InputError, match="a distractor stands against"):
        ue.attribution_graph(llama, PROMPT, distractor=5)


# ------------------------------------------------------------------ how latents read


@pytest.mark.parametrize(
    "says",
    [
        {"activation": "relu", "subtract_bias": True},
        {"activation": "jumprelu", "scale_in": 1.5, "centred": True},
        {"activation": "topk", "k": 5, "decoder_norm": "values", "subtract_bias": True},
        {"activation": "topk", "k": 5, "decoder_norm": "choice"},
        {"activation": "abstopk", "k": 5, "normalise": "length"},
        {"activation": "gated", "normalise": "layer_norm", "subtract_bias": True},
    ],
    ids=lambda says: says["activation"] + str(len(says)),
)
def test_an_active_latent_is_linear_in_what_it_reads(says):
    torch.manual_seed(0)
    width, n = 8, 20
    make = partial(torch.randn, dtype=torch.float64)
    gated = says["activation"] == "gated"
    weights = Weights(
        make(width, n),
        make(n, width),
        make(n),
        make(width),
        threshold=make(n).abs() if says["activation"] == "jumprelu" else None,
        r_mag=make(n) / 5 if gated else None,
        b_mag=make(n) if gated else None,
    )
    one = Autoencoder(Description("made up", "sae", d_in=width, d_out=width, n=n, **says), weights)
    x = make(6, width)
    values = one.encode(x)
    at, latents = values.nonzero().T
    assert len(at) > 10
    found = one.read_factor(x)[at, 0] * (x[at] * one.readers(latents)).sum(-1)
    torch.testing.assert_close(found + one.offsets(latents), values[at, latents])
