"""Every query gives what looking at all vectors gives, for every side, layer range and page."""

from __future__ import annotations

import io
import json
import threading

import pytest
import torch
from torch.nn.functional import cosine_similarity

import unembed as ue
from unembed.analyses.tools.vectors import token_direction
from unembed.errors import InputError, TargetError
from unembed.index.build import build_index
from unembed.index.opening import open_index
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.settings import Settings

from .conftest import TOP_K, dense

NAMES = ("gpt2", "gemma3", "cohere")
N = 52  # neurons of each layer
SIGNS = {"promoted": lambda s: s, "suppressed": lambda s: -s, "both": torch.abs}


def rows_of(hits):
    return [hit.layer * N + hit.neuron for hit in hits.items]


def assert_best(hits, wanted, rows, scores):
    """The hits are the best rows by `wanted`, in order; near ties may stand either way."""
    found = rows_of(hits)
    assert len(set(found)) == len(found)
    assert set(found) <= set(rows)
    best = wanted[list(rows)].sort(descending=True).values[: len(found)]
    torch.testing.assert_close(wanted[found], best, rtol=1e-4, atol=1e-5)
    given = torch.tensor([hit.score for hit in hits.items], dtype=torch.float64)
    torch.testing.assert_close(given, scores[found], rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------ tokens


@pytest.mark.parametrize("side", SIGNS)
@pytest.mark.parametrize("projection", ["raw", "final_norm"])
@pytest.mark.parametrize("name", NAMES)
def test_token_search_is_exact_over_all_vectors(name, projection, side, index_of, model_of):
    index, model = index_of(name, projection), model_of(name)
    token = model.token_id("he")
    scores = dense(model, projection)[1][:, token]
    hits = index.token("he", side=side, limit=len(index))
    assert hits.total == len(index) == len(hits.items)
    assert_best(hits, SIGNS[side](scores), range(len(index)), scores)
    assert hits.items[0].matched[0].token.id == token
    assert hits.items[0].matched[0].score == hits.items[0].score


def test_token_search_takes_ids_layers_and_pages(index_of, model_of):
    index, model = index_of("gpt2"), model_of("gpt2")
    scores = dense(model)[1][:, 80]
    hits = index.token(80, layers=(1, 2), limit=7, offset=5)
    assert hits.total == 2 * N
    order = scores[N:].argsort(descending=True)[5:12] + N
    assert rows_of(hits) == order.tolist()
    with pytest.raises(TargetError, match="is not one token"):
        index.token("hethe")


# ------------------------------------------------------------------ neighbours


@pytest.mark.parametrize("name", NAMES)
def test_neighbours_of_a_vector_are_those_of_all_cosines(name, index_of, model_of):
    index, (vectors, _) = index_of(name), dense(model_of(name))
    cosines = cosine_similarity(vectors, vectors[N + 3][None])
    hits = index.similar("L1.N3", limit=len(index))
    assert hits.total == len(index) - 1
    assert_best(hits, cosines, [row for row in range(len(index)) if row != N + 3], cosines)


def test_opposite_vectors_count_where_they_are_asked_for(index_of, model_of):
    index, (vectors, _) = index_of("gemma3"), dense(model_of("gemma3"))
    cosines = cosine_similarity(vectors, vectors[0][None])
    hits = index.similar("L0.N0", limit=9, include_negative=True)
    assert_best(hits, cosines.abs(), range(1, len(index)), cosines)
    assert min(hit.score for hit in hits.items) < 0


def test_neighbours_of_what_a_latent_writes(tmp_path):
    module = tiny_model("gpt2")
    model = ue.load(module, tokenizer=tiny_tokenizer(), prove=False)
    index = build_index(model, folder=tmp_path)
    vectors, _ = dense(model)
    for place in ("L1.mlp_out", "L2.mlp_post"):
        site, _ = places(place)
        d, rows = (40, torch.randn(6, 40)) if site.layer == 1 else (N, torch.randn(6, N))
        says = Description("made up", "sae", "relu", d, d, 6, reads=site, writes=site)
        weights = Weights(rows.T, rows, torch.zeros(6), torch.zeros(d))
        model.attach(ue.Sae(says, weights), verify=False)
        if site.layer == 1:
            cosines = cosine_similarity(vectors, rows[4].double()[None])
            assert_best(index.similar("L1.F4", limit=9), cosines, range(len(index)), cosines)
    with pytest.raises(TargetError, match="no part of the residual stream"):
        index.similar("L2.F0")


def test_neighbours_of_any_direction(index_of, model_of):
    index, model = index_of("gpt2"), model_of("gpt2")
    vectors, _ = dense(model)
    direction = token_direction(model, "he", minus="in")
    cosines = cosine_similarity(vectors, direction.double()[None])
    hits = index.similar(direction, layers=(0, 1), limit=11)
    assert hits.total == 2 * N
    assert_best(hits, cosines, range(2 * N), cosines)
    run = model.run("the", ["L1.resid_post"], logits="none")
    state = run["L1.resid_post"][-1]
    assert_best(
        index.similar(state),
        cosine_similarity(vectors, state.double()[None]),
        range(len(index)),
        cosine_similarity(vectors, state.double()[None]),
    )


@pytest.mark.parametrize(
    "direction",
    [torch.zeros(40), torch.ones(39), torch.ones(1, 40), torch.full((40,), torch.nan)],
    ids=["zeros", "short", "matrix", "nan"],
)
def test_what_is_no_direction_is_refused(direction, index_of):
    with pytest.raises(InputError, match="must be 40 finite numbers"):
        index_of("gpt2").similar(direction)


@pytest.mark.parametrize("node", ["L1.H2", "embed", "L9.N1", "L1.N52", "music"])
def test_what_is_no_vector_is_refused(node, index_of):
    with pytest.raises(TargetError):
        index_of("gpt2").similar(node)
    with pytest.raises(TargetError):
        index_of("gpt2").vector(node)


# ------------------------------------------------------------------ words


def holders(index, tokens, side):
    """Rows whose stored list has one of these tokens, read from the pages."""
    found = set()
    for row in range(len(index)):
        page = index.vector(f"L{row // N}.N{row % N}")
        listed = page.promoted if side == "promoted" else page.suppressed
        if any(one.token.id in tokens and abs(one.score) > 0 for one in listed):
            found.add(row)
    return found


@pytest.mark.parametrize("ranking", ["strength", "bm25"])
@pytest.mark.parametrize("side", ["promoted", "suppressed"])
def test_a_search_finds_every_vector_that_lists_the_words(side, ranking, index_of, model_of):
    index, model = index_of("gpt2"), model_of("gpt2")
    a = {model.token_id("a"), model.token_id("A"), model.token_id(" a")}
    he = {model.token_id("he")}
    asked = {"side": side, "ranking": ranking, "limit": 1000}
    with_a, with_he = holders(index, a, side), holders(index, he, side)
    both = index.search("a, he", combine="all", **asked)
    assert set(rows_of(index.search("A", **asked))) == with_a
    assert set(rows_of(index.search(["a", "he"], **asked))) == with_a | with_he
    assert set(rows_of(both)) == with_a & with_he
    assert both.total == len(with_a & with_he) > 0
    for hit in both.items:
        assert {one.token.id for one in hit.matched} & a
        assert {one.token.id for one in hit.matched} & he


def test_both_sides_are_the_two_together(index_of):
    index = index_of("gpt2")
    sides = [
        {hit.node: hit.score for hit in index.search("he", side=side, limit=1000).items}
        for side in ("promoted", "suppressed", "both")
    ]
    assert sides[2] == sides[0] | sides[1]
    matched = [hit.matched[0].score for hit in index.search("he", side="both", limit=1000).items]
    assert min(matched) < 0 < max(matched)


def test_pages_and_layers_cut_the_same_answer(index_of):
    index = index_of("gemma3")
    whole = index.search("a, e, i, o", limit=1000)
    assert whole.total == len(whole.items) > 20
    pages = [index.search("a, e, i, o", limit=8, offset=start) for start in range(0, 24, 8)]
    assert [hit for part in pages for hit in part.items] == list(whole.items[:24])
    assert all(part.total == whole.total for part in pages)
    some = index.search("a, e, i, o", layers=(1, 2), limit=1000)
    assert some.items == tuple(hit for hit in whole.items if hit.layer in (1, 2))
    scores = [hit.score for hit in whole.items]
    assert scores == sorted(scores, reverse=True)
    beyond = index.search("a", offset=5000)
    assert (beyond.items, beyond.total > 0) == ((), True)


def test_an_unknown_word_and_a_split_one_are_told_apart(index_of):
    with pytest.raises(InputError, match=r"'thee' is no token .* it is split into ' the', 'e'"):
        index_of("gpt2").search("thee")
    assert index_of("gpt2").search("thee", match="part").total > 0


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"combine": "none"}, "combine"),
        ({"ranking": "pagerank"}, "ranking"),
        ({"side": "left"}, "side"),
        ({"match": "regex"}, "match"),
        ({"layers": (2, 1)}, "layers"),
        ({"layers": (0, 3)}, "layers"),
        ({"layers": (-1, 1)}, "layers"),
        ({"limit": -1}, "limit"),
        ({"offset": -1}, "offset"),
        ({"limit": 2.5}, "limit"),
    ],
    ids=str,
)
def test_arguments_that_are_not_legal_are_named(arguments, field, index_of):
    with pytest.raises(InputError) as caught:
        index_of("gpt2").search("he", **arguments)
    assert caught.value.field == field


