"""A search by lists of like tokens looks at a part of a large corpus: what it lists is exact, and
the recall that it states is that of plain loops over all tokens.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.errors import IndexMissingError
from unembed.index.corpus import lists
from unembed.index.corpus.build import estimate_corpus, index_corpus
from unembed.index.corpus.lists import Lists
from unembed.index.corpus.opening import open_corpus
from unembed.index.store import to_arrow, to_numpy

TEXT = "the a dog cat girl bank river city pub sat ran saw hear near on of to her his local"
WORDS = TEXT.split()
DEPTH = 50


@pytest.fixture(scope="module")
def large(model_of):
    """A model for which a thousand tokens are many."""
    known = model_of("gemma3")
    settings = replace(known.settings, exact_search_tokens=1000)
    return ue.load(known.module, tokenizer=known.tokenizer, settings=settings, prove=False)


@pytest.fixture(scope="module")
def sentences():
    drawn = random.Random(3)
    return [" ".join(drawn.choices(WORDS, k=drawn.randint(4, 12))) for _ in range(120)]


@pytest.fixture(scope="module")
def file(sentences, tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_text("\n".join(sentences))
    return path


@pytest.fixture(scope="module")
def corpus(large, file):
    corpus = index_corpus(large, file, "large", [2], folder=file.parent, split="lines")
    assert len(corpus) > 3000
    return corpus


@pytest.fixture(autouse=True)
def _lists_pay(monkeypatch):
    """Of a small corpus more than a tenth may have to be looked at."""
    monkeypatch.setattr(lists, "MOST_SHARE", 1.0)


def vectors_of(corpus, site):
    """Every kept vector, in double precision, each head of length one; special tokens are zeros."""
    (heads,) = (one.heads for one in corpus.sites if one.name == site)
    kept = to_numpy(corpus._rows.column(site, "vector")).astype(np.float64)
    parts = kept.reshape(len(kept), heads, -1)
    kept = (parts / np.linalg.norm(parts, axis=2, keepdims=True)).reshape(kept.shape)
    kept[~corpus.columns.words()] = 0
    return kept


def arrow(array):
    """An array as a table of the store gives it."""
    return to_arrow({"x": array})["x"].combine_chunks()


def lists_in(corpus, site):
    (kept,) = (one for one in corpus.sites if one.name == site)
    about = corpus._lists.abouts[site]
    return about, Lists(corpus._rows, kept, about, len(corpus))


@pytest.mark.parametrize("site", ["L2.resid_post", "L2.z"])
def test_the_recall_that_is_stated_is_that_of_prompts_of_other_texts(site, corpus, large):
    about, near = lists_in(corpus, site)
    kept = vectors_of(corpus, site)
    heads = corpus.sites[site.endswith("z")].heads
    drawn = random.Random(4)
    found, looked_at = [], []
    for _ in range(60):
        prompt = " ".join(drawn.choices(WORDS, k=drawn.randint(4, 12)))
        states = (
            large.run(prompt, capture=[site])[site]
            .double()
            .reshape(-1, heads, kept.shape[1] // heads)
        )
        states = torch.nn.functional.normalize(states, dim=-1).flatten(1)
        for query in states[1:]:  # behind the token that begins a text
            nearest = set(np.argsort(-(kept @ query.numpy()))[:DEPTH].tolist())
            seen = near.rows(near.near(query, DEPTH))
            assert len(set(seen.tolist())) == len(seen)
            found.append(len(nearest & set(seen.tolist())) / DEPTH)
            looked_at.append(len(seen) / len(corpus))
    assert about.recall(DEPTH) == pytest.approx(np.mean(found), abs=0.02)
    assert np.mean(found) >= 0.95
    assert about.share == pytest.approx(np.mean(looked_at), abs=0.02)
    assert about.probes < about.lists
    assert about.share < 0.8


@pytest.mark.parametrize("by", ["hidden", "context"])
def test_scores_are_exact_and_the_answer_says_how_it_was_found(by, corpus, large, sentences):
    site = {"hidden": "L2.resid_post", "context": "L2.z"}[by]
    kept, heads = vectors_of(corpus, site), corpus.sites[by == "context"].heads
    found = []
    for number in range(0, 40, 5):
        near = corpus.search(sentences[number], 2, by=by)
        query = large.run(sentences[number], capture=[site])[site][2].double().reshape(heads, -1)
        query = torch.nn.functional.normalize(query, dim=1).reshape(-1).numpy()
        scores = kept @ query / heads
        np.testing.assert_allclose(
            [hit.score for hit in near.items], scores[[hit.row for hit in near.items]], atol=1e-5
        )
        ordered = [(-hit.score, hit.row) for hit in near.items]
        assert ordered == sorted(ordered)
        nearest = set(np.argsort(-scores)[:DEPTH].tolist())
        found.append(len(nearest & {hit.row for hit in near.items}) / DEPTH)
        assert f"; approximate, recall {near.recall:.3f}" in near.summary()
    assert near.recall >= lists.RECALL
    assert np.mean(found) > 0.85
    exact = corpus.search(sentences[number], 2, by=by, exact=True)
    best = np.sort(scores)[::-1][:DEPTH]
    np.testing.assert_allclose([hit.score for hit in exact.items], best, atol=1e-5)
    assert exact.recall is None
    assert "; exact" in exact.summary()


def test_the_query_itself_comes_first_with_cosine_one(corpus, sentences):
    for by in ("hidden", "context"):
        for number in range(0, 110, 17):
            tokens = corpus.tokens(number)
            at = [one.position for one in tokens if not one.token.special][-1]
            first = corpus.search(sentences[number], at, by=by, limit=1).items[0]
            assert first.score == pytest.approx(1.0, abs=1e-6)
            assert first.text == sentences[number]


@pytest.mark.parametrize(
    "options",
    [
        {"word": tuple(WORDS[2:])},
        {"word": ("bank",)},
        {"file": ("large.txt",), "near": ("river",)},
        {"by": "context", "heads": (1, 3)},
        {"by": "context", "weighting": "query"},
        {"limit": 200, "offset": 1},
    ],
    ids=str,
)
def test_what_was_not_measured_is_compared_one_by_one(options, corpus, sentences):
    """Behind a filter, by single heads, or deeper than the depths that were measured."""
    found = corpus.search(sentences[5], 3, **options)
    assert found.recall is None
    assert found == corpus.search(sentences[5], 3, exact=True, **options)


def test_a_filter_that_leaves_everything_is_none(corpus, sentences):
    found = corpus.search(sentences[5], 3, file=("large.txt",))
    assert found.recall is not None
    assert found == corpus.search(sentences[5], 3)


def test_rows_behind_the_lists_are_never_missed(corpus):
    """As if the last 70 rows had been appended after the lists were made."""
    about, whole = lists_in(corpus, "L2.resid_post")
    site, first = corpus.sites[0], len(corpus) - 70
    members = [whole.order[start:end] for start, end in pairwise(whole._ends)]
    members = [one[one < first] for one in members]
    made = {
        ("L2.resid_post.lists", "row"): np.concatenate(members),
        ("L2.resid_post.centres", "vector"): whole._centres.numpy(),
        ("L2.resid_post.centres", "n"): np.array([len(one) for one in members]),
    }
    stored = SimpleNamespace(column=lambda *named: arrow(made[named]))
    near = Lists(stored, site, replace(about, rows=first, probes=1), len(corpus))
    drawn = torch.randn(site.width, generator=torch.Generator().manual_seed(0))
    seen = near.rows(near.near(drawn, 5)).tolist()
    assert set(range(first, len(corpus))) <= set(seen)
    assert len(seen) == len(set(seen)) < len(corpus) / 2
    assert len(near.rows(near.near(drawn, 400))) >= 470  # more lists where one has too few
    assert sorted(near.order.tolist()) == list(range(len(corpus)))


def test_vectors_on_disk_give_the_same(corpus, large, file, sentences, monkeypatch):
    settings = replace(large.settings, index_cache_bytes=1)
    monkeypatch.setattr(large, "settings", settings)
    small = open_corpus(large, "large", folder=file.parent)
    assert small.search(sentences[9], 2) == corpus.search(sentences[9], 2)


def test_a_small_corpus_is_compared_token_by_token(large, file, sentences, tmp_path):
    (tmp_path / "few.txt").write_text("\n".join(sentences[:40]))
    few = index_corpus(large, tmp_path / "few.txt", "few", [0], folder=tmp_path, split="lines")
    assert few.search(sentences[0], 2).recall is None
    assert not few._lists.abouts
    assert not list(tmp_path.rglob("*.lists.lance"))


def test_a_corpus_from_before_gets_its_lists_by_the_same_command(
    large, file, sentences, tmp_path, monkeypatch
):
    def build():
        return index_corpus(large, file, "one", [2], folder=tmp_path, split="lines", kept="hidden")

    settings = large.settings
    monkeypatch.setattr(large, "settings", replace(settings, exact_search_tokens=10_000))
    before = build()
    monkeypatch.setattr(large, "settings", settings)
    real, calls = lists.Rows.write, []

    def stopped(self, name, columns):
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(self, name, columns)

    monkeypatch.setattr(lists.Rows, "write", stopped)
    with pytest.raises(KeyboardInterrupt):
        build()
    assert open_corpus(large, "one", folder=tmp_path).search(sentences[0], 2).recall is None
    monkeypatch.setattr(lists.Rows, "write", real)
    heard = []
    after = index_corpus(
        large, file, "one", [2], folder=tmp_path, split="lines", kept="hidden",
        progress=lambda *given: heard.append(given),
    )  # fmt: skip
    assert heard[-1] == ("lists of like tokens, L2.resid_post", 0, 1)
    found = after.search(sentences[0], 2)
    assert found.recall is not None
    assert before.search(sentences[0], 2) == after.search(sentences[0], 2, exact=True)
    monkeypatch.setattr("unembed.index.corpus.build.make_lists", None)
    assert build().search(sentences[0], 2) == found


def test_a_build_cut_short_at_its_lists_goes_on(large, file, tmp_path, monkeypatch):
    real = lists.Rows.write
    monkeypatch.setattr(lists.Rows, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    options = {"folder": tmp_path, "split": "lines", "kept": "hidden"}
    with pytest.raises(KeyboardInterrupt):
        index_corpus(large, file, "one", [2], **options)
    with pytest.raises(IndexMissingError):
        open_corpus(large, "one", folder=tmp_path)
    monkeypatch.setattr(lists.Rows, "write", real)
    monkeypatch.setattr(lists.Rows, "add_sentences", None)
    built = index_corpus(large, file, "one", [2], **options)
    assert set(built._lists.abouts) == {"L2.resid_post"}


def test_lists_that_do_not_pay_are_not_used(corpus, sentences, monkeypatch):
    monkeypatch.setattr(lists, "MOST_SHARE", 0.0)
    assert corpus.search(sentences[0], 2).recall is None


def test_an_estimate_counts_the_lists(large, file, corpus, monkeypatch):
    monkeypatch.setattr(
        "unembed.index.corpus.estimate.seconds_of_lists", lambda site, n: 1e6 + site.layer + n
    )
    said = estimate_corpus(large, file, [2], kept="hidden", split="lines")
    assert said.tokens == pytest.approx(len(corpus), rel=0.1)
    assert said.seconds == pytest.approx(1e6 + 2 + said.tokens, abs=500)
    assert lists.seconds_of_lists(corpus.sites[0], len(corpus)) > 0


@pytest.mark.parametrize(("at_once", "first"), [(7, 5), (100, 0), (10_000, 3000)])
def test_a_table_is_read_in_stretches_without_a_gap(at_once, first, corpus):
    parts = list(corpus._rows.stretches("tokens", ["row"], at_once, first))
    assert max(len(part["row"]) for part in parts) <= at_once
    found = np.concatenate([to_numpy(part["row"]) for part in parts])
    assert found.tolist() == list(range(first, len(corpus)))
