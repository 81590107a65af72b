"""Summaries equal a count token by token; attention equals transformers' own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from unembed.errors import InputError
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.summing import wilson
from unembed.models.tiny import tiny_model

PROMPT = "The girl ran to a local pub to escape the din of her city."


@pytest.mark.parametrize("of", ["match", "next"])
def test_shares_and_base_rates_equal_a_count(of, corpus):
    hits = corpus.search(PROMPT, 9, limit=20)
    found, every = Counter(), Counter()
    for hit in hits.items:
        token = hit.match if of == "match" else hit.next
        found[token.pos or ""] += 1
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        for before, one in zip([None, *tokens], tokens, strict=False):
            if one.token.special or (of == "next" and (not before or before.token.special)):
                continue
            every[one.pos or ""] += 1
    summary = corpus.summarise(hits, of)
    shown = {item.label: item for item in summary.items if item.column == "pos"}
    assert {label: item.count for label, item in shown.items()} == dict(found)
    assert summary.n == 20
    for label, item in shown.items():
        base = every[label] / every.total()
        assert item.share == pytest.approx(found[label] / 20)
        assert item.base == pytest.approx(base)
        assert item.lift == pytest.approx(found[label] / 20 / base)
        assert 0 <= item.low <= item.lift <= item.high
    counts = [item.count for item in summary.items if item.column == "pos"]
    assert counts == sorted(counts, reverse=True)
    assert set(summary.to_pandas()["column"]) == {"pos", "tag", "dep", "entity"}


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),  # R: binom::binom.confint(..., methods = "wilson")
    [(0, 10, 0.0, 0.2775328), (5, 10, 0.2365931, 0.7634069), (50, 50, 0.9286524, 1.0)],
)
def test_the_interval_is_wilsons(count, n, low, high):
    assert wilson(count, n) == pytest.approx((low, high), abs=1e-6)


def test_attention_is_the_models_own(corpus, model):
    module = tiny_model("gemma3")  # transformers leaves hooks on what gives attentions away
    module.set_attn_implementation("eager")
    for by, heads in (("context", (1, 2)), ("hidden", None)):
        hits = corpus.search(PROMPT, 9, by=by, heads=heads, limit=6)
        attended = corpus.summarise(hits, "attended")
        offsets = []
        for hit in hits.items:
            tokens = corpus.tokens(hit.sentence)
            ids = torch.tensor([[one.token.id for one in tokens]])
            with torch.no_grad():
                own = module(ids, output_attentions=True).attentions[3][0]
            row = own[list(heads or range(4)), hit.match.position].mean(0)
            found = corpus.attention(hit, 3, heads)
            torch.testing.assert_close(found, row, atol=1e-5, rtol=1e-4)
            (whole,) = corpus.sentences([hit.row], 3, heads=heads).items
            assert whole.attention == pytest.approx(row.tolist(), rel=1e-4, abs=1e-5)
            assert (whole.text, whole.tokens) == (hit.text, tokens)
            real = [
                float(row[at]) if one.start is not None else -1 for at, one in enumerate(tokens)
            ]
            offsets.append(int(np.argmax(real)) - hit.match.position)
        shown = {item.label: item.count for item in attended.items if item.column == "offset"}
        assert shown == {f"{one:+d}": count for one, count in Counter(offsets).items()}


def test_what_cannot_be_summed_up_is_said(corpus, model_of, texts, tmp_path):
    hits = corpus.search(PROMPT, 9, limit=3)
    nothing = corpus.search(PROMPT, 9, word=("elephant",))
    plain = index_corpus(model_of("bert"), texts, "b", [1], folder=tmp_path)
    for call, message in [
        (lambda: corpus.summarise(nothing), "no token to sum up"),
        (lambda: corpus.summarise(hits, "before"), '"match", "next" or "attended"'),
        (lambda: corpus.summarise(corpus.search(), "attended"), "found without a prompt"),
        (lambda: plain.summarise(plain.search("a", 0), "next"), "does not read from left to right"),
        (lambda: plain.summarise(plain.search("a", 0)), "this corpus has no labels"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
    for whole, prompt, of in ((corpus, None, "attended"), (plain, "a", "next")):
        for option, value in (("summarise", of), ("narrow", (f"{of}.pos=NOUN",))):
            with pytest.raises(InputError) as caught:
                whole.search(prompt, **{option: value})
            assert caught.value.field == option


def test_a_search_sums_up_what_it_lists(corpus):
    for asked in ("match", "next", "attended"):
        hits = corpus.search(PROMPT, 9, pos=("NOUN",), limit=5, summarise=asked)
        plain = corpus.search(PROMPT, 9, pos=("NOUN",), limit=5)
        assert plain.labels is None
        assert [replace(hit, attended=None) for hit in hits.items] == [*plain.items]
        assert hits.labels == corpus.summarise(plain, asked)
        if asked != "attended":
            assert hits.items == plain.items
            continue
        for hit in hits.items:
            row = corpus.attention(hit, 3).tolist()
            real = [
                at for at, one in enumerate(corpus.tokens(hit.sentence)) if one.start is not None
            ]
            assert hit.attended == corpus.tokens(hit.sentence)[max(real, key=row.__getitem__)]
    for of in ("match", "next", "attended"):  # of nothing there is nothing, and that is no error
        none = corpus.search(PROMPT, 9, word=("elephant",), summarise=of)
        assert (none.labels.of, none.labels.n, none.labels.items) == (of, 0, ())
    end = corpus.search(word=(".",), near=("lend",), reach=1, summarise="next")
    assert ([hit.next for hit in end.items], end.labels.n) == ([None], 0)
    listed = corpus.search(pos=("NOUN",), limit=5, summarise="match")
    assert {(one.label, one.count) for one in listed.labels.items if one.column == "pos"} == {
        ("NOUN", 5)
    }
