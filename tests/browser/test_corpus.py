"""Corpus: tokens like one of a prompt, what they have in common, filters, attention, by labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from unembed.index.corpus import trial
from unembed.index.corpus.build import index_corpus
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.opening import corpora

from .conftest import ANSWER, App, served

# labelled by hand
SENTENCES = (
    "The/DET/det cat/NOUN/nsubj sat/VERB/ROOT on/ADP/prep the/DET/det mat/NOUN/pobj",
    "The/DET/det dog/NOUN/nsubj sat/VERB/ROOT by/ADP/prep the/DET/det door/NOUN/pobj",
    "A/DET/det cat/NOUN/nsubj ran/VERB/ROOT",
)
ADDED = "A/DET/det bird/NOUN/nsubj sang/VERB/ROOT"
PROMPT = "p=the+cat+sat"
SPECIALS = ("<bos>", "<eos>", "<pad>", "<unk>")  # have no labels: said by name


def conllu(sentence: str) -> str:
    """A sentence of Universal Dependencies, each word its own head."""
    words = [word.split("/") for word in sentence.split()]
    rows = [
        "\t".join((str(at), form, form.lower(), pos, "_", "_", "0", dep, "_", "_"))
        for at, (form, pos, dep) in enumerate(words, 1)
    ]
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("texts") / "cats.conllu"
    path.write_text("\n".join(map(conllu, SENTENCES)))
    return path


@pytest.fixture(scope="module")
def cats(model_of, texts, tmp_path_factory) -> Corpus:
    """A corpus of a tiny model: three sentences."""
    model, cache = model_of("gemma3"), tmp_path_factory.mktemp("cache")
    folder = cache / "corpora" / model.fingerprint
    return index_corpus(model, texts, "cats", [1, 3], folder=folder)


@pytest.fixture(scope="module")
def address_of_cats(cats):
    """A server with its cache."""
    with served(cats.model, cache_dir=str(cats.version.parents[3])) as address:
        yield address


@pytest.fixture
def corpus(app: App, address_of_cats):
    """Opens a fragment of the view on the tiny model."""

    def opened(fragment: str = "") -> App:
        app.address = address_of_cats
        app.open(f"v=1&view=corpus{fragment}")
        return app

    return opened


def words(hits) -> list[str]:
    """What Python finds, as `matches` has it."""
    return [hit.match.token.text.strip() for hit in hits.items]


def matches(app: App) -> list[str]:
    """The marked token of each line."""
    app.settled()
    app.page.get_by_test_id("corpus-hits").wait_for(timeout=ANSWER)
    lines = app.page.get_by_test_id("corpus-hits").locator("[role=option] .corpus-match")
    return [text.strip() for text in lines.all_inner_texts()]


def test_tokens_like_one_are_listed_filtered_and_looked_at(corpus, cats):
    app = corpus(f"&{PROMPT}&pos=2")
    found = matches(app)
    assert app.text("corpus-count").startswith(f"{len(found)} of {len(found)} tokens")
    app.page.get_by_test_id("corpus-lit").check()
    app.page.get_by_test_id("corpus-hit-0").click()
    app.page.get_by_test_id("corpus-chosen").get_by_text("attention of layer 3").wait_for()
    app.page.get_by_test_id("corpus-hits").press("ArrowDown")
    chosen = app.page.get_by_test_id("corpus-hit-1")
    assert chosen.get_attribute("aria-selected") == "true"
    app.settled()
    app.assert_accessible("view-corpus")
    app.page.get_by_test_id("share-pos-NOUN").click()  # only these, and then of all texts
    nouns = cats.search("the cat sat", 2, narrow=("pos=NOUN",))
    assert matches(app) == words(nouns)
    app.page.get_by_test_id("in-all-pos-NOUN").click()
    assert matches(app) == words(cats.search("the cat sat", 2, pos=("NOUN",)))
    assert "cpos=NOUN" in app.page.url
    app.page.get_by_test_id("corpus-by").get_by_label("context").check()
    app.page.get_by_test_id("corpus-layer").select_option("1")
    assert "by L1.z" in (matches(app) and app.text("corpus-count"))
    app.page.get_by_test_id("chip-pos").get_by_role("button").click()
    assert len(matches(app)) == len(found)


def test_tokens_like_one_of_a_lens_and_of_a_components_page_are_found(corpus, cats):
    model = cats.model
    wanted = words(cats.search("the cat sat", 1))
    assert len(model.tokenize("the cat sat")) > 2
    app = corpus()
    app.open(f"v=1&view=lens&{PROMPT}&pos=1")
    app.settled()
    app.page.get_by_test_id("strip").hover()
    app.page.get_by_test_id("find-like").click()
    assert matches(app) == wanted
    app.open(f"v=1&view=component&node=L1.N3&{PROMPT}&pos=1")
    app.settled()
    app.page.get_by_test_id("activation-text").get_by_test_id("find-like").click()
    assert matches(app) == wanted
    assert "view=corpus" in app.page.url


def test_tokens_by_label_and_what_fits_nothing(corpus, cats):
    app = corpus("&cask=labels&cword=cat")
    assert matches(app) == words(cats.search(word=("cat",)))
    assert "in the order of the texts" in app.text("corpus-count")
    app.page.get_by_test_id("set-filter").click()
    app.page.get_by_test_id("filter-near").fill("elephant")
    app.page.get_by_test_id("filter-near").press("Enter")
    app.page.get_by_test_id("corpus-none").wait_for()
    assert app.text("corpus-summary").endswith("Nothing to count.")
    app.page.keyboard.press("Escape")
    app.page.get_by_role("button", name="Without the filters").click()
    assert matches(app) == words(cats.search())
    assert app.too_wide([700, 1280]) == []


def test_words_around_a_match_are_columns_and_labels_narrow_the_list(corpus):
    app = corpus(f"&{PROMPT}&pos=2&cof=attended")
    found = matches(app)
    app.page.get_by_test_id("set-columns").click()
    app.page.get_by_test_id("column--1").check()
    app.page.keyboard.press("Escape")
    matches(app)
    app.page.get_by_test_id("order--1").click()
    before = [
        text.strip().lower()
        for text in app.page.locator("[role=option] .corpus-around").all_inner_texts()
    ]
    there = [text for text in before if text]
    letters = [text for text in there if text.isalpha()]  # signs come before, in their own order
    assert letters == sorted(letters)
    assert len(set(letters)) > 5
    assert before == there + [""] * (len(before) - len(there))  # none comes last
    app.page.get_by_test_id("set-columns").click()
    app.page.get_by_test_id("column-shows-pos").check()
    app.page.keyboard.press("Escape")
    labels = app.page.locator("[role=option] .corpus-around").all_inner_texts()
    named = [label for label in labels if label]
    assert labels == sorted(named) + [""] * (len(labels) - len(named))
    assert {"DET", "NOUN"} <= set(labels) <= {"DET", "NOUN", "VERB", "ADP", "", *SPECIALS}
    app.page.get_by_test_id("order-score").click()
    shares = app.page.get_by_test_id("corpus-summary").locator("button[data-testid^=share-pos]")
    count = int(shares.first.locator(".number").first.inner_text())
    shares.first.click()
    assert len(matches(app)) == count < len(found)
    beside = app.page.get_by_test_id("corpus-summary").locator("button[data-testid^=share-offset]")
    beside.first.click()
    narrowed = matches(app)
    chips = app.page.get_by_test_id("corpus-narrowed").locator("[data-testid^=chip-only]")
    assert chips.count() == 2
    assert len(narrowed) == int(beside.first.locator(".number").first.inner_text()) <= count
    app.page.reload()
    assert matches(app) == narrowed
    app.assert_accessible("view-corpus")
    chips.first.get_by_role("button").last.click()
    chips.first.get_by_role("button").last.click()
    assert len(matches(app)) == len(found)


def test_what_heads_look_at_is_a_table_that_sorts_and_leads_to_the_head(corpus):
    app = corpus("&cask=heads&cleast=1&crel=previous")
    app.page.get_by_test_id("find-relations").click()
    app.page.get_by_test_id("relations").wait_for(timeout=ANSWER)
    rows = app.page.get_by_test_id("relations").locator("tbody tr")
    assert rows.count() == 4 * 4  # layers, heads
    app.page.get_by_test_id("sort-share").click()
    app.settled()
    shares = [float(text) for text in rows.locator("td:nth-child(4)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    app.assert_accessible("view-corpus")
    node = rows.first.locator("th").inner_text()
    rows.first.locator("th button").click()
    app.page.get_by_test_id("view-component").wait_for()
    assert f"node={node}" in app.page.url


def build_another(app: App) -> None:
    app.page.get_by_test_id("set-corpus").click()
    app.page.get_by_test_id("build-another").click()


def test_a_corpus_is_built_of_files_that_are_chosen_estimated_first_and_added_to(
    app, texts, model_of, tmp_path, monkeypatch
):
    monkeypatch.setattr(trial, "LEAST_SECONDS", 0.05)
    model = model_of("gpt2")
    with served(model, cache_dir=str(tmp_path)) as app.address:
        app.open("v=1&view=corpus")
        app.page.get_by_test_id("build-files").set_input_files(texts)
        assert app.page.get_by_test_id("build-name").input_value() == "cats"
        app.page.get_by_test_id("build-spacy").select_option("")
        app.page.get_by_test_id("build-layers").fill("9")
        assert "0–2" in app.text("corpus-lack")
        app.page.get_by_test_id("build-layers").fill("1")
        app.assert_accessible("view-corpus")
        app.page.get_by_test_id("estimate-corpus").click()
        app.page.get_by_test_id("corpus-estimate").wait_for(timeout=ANSWER)
        assert "on disk" in app.text("corpus-estimate")
        app.page.get_by_test_id("build-corpus").click()
        app.page.get_by_test_id("corpus-no-prompt").wait_for(timeout=ANSWER)
        assert "cc=cats" in app.page.url
        app.page.get_by_role("button", name="by word and label").click()
        before = matches(app)
        build_another(app)
        more = {"name": "more.conllu", "mimeType": "text/plain", "buffer": conllu(ADDED).encode()}
        app.page.get_by_test_id("build-files").set_input_files(more)
        app.page.get_by_test_id("build-name").fill("cats")
        app.page.locator("[name=build-there]").nth(1).check(force=True)  # "files"
        app.page.get_by_test_id("build-corpus").click()
        app.page.get_by_test_id("corpus-no-prompt").wait_for(timeout=ANSWER)
        app.page.get_by_role("button", name="by word and label").click()
        assert len(matches(app)) > len(before)
        (grown,) = corpora(model, folder=tmp_path / "corpora" / model.fingerprint)
        assert (grown.files, grown.n_sentences) == (("cats.conllu", "more.conllu"), 4)
        build_another(app)
        app.page.get_by_test_id("build-files").set_input_files(
            {"name": "bad.txt", "mimeType": "text/plain", "buffer": b"\xff\xfe"}
        )
        app.page.get_by_test_id("build-corpus").click()
        app.page.get_by_test_id("error").wait_for(timeout=ANSWER)
        assert "'bad.txt' is no UTF-8 text" in app.text("error")


def test_what_a_node_does_is_said_in_words_and_labelled_by_hand(app: App, address_of_cats):
    app.address = address_of_cats
    app.open("v=1&view=component&node=L1.N5&p=the+cat+sat")
    page = app.page
    page.get_by_test_id("edit-label").click()
    page.get_by_test_id("own-label").fill("what cats do")
    page.get_by_test_id("keep-label").click()
    page.get_by_test_id("label-hand").wait_for(timeout=ANSWER)
    assert "what cats do" in app.text("label-hand")
    assert "by you" in app.text("label-hand")
    header = page.get_by_test_id("component-header")
    header.get_by_text("what cats do").wait_for(timeout=ANSWER)
    page.get_by_test_id("explain").click()
    app.settled()
    assert "3 sentences are too few" in app.text("in-words")  # the label by hand needs none
    app.assert_accessible("in-words")
    # it stands wherever the node does, and is found by its words
    app.open("v=1&view=explore&ask=labels&q=cats")
    page.get_by_test_id("labels").get_by_text("what cats do").wait_for(timeout=ANSWER)
    page.get_by_test_id("label-words").fill("rivers")
    page.get_by_test_id("search-labels").click()
    page.get_by_test_id("labels").get_by_text("0 labels").wait_for(timeout=ANSWER)
    assert page.get_by_test_id("labels").get_by_text("what cats do").count() == 0
    # it is forgotten like any other
    app.open("v=1&view=component&node=L1.N5&p=the+cat+sat")
    page.get_by_role("button", name="Forget “what cats do”").click()
    page.get_by_test_id("label-hand").wait_for(state="detached", timeout=ANSWER)
    page.get_by_test_id("node-label").wait_for(state="detached", timeout=ANSWER)
