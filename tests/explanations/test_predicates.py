"""Families of predicates say of each token what a plain look at its sentence says."""

from __future__ import annotations

import numpy as np
import pytest

import unembed as ue
from unembed.errors import InputError
from unembed.explanations import search
from unembed.explanations.predicates import Family, families_of, says, shape_of
from unembed.explanations.sample import drawn_from

TEXT = """The unable cat (a "big [red] cat") sat on 12 mats.

A cat saw A cat saw the unusual mats. Unable! CATS sat.

He sat. Then "he (she" ran, ran.
"""


@pytest.fixture(scope="module")
def sample(model_of, tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "a.txt").write_text(TEXT)
    corpus = ue.index_corpus(model_of("gpt2"), folder / "a.txt", "a", [0], folder=folder)
    return corpus, drawn_from(corpus.columns, 10_000, 0)


def described(corpus, sample):
    """(tokens of the sentence, place, place in the sample) of each token."""
    order = {int(row): at for at, row in enumerate(sample.rows)}
    row = 0
    for number in range(corpus.about.n_sentences):
        tokens = corpus.tokens(number)
        for at in range(len(tokens)):
            yield tokens, at, order[row + at]
        row += len(tokens)


SLOW = {
    "token": lambda tokens, at: tokens[at].token.label,
    "position": lambda tokens, at: str(at) if at < 32 else None,
    "previous": lambda tokens, at: tokens[at - 1].token.label if at else None,
    "bigram": lambda tokens, at: (
        f"{tokens[at].token.label} behind {tokens[at - 1].token.label}" if at else None
    ),
    "repeated": lambda tokens, at: tokens[at].token.id in ids(tokens[:at]) or None,
    "repeated pair": lambda tokens, at: (
        (at > 0 and ids(tokens[at - 1 : at + 1]) in pairs(tokens[:at])) or None
    ),
    "brackets": lambda tokens, at: bracketed("".join(text(tokens[:at]))) or None,
    "quotes": lambda tokens, at: "".join(text(tokens[:at])).count('"') % 2 == 1 or None,
    "shape": lambda tokens, at: shape_of(tokens[at].token.text) or None,
    "piece": lambda tokens, at: (
        (at > 0 and tokens[at].word is not None and same_word(tokens[at - 1], tokens[at])) or None
    ),
}


def ids(tokens):
    return [one.token.id for one in tokens]


def pairs(tokens):
    return [list(pair) for pair in zip(ids(tokens), ids(tokens)[1:], strict=False)]


def text(tokens):
    return [one.token.text for one in tokens]


def bracketed(before):
    return before.count("(") + before.count("[") > before.count(")") + before.count("]")


def same_word(one, other):
    """No white space, and no other word, between them."""
    return one.word == other.word and not other.token.text.startswith(" ")


def test_families_say_what_a_plain_look_says(sample):
    corpus, drawn = sample
    families = {one.kind: one for one in families_of(drawn, corpus.model) if one.kind in SLOW}
    assert set(families) == set(SLOW)
    for tokens, at, place in described(corpus, drawn):
        for kind, family in families.items():
            code = family.codes[place]
            found = None if code < 0 else family.names[code]
            wanted = SLOW[kind](tokens, at)
            if wanted is True:
                wanted = family.names[0]
            assert found == wanted, (kind, tokens[at].token.text)


def test_affixes_are_of_words_that_are_longer(sample):
    corpus, drawn = sample
    affixes = [one for one in families_of(drawn, corpus.model) if one.kind in ("prefix", "suffix")]
    assert [len(one.names[0]) for one in affixes] == [5, 4, 3, 2] * 2  # a dash, and letters
    for tokens, at, place in described(corpus, drawn):
        for family in affixes:
            n, word = len(family.names[0]) - 1, (tokens[at].word or "").casefold()
            part = f"{word[:n]}-" if family.kind == "prefix" else f"-{word[-n:]}"
            code = family.codes[place]
            assert (None if code < 0 else family.names[code]) == (part if len(word) > n else None)


def test_says_looks_at_the_next_token_of_the_sentence(sample):
    corpus, drawn = sample
    wanted = corpus.tokens(0)[1].token.id
    codes = says(drawn, [wanted]).codes
    for tokens, at, place in described(corpus, drawn):
        follows = at + 1 < len(tokens) and tokens[at + 1].token.id == wanted
        assert codes[place] == (0 if follows else -1)


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        (" cat", ""), (" Cat", "words with a capital letter"), (" CAT", "words in capitals"),
        ("12", "numbers"), (" 3rd", "numbers"), (").", "punctuation"), ("\n\n", "line breaks"),
        ("  ", "white space"), (" I", "words with a capital letter"),
    ],
)  # fmt: skip
def test_shapes(token, shape):
    assert shape_of(token) == shape


def test_half_of_the_sentences_are_held_out_whole(sample):
    corpus, drawn = sample
    held = {int(one) for one in drawn.sentences[drawn.held_out]}
    own = {int(one) for one in drawn.sentences[~drawn.held_out]}
    assert not held & own
    assert abs(len(held) - len(own)) <= 1
    assert len(drawn.rows) == corpus.about.n_tokens


def test_a_corpus_too_small_to_hold_half_of_it_out_is_refused(model_of, tmp_path):
    (tmp_path / "a.txt").write_text("A cat.")
    corpus = ue.index_corpus(model_of("gpt2"), tmp_path / "a.txt", "a", [0], folder=tmp_path)
    with pytest.raises(InputError, match="too few") as refused:
        ue.explain(corpus, "L1.N5")
    assert refused.value.field == "corpus"


# ---------------------------------------------------------------- which classes are joined


def every_union(family, totals, active, most):
    """The largest F1 of any classes, by trying all of them."""
    from itertools import combinations

    best = 0.0
    hits = np.bincount(family.codes[active], minlength=len(family.names))
    for n in range(1, most + 1):
        for codes in combinations(range(len(family.names)), n):
            some = list(codes)
            f1 = 2 * hits[some].sum() / (len(active) + totals[some].sum())
            best = max(best, float(f1))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_union_is_about_as_good_as_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 12, 600)
    family = Family("token", codes, tuple(map(str, range(12))))
    meant = rng.choice(12, 1 + seed % 3, replace=False)
    active = np.flatnonzero(
        np.where(np.isin(codes, meant), rng.random(600) < 0.9, rng.random(600) < 0.03)
    )
    totals = search.totals_of(family, np.arange(600))
    found = search.fitted(family, totals, active, 3)
    assert set(found.codes) == set(meant.tolist())
    assert found.f1 >= every_union(family, totals, active, 3) - search.GAIN * 2
    holds = np.isin(codes, found.codes)
    both = holds[active].sum()
    assert found.f1 == pytest.approx(2 * both / (holds.sum() + len(active)))


def test_the_simplest_of_those_about_as_good_comes_first():
    def choice(kind, f1, n=1):
        return search.Choice(Family(kind, np.zeros(1), ("a", "b", "c")), tuple(range(n)), f1)

    token, lemma, suffix = choice("token", 0.5), choice("lemma", 0.895), choice("suffix", 0.9)
    assert search.best_first([token, lemma, suffix]) == [lemma, suffix, token]
    joined = choice("token", 0.9, n=2)
    assert search.best_first([joined, suffix])[0] is suffix
    assert search.best_first([]) == []
