"""How far a build says it is: of what it counts, to the end and not past it."""

from __future__ import annotations

import pytest
from tokenizers import processors

import unembed as ue
from unembed.errors import CancelledError
from unembed.index.corpus import build
from unembed.index.corpus.build import index_corpus
from unembed.models.tiny import BOS, EOS, tiny_model, tiny_tokenizer

AROUND = {0: "$A", 1: "<bos> $A", 2: "<bos> $A <eos>"}


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch):
    monkeypatch.setattr(build, "STRETCH_CHARS", 60)


@pytest.fixture(scope="module", params=AROUND)
def adding(request):
    """A model whose tokenizer puts so many special tokens around each text."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=AROUND[request.param], special_tokens=[("<bos>", BOS), ("<eos>", EOS)]
    )
    assert len(tokenizer("")["input_ids"]) == request.param
    return ue.load(tiny_model("gpt2"), tokenizer)


def heard(model, texts, name, layers, **options):
    """The corpus, and (done, total) as its build said them."""
    said = []
    corpus = index_corpus(
        model, texts, name, layers, progress=lambda _, *far: said.append(far), **options
    )
    return corpus, said


def assert_to_the_end(said, n, before=0):
    """Of n tokens, more and more, above those that were there before."""
    done = [far for far, _ in said]
    assert {total for _, total in said} == {n}
    assert done == sorted(done)
    assert done[0] >= before
    assert done[1] > before
    assert done[-1] == n


@pytest.mark.parametrize("options", [{}, {"split": "lines", "max_tokens": 20}], ids=str)
def test_the_end_is_what_is_counted(options, adding, texts, tmp_path):
    corpus, said = heard(adding, texts, "one", [1], folder=tmp_path, **options)
    assert len(said) > 2
    assert_to_the_end(said, len(corpus))
    if options:
        assert corpus.about.n_cut > 0


def test_a_build_that_goes_on_has_the_same_end(adding, texts, tmp_path):
    cancel, first = ue.Cancel(), []

    def progress(_, *far):
        first.append(far)
        if len(first) == 3:
            cancel.cancel()

    with pytest.raises(CancelledError):
        index_corpus(adding, texts, "one", [1], folder=tmp_path, cancel=cancel, progress=progress)
    corpus, said = heard(adding, texts, "one", [1], folder=tmp_path)
    assert_to_the_end(first + said, len(corpus))


def test_files_and_layers_that_are_added_end_with_all_tokens(adding, texts, tmp_path):
    before, _ = heard(adding, texts[:1], "one", [1], folder=tmp_path)
    corpus, said = heard(adding, texts, "one", [1], folder=tmp_path, add=True)
    assert_to_the_end(said, len(corpus), len(before))
    again, said = heard(adding, texts, "one", [0], folder=tmp_path)
    assert_to_the_end(said, len(again))


@pytest.mark.parametrize("guess", [1, 10_000])
def test_an_estimate_that_is_wrong_is_mended_when_the_text_is_read(
    guess, model, texts, tmp_path, monkeypatch
):
    monkeypatch.setattr(build, "expected_rows", lambda *_: guess)
    corpus, said = heard(model, texts, "one", [1], folder=tmp_path)
    assert all(done <= total for done, total in said)
    assert said[-1] == (len(corpus), len(corpus))