def test_without_a_tokenizer_there_are_no_words(tmp_path):
    model = ue.load(tiny_model("gpt2"))
    index = build_index(model, top_k=3, folder=tmp_path)
    with pytest.raises(InputError, match="without a tokenizer"):
        index.search("he")
    assert index.token(80).total == 3 * N


# ------------------------------------------------------------------ pages


def test_a_page_has_the_lists_the_norm_and_its_percentiles(index_of, model_of):
    index, model = index_of("gpt2"), model_of("gpt2")
    vectors, scores = dense(model)
    norms, row = vectors.norm(dim=-1), N + 7
    page = index.vector("L1D7")
    assert (page.node, page.layer, page.neuron) == ("L1.N7", 1, 7)
    assert page.norm == pytest.approx(float(norms[row]))
    assert page.norm_percentile == pytest.approx(100 * float((norms < norms[row]).sum()) / 155)
    own = norms[N : 2 * N]
    assert page.layer_norm_percentile == pytest.approx(100 * float((own < norms[row]).sum()) / 51)
    assert [one.token.id for one in page.promoted] == scores[row].topk(TOP_K).indices.tolist()
    assert [one.token.id for one in page.suppressed] == (-scores[row]).topk(TOP_K).indices.tolist()
    longest, shortest = (int(found) for found in (norms.argmax(), norms.argmin()))
    assert index.vector(index.node(longest)).norm_percentile == 100
    assert index.vector(index.node(shortest)).norm_percentile == 0


