"""Latents in a flow graph: with bias and error they are what their autoencoder takes apart."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.flow.attributed import attributed, attributed_together
from unembed.analyses.flow.names import parse_cut
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import TargetError

from ..contract.wiring import REPRESENTATIVES
from ..latents.test_families import attached, by_hand, made
from .flow_effects import effect_on_target
from .flow_oracle import SlowFlow
from .flow_running import TARGET, drawn
from .slow import PROMPT

FEW = FlowOptions(n_heads=2, top_neurons=2, bottom_neurons=0, values_per_head=1, rest=True)
PLACES = ("L1.mlp_in>L1.mlp_out", "L1.attn_out", "L1.resid_post")
PIECES = ("latent", "latent_bias", "error", "rest")


def graph_of(model, layers=(1,), edits=(), **options):
    return drawn(model, list(layers), edits=edits, options=FEW.changed(**options))


def pieces(graph, site):
    return [node for node in graph.nodes if node.site == site]


def link_of(graph, node):
    """The link that carries what it writes: out of it, or of the stream into it."""
    (found,) = [
        link
        for link in graph.links
        if node.id in (link.source, link.target) and link.kind in ("latent", "rest")
    ]
    return found


def carried(graph, node):
    link = link_of(graph, node)
    return graph.vectors[link.row] * link.coefficient


def close(found, wanted):
    limit = 1e-10 * max(float(wanted.norm()), 1e-30)
    assert float((found - wanted).norm()) <= limit


def places_of(model):
    """Those that a family has: a block without a part has no autoencoder of it."""
    block = model.block(1)
    without = {"attn": block.mixer_site != "attn_out", "mlp": block.feed_forward is None}
    return [one for one in PLACES if not any(without[k] and k in one for k in without)]


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_latents_bias_error_and_the_rest_are_the_site(name, model_of):
    plain = model_of(name, torch.float64)
    places = places_of(plain)
    model = attached(plain, *places)
    run, graph = graph_of(model)
    for place in places:
        reads, _, writes = place.rpartition(">")
        reads, d = reads or writes, plain.anatomy.d_model
        sae, site = made(place, d), run[writes][-1].reshape(-1)
        values, constant = by_hand(sae, run[reads].reshape(len(run.ids), -1))
        values, constant = values[-1], constant[-1]
        found = pieces(graph, writes)
        close(sum(carried(graph, node) for node in found), site)
        assert sum(link_of(graph, node).share for node in found) == pytest.approx(1, abs=1e-9)
        scores = values * sae.weights.W_dec.norm(dim=-1)
        strongest = [n for n in scores.argsort(descending=True)[:2].tolist() if scores[n] > 0]
        latents = [node for node in found if node.kind == "latent"]
        assert [int(node.id.rpartition("F")[2]) for node in latents] == strongest
        for node, number in zip(latents, strongest, strict=True):
            assert node.activation == pytest.approx(float(values[number]), abs=1e-10)
            close(carried(graph, node), values[number] * sae.weights.W_dec[number])
        by_kind = {node.kind: carried(graph, node) for node in found}
        close(by_kind["latent_bias"], constant)
        error = site - values @ sae.weights.W_dec - constant
        close(by_kind["error"], error)
        (total,) = [one for one in graph.sums if one.site == writes]
        square = float(site @ site)
        assert total.error == pytest.approx(float(error @ site) / square, abs=1e-9)
        assert total.bias == pytest.approx(float(constant @ site) / square, abs=1e-9)
        shown = values[strongest] @ sae.weights.W_dec[strongest]
        assert total.shown == pytest.approx(float(shown @ site) / square, abs=1e-9)
        assert (total.active, total.latents) == (int((values > 0).sum()), len(strongest))
        assert total.shown + total.bias + total.rest + total.error == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", ["gpt2", "gptj", "opt-post-norm", "bert", "gemma3"])
def test_direct_effects_are_those_of_their_writes(name, model_of, slow_of):
    plain = model_of(name, torch.float64)
    model = attached(plain, *PLACES)
    _, graph = graph_of(model)
    with torch.no_grad():
        slow = SlowFlow(slow_of(name, torch.float64), [1], options=FEW)
    behind_a_norm = plain.block(1).arrangement == "post_norm"
    for site, part in (("L1.mlp_out", "mlp"), ("L1.attn_out", "attn"), ("L1.resid_post", "mlp")):
        for node in pieces(graph, site):
            link = link_of(graph, node)
            if site == "L1.resid_post" and behind_a_norm:
                assert node.attributed is link.attributed is None
                continue
            wanted = effect_on_target(slow, 1, part, carried(graph, node), TARGET)
            assert node.attributed == pytest.approx(wanted, abs=1e-9)
            assert link.attributed == node.attributed


def test_where_they_stand(model_of):
    model = attached(model_of("gpt2", torch.float64), "L0.resid_post", "L1.resid_mid", *PLACES[:2])
    _, graph = graph_of(model, [0, 1])
    column = {node.id: node.column for node in graph.nodes}
    ends = {link.id for link in graph.links}
    (first, *_) = [node.id for node in pieces(graph, "L0.resid_post") if node.kind == "latent"]
    assert f"L0.resid_post>{first}" in ends
    assert column["L0.resid_post"] < column[first] < column["L1.attn_in"]
    between = [node.column for node in pieces(graph, "L1.resid_mid")]
    assert {column["L1.resid_mid"] < one < column["L1.mlp_in"] for one in between} == {True}
    for site, before, behind in (
        ("L1.attn_out", "L1.z", "L1.attn_out"),
        ("L1.mlp_out", "L1.mlp_in", "L1.mlp_out"),
    ):
        for node in pieces(graph, site):
            assert column[before] < node.column < column[behind]
            assert f"{node.id}>{behind}" in ends
            assert (f"{before}>{node.id}" in ends) == (node.kind == "latent")
            assert node.address == (node.id if node.kind == "latent" else None)
    assert not [one for one in graph.nodes if one.kind in ("z_row", "neuron") and one.layer == 1]


def test_without_the_option_the_graph_is_as_if_nothing_were_attached(model_of):
    plain = model_of("gpt2", torch.float64)
    _, graph = graph_of(attached(plain, *PLACES), latents=False)
    _, before = graph_of(plain, latents=False)
    assert graph.to_dict()["nodes"] == before.to_dict()["nodes"]
    assert graph.to_dict()["links"] == before.to_dict()["links"]


def test_they_can_be_named_and_kept(model_of):
    model = attached(model_of("gpt2", torch.float64), *PLACES)
    names = ("L1.F3", "L1.resid_post.F2")
    run, graph = graph_of(model, include=names)
    assert [graph.node(name).kind for name in names] == ["latent", "latent"]
    alike = ue.flow_graph(run, [1], target=TARGET, like=graph, top_neurons=0)
    ids = [[node.id for node in one.nodes if node.kind == "latent"] for one in (graph, alike)]
    assert ids[0] == ids[1]
    with pytest.raises(TargetError, match="latents 0-19"):
        graph_of(model, include=("L1.F20",))
    with pytest.raises(TargetError):
        graph_of(model_of("gpt2", torch.float64), include=("L1.F2",))


def test_one_that_an_edit_holds_at_zero_writes_nothing(model_of):
    model = attached(model_of("gpt2", torch.float64), *PLACES)
    run, graph = graph_of(model)
    for site in ("L1.mlp_out", "L1.resid_post"):
        node = next(one for one in pieces(graph, site) if one.kind == "latent")
        cut = model.run(PROMPT, ue.flow_capture(model, [1]), ue.cut(run, node.id))
        close(cut[site][-1], run[site][-1] - carried(graph, node))
        after = ue.flow_graph(cut, [1], target=TARGET, options=FEW, like=graph)
        assert after.node(node.id).activation == 0
        close(sum(carried(after, one) for one in pieces(after, site)), cut[site][-1])


def test_a_cut_of_one_has_the_effect_that_the_graph_says(model_of):
    model = attached(model_of("gpt2", torch.float64), *PLACES)
    run, graph = graph_of(model)
    for node in graph.nodes:
        if node.kind != "latent":
            continue
        assert attributed(run, node.id, -1, TARGET) == pytest.approx(-node.attributed)
        link = link_of(graph, node)
        assert parse_cut(link.id).what == parse_cut(node.cut.target).what == parse_cut(node.id).what
    two = [node for node in pieces(graph, "L1.mlp_out") if node.kind == "latent"]
    together = attributed_together(run, [node.id for node in two], -1, TARGET)
    assert together == pytest.approx(-sum(node.attributed for node in two))
    report = ue.measure_cuts(run, [node.id for node in two], target=TARGET)
    for node, effect in zip(two, report.cuts, strict=True):
        assert effect.attributed == pytest.approx(-node.attributed)
        taken = model.run(PROMPT, edits=[ue.zero(f"{node.id}@{len(PROMPT) - 1}")])
        change = float((taken.logits - model.run(PROMPT).logits)[-1, TARGET])
        assert effect.logit_change == pytest.approx(change, abs=1e-9)


@pytest.mark.parametrize(
    "beside", ["L1.mlp", "L1.N3", "L1.mlp_bias"], ids=["the branch", "a neuron", "the bias"]
)
def test_what_a_latent_shares_with_its_branch_is_not_attributed_twice(beside, model_of):
    model = attached(model_of("gpt2", torch.float64), *PLACES)
    run, graph = graph_of(model)
    node = next(one for one in pieces(graph, "L1.mlp_out") if one.kind == "latent")
    assert attributed_together(run, [node.id, beside], -1, TARGET) is None
    known = attributed_together(run, [node.id, "L1.H0"], -1, TARGET)
    alone = attributed(run, "L1.H0", -1, TARGET) + attributed(run, node.id, -1, TARGET)
    assert known == pytest.approx(alone)


def test_notes_say_what_is_not_drawn(model_of):
    plain = model_of("gpt2", torch.float64)
    model = attached(plain, "L1.resid_post", "L1.z")
    _, graph = graph_of(model)
    said = [note for note in graph.notes if note.startswith("Latents")]
    assert said == [
        "Latents of L1.resid_post divide once more what other nodes wrote: they are beside the "
        "sums.",
        "Latents of L1.z are not drawn: they write inside of a branch.",
    ]
    _, graph = graph_of(model, [0])
    assert not [note for note in graph.notes if note.startswith("Latents")]


def test_the_name_of_one_of_a_second_autoencoder_keeps_its_site():
    assert parse_cut("L1.attn_out.F7").targets[0].name == "L1.attn_out.F7"
    assert parse_cut("L1.z>L1.attn_out.F7").what == parse_cut("l1.attn_out.f7@3").what
    assert parse_cut("L1.resid_post>L1.F7").targets[0].name == "L1.F7"
    with pytest.raises(TargetError, match="names no node or link"):
        parse_cut("L1.mlp_out>L1.F7")
