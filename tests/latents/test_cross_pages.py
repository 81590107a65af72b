"""Pages, searches and traces of latents that write at several layers: all of it, or said which."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.tools.effects import Writes, effects_capture, effects_on
from unembed.analyses.tools.writes import write
from unembed.index.latent_index import latent_index
from unembed.index.live import live_page, nearest_hits
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .cross_made import N, attached, rows_of, values_of
from .test_pages import normed

PROMPT = "the cat sat on the mat"


@pytest.fixture(scope="module", params=["gpt2", "gemma3"])
def both(request):
    plain = ue.load(tiny_model(request.param, dtype=torch.float64), tokenizer=tiny_tokenizer())
    return plain, *attached(plain)


def strongest(plain, clt, layer, position=3):
    reads = f"L{layer}.mlp_in"
    values = values_of(clt.layers[layer], plain.run(PROMPT, [reads])[reads])
    number = int(values[position].argmax())
    return number, values[:, number]


def test_what_it_writes_and_promotes_is_that_of_all_layers_together(both):
    plain, model, clt = both
    number, values = strongest(plain, clt, 1)
    name = f"L1.F{number}"
    run = model.run(PROMPT, ue.component_capture(model, name))
    found = ue.component(run, name, 3, 4, downstream=3)
    rows = rows_of(clt.layers[1], number)
    wrote = values[3] * sum(rows.values())
    torch.testing.assert_close(write(run, name)[3], wrote, atol=1e-10, rtol=1e-10)
    assert found.write_norm == pytest.approx(float(wrote.norm()), rel=1e-6)
    assert found.activation == pytest.approx(values.tolist())
    last = run[f"L{plain.anatomy.n_layers - 1}.resid_post"][3]
    effects = plain.unembedding.weight.double() @ normed(plain, last, wrote)
    best = effects.topk(4)
    assert [one.token.id for one in found.promotes] == best.indices.tolist()
    assert [one.logit for one in found.promotes] == pytest.approx(best.values.tolist(), rel=1e-6)


def test_where_it_acts_is_the_direct_effect_that_a_trace_of_each_has(both):
    plain, model, clt = both
    number, _ = strongest(plain, clt, 0)
    name = f"L0.F{number}"
    found = ue.component(
        model.run(PROMPT, ue.component_capture(model, name)), name, 3, downstream=3
    )
    assert {one.kind for one in found.downstream} >= {"neuron", "latent"}
    for one in found.downstream:
        if one.kind in ("neuron", "latent"):
            traced = ue.trace(model, PROMPT, one.node, through=one.through)
            direct = traced.node_at(f"{name}@3").direct
            assert one.effect == pytest.approx(direct, rel=1e-5, abs=1e-9)


def test_a_latent_of_a_late_layer_is_traced_to_all_writes_of_earlier_ones(both):
    plain, model, clt = both
    number, values = strongest(plain, clt, 0, position=4)
    traced = ue.trace(model, PROMPT, "L2.F3@4")
    (part,) = traced.parts
    assert part.completeness.rest == pytest.approx(0, abs=1e-9)
    # by hand: its writes before layer 2's feed-forward, through the norm with its scale held
    mid = plain.run(PROMPT, ["L2.resid_mid", "L2.mlp_in"])
    rows = rows_of(clt.layers[0], number)
    written = values[4] * (rows[0] + rows[1])
    state, read = mid["L2.resid_mid"][4], mid["L2.mlp_in"][4]
    scale = read / (state if plain.family != "gpt2" else centred(plain, state, read))
    part_of = (written if plain.family != "gpt2" else written - written.mean()).detach()
    edge = (part_of * scale.detach()) @ clt.layers[2].weights.W_enc[:, 3]
    assert traced.node_at(f"L0.F{number}@4").direct == pytest.approx(float(edge), rel=1e-4)


def centred(plain, state, read):
    """What LayerNorm multiplies, entry by entry, so that read = it * scale."""
    norm = plain.module.transformer.h[2].ln_2
    centre = state - state.mean()
    return centre * (read / (read - norm.bias))


def test_the_page_of_the_weights_says_each_layers_vector_and_their_sum(both):
    plain, model, clt = both
    page = live_page(model, "L1.F7", top_k=5)
    rows = rows_of(clt.layers[1], 7)
    whole = sum(rows.values())
    scores = plain.unembedding.weight.double() @ whole
    assert [one.token.id for one in page.promoted] == scores.topk(5).indices.tolist()
    assert page.norm == pytest.approx(float(whole.norm()), rel=1e-6)
    assert [one.site for one in page.writes] == [f"L{to}.mlp_out" for to in rows]
    for one, row in zip(page.writes, rows.values(), strict=True):
        assert one.norm == pytest.approx(float(row.norm()), rel=1e-6)
        cosine = torch.nn.functional.cosine_similarity(row, whole, dim=0)
        assert one.cosine == pytest.approx(float(cosine), abs=1e-6)
        best = int((plain.unembedding.weight.double() @ row).argmax())
        assert one.promoted[0].token.id == best
    sums = torch.stack([sum(rows_of(clt.layers[1], latent).values()) for latent in range(N)])
    cosines = torch.nn.functional.cosine_similarity(sums, sums[7], dim=-1)
    near = nearest_hits(model, "L1.F7", limit=2)
    wanted = [f"L1.F{one}" for one in cosines.topk(3).indices[1:].tolist()]
    assert [one.node for one in near] == wanted
    assert live_page(plain, "L1.N7").writes == ()


def test_every_write_is_a_vector_of_the_index_that_says_which_it_is(both, tmp_path):
    plain, model, clt = both
    index = latent_index(model, folder=tmp_path)
    n_layers = plain.anatomy.n_layers
    assert len(index) == N * n_layers * (n_layers + 1) // 2
    token = 9
    every = {
        (f"L{layer}.F{latent}", f"L{to}.mlp_out"): float(plain.unembedding.weight[token] @ row)
        for layer, one in enumerate(clt.layers)
        for latent in range(N)
        for to, row in rows_of(one, latent).items()
    }
    found = index.token(token, limit=6)
    best = sorted(every, key=lambda key: -every[key])[:6]
    assert [(one.node, one.written) for one in found.items] == best
    assert [one.score for one in found.items] == pytest.approx(
        [every[key] for key in best], rel=1e-4
    )
    assert found.to_pandas()["written"].tolist() == [site for _, site in best]
    row = rows_of(clt.layers[0], 3)[2]
    nearest = index.similar(row, limit=1).items[0]
    assert (nearest.node, nearest.written) == ("L0.F3", "L2.mlp_out")
    assert nearest.score == pytest.approx(1.0, abs=1e-5)
    assert index.vector("L0.F3").written == "L0.mlp_out"


def test_a_lens_and_an_objective_see_its_edits(both):
    plain, model, clt = both
    number, values = strongest(plain, clt, 0)
    run = model.run(PROMPT, edits=[ue.zero(f"L0.F{number}")])
    taken = [
        ue.add(f"L{to}.mlp_out", -values[:, None] * row)
        for to, row in rows_of(clt.layers[0], number).items()
    ]
    torch.testing.assert_close(run.logits, plain.run(PROMPT, edits=taken).logits, atol=1e-5, rtol=0)
    goal = ue.Objective.activation(f"L0.F{number}", position=3)
    assert ue.sweep(model, PROMPT, [()], objective=goal).rows[0].value == pytest.approx(
        float(values[3])
    )
    seen = plain.run(PROMPT, effects_capture(plain, 0))
    rows = rows_of(clt.layers[0], number)
    each = [Writes(values[-1] * row[None], to, "mlp") for to, row in rows.items()]
    direct = float(effects_on(seen, each, [ue.Objective.logit(7, position=-1)]).sum())
    found = ue.attribute(model, PROMPT, 7, pairs=False)
    at = len(found.tokens) - 1
    assert found.node(f"L0.F{number}@{at}").direct == pytest.approx(direct, rel=1e-5, abs=1e-8)


def test_downstream_of_it_is_what_all_its_writes_do(both):
    plain, model, clt = both
    number, values = strongest(plain, clt, 0)
    name = f"L0.F{number}@3"
    found = ue.trace(model, PROMPT, name, direction="downstream", target=7, position=3)
    rows = rows_of(clt.layers[0], number)
    wrote = values[3] * sum(rows.values())
    assert found.value == pytest.approx(float(wrote.norm()), rel=1e-6)
    readers = [one for one in found.readers if one.name.startswith(("L2.F", "L2.N"))]
    assert readers
    for one in readers[:4]:
        traced = ue.trace(model, PROMPT, one.name, through=one.through)
        assert one.effect == pytest.approx(traced.node_at(name).direct, rel=1e-5, abs=1e-9)
    goal = ue.Objective.logit(7, position=3)
    direct = ue.attribute(model, PROMPT, goal, pairs=False).node(name).direct
    assert found.direct == pytest.approx(direct, rel=1e-5)


def test_a_flow_graph_does_not_draw_them_and_says_so(both):
    plain, model, _ = both
    graphs = [
        ue.flow_graph(one.run(PROMPT, ue.flow_capture(one, [1])), [1]) for one in (plain, model)
    ]
    assert [node.id for node in graphs[0].nodes] == [node.id for node in graphs[1].nodes]
    (note,) = (note for note in graphs[1].notes if "are not drawn" in note and "L1." in note)
    assert "ue.attribution_graph" in note
