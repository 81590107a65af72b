"""What a search finds equals a plain loop over all tokens; filters equal a look at every token."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.errors import InputError, PromptError, TargetError
from unembed.index.corpus import compare, products
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.opening import open_corpus
from unembed.index.corpus.rows import Rows
from unembed.models.tiny import tiny_model, tiny_tokenizer
from unembed.session.corpora import Corpora
from unembed.settings import Settings

from .conftest import PIPELINE

PROMPT = "The girl ran to a local pub to escape the din of her city."


def every_token(corpus):
    """(sentence's text, its tokens) of every sentence."""
    return [(corpus.text(n), corpus.tokens(n)) for n in range(corpus.about.n_sentences)]


def slowly(corpus, score, fits=lambda _: True):
    """(score, sentence, position) of every token that fits, best first; not of special ones."""
    found = []
    for number, (text, tokens) in enumerate(every_token(corpus)):
        for one in tokens:
            if not one.token.special and fits(one):
                found.append((score(text, one.position), number, one.position))
    return sorted(found, key=lambda one: -one[0])


def vectors(model, text, site):
    run = model.run(text, capture=[site])
    return run[site].double()


@pytest.fixture
def cosine(model):
    def of(site, query, heads=None, lengths=False):
        asked = vectors(model, PROMPT, site)[query]
        asked = asked.reshape(1 if heads is None else asked.shape[0], -1)

        def score(text, position):
            one = vectors(model, text, site)[position].reshape(asked.shape)
            each = torch.nn.functional.cosine_similarity(asked, one)
            chosen = list(range(len(each))) if heads is None else list(heads)
            each = each * asked.norm(dim=-1) if lengths else each / len(chosen)
            return float(each[chosen].sum())

        return score

    return of


def assert_found(hits, wanted, tolerance=1e-3):
    """Scores as in a plain loop; half precision may change the order of equals."""
    np.testing.assert_allclose(
        [hit.score for hit in hits.items], [one[0] for one in wanted[: len(hits.items)]],
        atol=tolerance,
    )  # fmt: skip
    score = {(number, position): found for found, number, position in wanted}
    for hit in hits.items:
        assert hit.score == pytest.approx(score[hit.sentence, hit.match.position], abs=tolerance)


@pytest.mark.parametrize("layer", [1, 3])
def test_states_are_compared_as_a_plain_loop_compares_them(layer, corpus, cosine):
    hits = corpus.search(PROMPT, 9, layer, limit=30)
    wanted = slowly(corpus, cosine(f"L{layer}.resid_post", 9))
    assert (hits.total, hits.site) == (len(wanted), f"L{layer}.resid_post")
    assert_found(hits, wanted)


@pytest.mark.parametrize(
    ("heads", "weighting"), [(None, "equal"), ((2,), "equal"), ((3, 0), "equal"), ((1, 2), "query")]
)
def test_contexts_are_compared_head_by_head(heads, weighting, corpus, cosine):
    hits = corpus.search(PROMPT, 9, by="context", heads=heads, weighting=weighting, limit=25)
    score = cosine("L3.z", 9, heads or range(4), lengths=weighting == "query")
    assert_found(hits, slowly(corpus, score))
    assert hits.heads == tuple(sorted(heads or range(4)))


def test_the_query_itself_comes_first_with_cosine_one(corpus, model):
    for at in range(6, len(model.tokenize(PROMPT))):  # before, other sentences begin the same
        for options in ({}, {"by": "context"}, {"by": "context", "heads": (0,)}):
            first, second = corpus.search(PROMPT, at, limit=2, **options).items
            assert first.score == pytest.approx(1.0, abs=1e-6)
            assert (first.text, first.match.position) == (PROMPT, at)
            assert (second.text, second.match.position) == (PROMPT, at)  # it is there twice
            assert first.sentence < second.sentence


def test_scores_equal_exact_ones_of_what_is_kept(corpus, model):
    hits = corpus.search(PROMPT, 5, 1, limit=200)
    asked = vectors(model, PROMPT, "L1.resid_post")[5].numpy()
    asked = asked / np.linalg.norm(asked)
    stored = corpus._rows.column("L1.resid_post", "vector")
    for hit in hits.items:
        one = np.array(stored[hit.row].as_py(), np.float64)
        exact = one @ asked / np.linalg.norm(one)
        assert hit.score == pytest.approx(exact, abs=1e-6)  # of a query in single precision


FILTERS = [
    ({"pos": ("NOUN",)}, lambda one: one.pos == "NOUN"),
    ({"pos": ("NOUN", "VERB")}, lambda one: one.pos in ("NOUN", "VERB")),
    ({"word": ("BANK", "England")}, lambda one: one.word in ("bank", "Banks", "England")[::2]),
    ({"lemma": ("bank",)}, lambda one: (one.lemma or "").lower() == "bank"),
    ({"tag": ("VBD",)}, lambda one: one.tag == "VBD"),
    ({"dep": ("nsubj",), "pos": ("NOUN",)}, lambda one: (one.dep, one.pos) == ("nsubj", "NOUN")),
    ({"entity": ("GPE",)}, lambda one: one.entity == "GPE"),
]


@pytest.mark.parametrize(("filters", "fits"), FILTERS, ids=[str(filters) for filters, _ in FILTERS])
def test_a_filter_leaves_the_tokens_that_fit_and_no_other(filters, fits, corpus, cosine):
    wanted = slowly(corpus, cosine("L3.resid_post", 4), fits)
    hits = corpus.search(PROMPT, 4, limit=200, **filters)
    assert hits.total == len(wanted) > 0
    assert_found(hits, wanted)
    listed = corpus.search(limit=200, **filters)
    places = [(hit.sentence, hit.match.position) for hit in listed.items]
    assert places == sorted(one[1:] for one in wanted)
    assert {hit.score for hit in listed.items} == {None}


@pytest.mark.parametrize(("words", "reach"), [(("bank",), 7), (("bank", "Sat"), 2), (("a",), 1)])
def test_near_is_within_the_sentence_and_of_another_word(words, reach, corpus):
    found = {hit.row for hit in corpus.search(near=words, reach=reach, limit=200).items}
    wanted, row, folded = set(), 0, [word.lower() for word in words]
    for text, tokens in every_token(corpus):
        whose = _words_of(text, tokens)
        marked = [one for one in tokens if (one.word or "").lower() in folded]
        for one in tokens:
            close = [
                other
                for other in marked
                if whose[other.position] != whose[one.position]
                and abs(other.position - one.position) <= reach
            ]
            wanted |= {row} if close and not one.token.special else set()
            row += 1
    assert found == wanted
    assert found


def _words_of(text, tokens):
    """Of each token the run of letters that it stands in, by its first character, else itself."""
    runs = [one.span() for one in re.finditer(r"\w+", text)]
    found = []
    for one in tokens:
        inside = [first for first, end in runs if one.word and first < one.end and end > one.start]
        found.append(inside[0] if inside else -1 - one.position)
    return found


def test_a_word_is_found_however_it_is_written(model, tmp_path):
    (tmp_path / "a.txt").write_text("Her cafe\u0301 closed. A CAF\u00c9 of Stra\u00dfe. Coffee.")
    corpus = index_corpus(model, tmp_path / "a.txt", "a", [1], folder=tmp_path, spacy=PIPELINE)
    for word in ("caf\u00e9", "cafe\u0301", "Caf\u00c9", " caf\u00e9"):
        found = {hit.match.word for hit in corpus.search(word=(word,)).items}
        assert found == {"cafe\u0301", "CAF\u00c9"}
    assert {hit.match.word for hit in corpus.search(word=("STRASSE",)).items} == {"Stra\u00dfe"}
    for word in ("cafe", ".*", "caf"):
        assert corpus.search(word=(word,)).total == 0


def test_a_label_that_there_is_not_is_told_the_nearest(corpus):
    for asked, near in (({"pos": ("noun",)}, "NOUN"), ({"file": ("a.text",)}, "a.txt")):
        with pytest.raises(InputError, match=f"; nearest is {near}") as caught:
            corpus.search(**asked)
        assert caught.value.fix == f"write {near}"
    with pytest.raises(InputError, match="it has AD") as caught:
        corpus.search(pos=("zzzzzz",))
    assert caught.value.fix is None


def test_tokens_around_a_match_are_those_of_its_sentence(corpus):
    offsets = (-2, -1, 1)
    for found in (
        corpus.search(PROMPT, 9, limit=20, offsets=offsets),
        corpus.search(offsets=offsets),
    ):
        for hit in found.items:
            tokens, places = corpus.tokens(hit.sentence), [hit.match.position + n for n in offsets]
            inside = [at if 0 <= at < len(tokens) else None for at in places]
            assert hit.around == tuple(None if at is None else tokens[at] for at in inside)
        assert any(None in hit.around for hit in corpus.search(offsets=offsets).items)
        before = [one and one.token.text for one in (hit.around[1] for hit in found.items)]
        assert found.to_dict()["offsets"] == [*offsets]
        assert found.columns()["-1"] == before
    assert {hit.around for hit in corpus.search(PROMPT, 9).items} == {()}


def test_files_pages_and_next_tokens(corpus, model_of, texts, tmp_path):
    only = corpus.search(PROMPT, 4, file=("b.txt",), limit=200)
    assert {hit.file for hit in only.items} == {"b.txt"}
    whole = corpus.search(PROMPT, 4, limit=12)
    pages = [corpus.search(PROMPT, 4, limit=5, offset=at) for at in (0, 5, 10)]
    assert [hit for page in pages for hit in page.items][:12] == list(whole.items)
    hit = whole.items[0]
    assert hit.next == corpus.tokens(hit.sentence)[hit.match.position + 1]
    assert hit.text[hit.match.start : hit.match.end] == hit.match.token.text
    masked = index_corpus(model_of("bert"), texts, "m", [1], folder=tmp_path)
    assert {hit.next for hit in masked.search("a", 0).items} == {None}


def test_an_edited_run_is_compared_and_no_other_models(corpus, model, model_of):
    capture = corpus.required_capture(by="context")
    run = model.run(PROMPT, capture=capture, edits=[ue.zero("L1.attn")])
    edited = corpus.search(run, 9, by="context")
    plain = corpus.search(model.run(PROMPT, capture=capture), 9, by="context")
    assert plain == corpus.search(PROMPT, 9, by="context")
    assert edited.items[0].score < plain.items[0].score
    twin = ue.load(tiny_model("gemma3"), tokenizer=tiny_tokenizer())  # of the same weights
    assert corpus.search(twin.run(PROMPT, capture=capture), 9, by="context") == plain
    for other in (model_of("gemma3", seed=1), model_of("bert"), model_of("gpt2")):
        with pytest.raises(InputError, match="states of two models cannot be compared") as caught:
            corpus.search(other.run(PROMPT), 9, by="context")
        assert caught.value.field == "prompt"
    with pytest.raises(TargetError, match="was not captured"):
        corpus.search(model.run(PROMPT), 9)


@pytest.mark.parametrize(
    ("call", "error", "field", "message"),
    [
        ({"layer": 2}, InputError, "layer", "keeps no hidden of layer 2: it has L1.resid_post"),
        ({"by": "context", "heads": (4,)}, InputError, "heads", "head 4 is not in layer 3"),
        ({"heads": (1,)}, InputError, "heads", 'heads have no meaning for hidden states'),
        ({"pos": ("NOON",)}, InputError, "pos", "no token of this corpus has pos 'NOON'"),
        ({"position": 99}, TargetError, "position", "99"),
        ({"position": 1.0}, TargetError, "position", "position 1.0 is no number of a token"),
        ({"position": "1"}, TargetError, "position", "position '1' is no number"),
        ({"prompt": ""}, PromptError, "prompt", "empty"),
        ({"limit": 0}, InputError, "limit", "must be an integer from 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(call, error, field, message, corpus):
    with pytest.raises(error, match=message) as caught:
        corpus.search(**{"prompt": PROMPT} | call)
    assert caught.value.field == field


def test_vectors_beyond_the_budget_are_read_from_disk_with_the_same_answer(
    corpus, model, texts, tmp_path
):
    index_corpus(model, texts, "one", [1, 3], folder=tmp_path, spacy=PIPELINE, max_tokens=60)
    model.settings, before = replace(model.settings, index_cache_bytes=1), model.settings
    try:
        small = open_corpus(model, "one", folder=tmp_path)
    finally:
        model.settings = before
    for options in ({}, {"pos": ("NOUN",)}, {"pos": ("VERB",), "word": ("ran",)}):
        found = small.search(PROMPT, 7, 1, **options)
        wanted = corpus.search(PROMPT, 7, 1, **options)
        assert [hit.row for hit in found.items] == [hit.row for hit in wanted.items]
        assert [hit.score for hit in found.items] == [hit.score for hit in wanted.items]


def test_sites_that_take_turns_do_not_push_each_other_out(corpus, model, monkeypatch):
    """With room for one: the other is read from disk, until it is asked for twice running."""
    size = 2 * len(corpus) * model.anatomy.d_model
    monkeypatch.setattr(model, "settings", replace(model.settings, index_cache_bytes=size))
    small = open_corpus(model, "tiny", folder=corpus.version.parent.parent)
    read = []
    monkeypatch.setattr(
        small._rows,
        "vectors",
        lambda site, n: read.append(site.name) or Rows.vectors(small._rows, site, n),
    )
    for layer in (1, 3, 1, 3, 1, 3, 3, 3, 1):
        assert small.search(PROMPT, 7, layer) == corpus.search(PROMPT, 7, layer)
        assert small.bytes_in_memory <= size
    kept, other = "L1.resid_post", "L3.resid_post"
    assert read == [kept, other, other, other, other, kept]


@pytest.mark.parametrize("wanted", [1, 3, 700, 5000])
def test_what_may_be_among_the_best_is_not_put_aside(wanted):
    """Of scores that are each off by up to half the margin, in blocks of any size."""
    drawn = np.random.default_rng(wanted)
    exact = drawn.normal(size=5000).round(2)  # with equals
    seen = torch.from_numpy(exact + drawn.uniform(-0.05, 0.05, 5000))
    seen[::7], exact[::7] = -torch.inf, -np.inf
    n = min(wanted, int(np.isfinite(exact).sum()))
    again = compare._near(seen, n, 0.1)
    assert list(again) == sorted(again)
    assert set(again) >= set(np.argsort(-exact, kind="stable")[:n])
    assert len(again) < n + 1500 or wanted == 5000


def test_a_processor_that_adds_up_in_half_precision_gives_the_same(corpus, monkeypatch):
    wanted = corpus.search(PROMPT, 7, 1, limit=40)
    monkeypatch.setattr(products, "adds_in_single", lambda _: False)
    assert corpus.search(PROMPT, 7, 1, limit=40) == wanted


def test_corpora_stay_open_as_far_as_memory_goes(model, texts, tmp_path, monkeypatch):
    settings = replace(model.settings, cache_dir=str(tmp_path), index_cache_bytes=1_000_000)
    monkeypatch.setattr(model, "settings", settings)
    for name in ("one", "two"):
        index_corpus(model, texts[0], name, [1], kept="hidden")
    opened = Corpora(model, tmp_path)
    one = opened.opened("one")
    one.search("The girl", 1)
    assert one.bytes_in_memory == 2 * len(one) * model.anatomy.d_model
    opened.opened("two").search("The girl", 1)
    assert opened.opened("one") is one
    small = replace(settings, index_cache_bytes=one.bytes_in_memory)
    monkeypatch.setattr(model, "settings", small)
    two = opened.opened("two")
    assert opened.opened("one") is not one  # closed, since both are more than half of that
    assert opened.opened("one").search("The girl", 1) == one.search("The girl", 1)
    assert two.bytes_in_memory > 0


def test_results_are_tables(corpus):
    hits = corpus.search(PROMPT, 9, pos=("NOUN",), limit=3)
    assert list(hits.to_pandas()["pos"]) == ["NOUN"] * 3
    data = json.loads(hits.to_json())
    assert data["items"][0]["match"]["head"] == hits.items[0].match.head
    assert "like" in hits.summary()


def test_the_command_line_prints_what_python_returns(cli, source, tmp_path, monkeypatch):
    monkeypatch.setenv("UNEMBED_CACHE_DIR", str(tmp_path))
    (tmp_path / "a.txt").write_text("The cat sat on the mat.\n\nA dog, ran.\n")
    built = ("index", "corpus", source, str(tmp_path / "a.txt"), "--name", "ab", "--layers", "0,2")
    status, out, err = cli(*built, "--estimate")
    assert (status, "tokens" in out) == (0, True), err
    status, out, err = cli(*built)
    assert status == 0, err
    assert out.startswith("ab: ")
    assert "L0.resid_post, L0.z, L2.resid_post, L2.z" in out
    assert "ab: " in cli("corpus", "list", source)[1]
    model = ue.load(source, settings=Settings.from_environment())
    corpus = open_corpus(model, "ab")
    asked = (
        "corpus",
        "search",
        source,
        "The cat",
        "--name",
        "ab",
        "--position",
        "3",
        "--by",
        "context",
    )
    status, out, err = cli(*asked, "--heads", "1,3", "--word", "dog,mat", "--json")
    wanted = corpus.search("The cat", 3, by="context", heads=(1, 3), word=("dog", "mat"))
    assert (status, json.loads(out)) == (0, json.loads(wanted.to_json())), err
    status, out, _ = cli("corpus", "search", source, "--name", "ab", "--word", "dog")
    assert (status, "A dog, ran." in out) == (0, True)
    status, out, _ = cli("corpus", "search", source, "--name", "ab", "--word", '",",sat', "--json")
    found = {item["match"]["word"] for item in json.loads(out)["items"]}
    assert (status, found) == (0, {",", "sat"})
    status, out, _ = cli("corpus", "examples", source, "--name", "ab", "--node", "L1.N5")
    wanted = ue.find_examples(corpus, "L1.N5")[0].items[0]
    assert (status, wanted.text in out, f"{wanted.value:.4g}" in out) == (0, True, True)
    status, _, err = cli("corpus", "search", source, "The cat", "--name", "no")
    assert (status, "has no corpus 'no'; there are: ab" in err) == (2, True)


def test_a_sentence_that_there_is_not_is_said(corpus):
    last = corpus.about.n_sentences - 1
    assert corpus.text(last)
    for call in (corpus.text, corpus.tokens):
        with pytest.raises(InputError, match=f"sentence {last + 1} is not in 'tiny': it has 0-"):
            call(last + 1)


@pytest.mark.parametrize(
    ("call", "error", "field", "message"),
    [
        ({"rows": [-1]}, InputError, "rows", "row -1 is not in 'tiny': it has 0-"),
        ({"rows": [1.5]}, InputError, "rows", "row 1.5 is not in"),
        ({"rows": ["a"]}, InputError, "rows", "row 'a' is not in"),
        ({"layer": 4}, TargetError, "layer", "layer 4 is not in this model"),
        ({"layer": 1, "heads": (4,)}, InputError, "heads", "head 4 is not in layer 1: .* 0-3"),
    ],
)
def test_attention_that_there_is_not_is_said(call, error, field, message, corpus):
    with pytest.raises(error, match=message) as caught:
        corpus.sentences(**{"rows": np.array([1])} | call)
    assert caught.value.field == field
    if "layer" in call:
        with pytest.raises(error, match=message):
            corpus.attention(corpus.search(limit=1).items[0], **call)