def test_browsing_a_layer_goes_by_number(index_of):
    index = index_of("gpt2")
    assert [page.node for page in index.browse(2, 50, 10)] == ["L2.N50", "L2.N51"]
    assert len(index.browse(0)) == 20
    assert len(index.browse(0)[0].promoted) == 10
    for layer, first in ((3, 0), (0, 52), (0, -1)):
        with pytest.raises(InputError):
            index.browse(layer, first)


def test_hits_are_data_a_table_and_text(index_of):
    from rich.console import Console

    hits = index_of("gpt2").search("he", limit=4)
    data = json.loads(hits.to_json())
    assert data == hits.to_dict() | {"items": data["items"]}
    assert data["items"][0]["matched"][0]["token"]["text"] == "he"
    frame = hits.to_pandas()
    assert list(frame["node"]) == [hit.node for hit in hits.items]
    assert "he" in frame["matched"][0]
    printed = io.StringIO()
    Console(width=120, file=printed).print(hits)
    assert hits.items[0].node in printed.getvalue()
    assert f"4 of {hits.total}" in printed.getvalue()


# ------------------------------------------------------------------ memory and threads


def test_vectors_beyond_the_budget_are_read_from_disk_with_the_same_answers(tmp_path, index_of):
    held = index_of("gemma3")
    settings = Settings(index_cache_bytes=1000)
    model = ue.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer(), settings=settings)
    index = build_index(model, top_k=TOP_K, folder=tmp_path)
    assert not index.vectors.fits
    assert held.vectors.fits
    for ask in (
        lambda one: one.token("he", limit=300),
        lambda one: one.similar("L2.N5", limit=300),
        lambda one: one.search("he"),
    ):
        found, wanted = ask(index), ask(held)
        assert [hit.node for hit in found.items] == [hit.node for hit in wanted.items]
        assert [hit.score for hit in found.items] == pytest.approx(
            [hit.score for hit in wanted.items], abs=1e-6
        )
    assert torch.equal(index.vectors.rows([100, 3, 3]), held.vectors.rows([100, 3, 3]))
    assert index.clusters(5).sizes == held.clusters(5).sizes


def test_eight_threads_get_the_answers_that_one_gets(model_of, index_of):
    index_of("gemma3").clusters(6)
    index = open_index(model_of("gemma3"), folder=index_of("gemma3").tables.folder.path.parent)
    questions = [
        lambda: index.search("a, he", side="both"),
        lambda: index.search("a", ranking="bm25", side="suppressed"),
        lambda: index.token("he", side="suppressed"),
        lambda: index.similar("L1.N3"),
        lambda: index.vector("L2.N2"),
        lambda: index.clusters(6).cluster(2),
    ]
    wanted = None
    answers, failed = {}, []

    def ask(number):
        try:
            for turn in range(10):
                order = range(len(questions))
                answers[number, turn] = [questions[(one + number) % 6]() for one in order]
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    wanted = [question() for question in questions]
    for (number, _), found in answers.items():
        assert found == [wanted[(one + number) % 6] for one in range(6)]
