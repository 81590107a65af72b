"""The ranking, on a vocabulary and vectors written by hand; and against a slow one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from unembed.index.ranking import Postings
from unembed.index.words import Term, Vocabulary

TEXTS = [
    "music", " music", " Music", "song", " song", "album", " album", "doctor", " doctor", "tree",
    "stone", "water", "light", "chair", "door", "road", "paper", "glass", "cloud", "river",
]  # fmt: skip
VOCABULARY = Vocabulary(TEXTS, lambda word: [word])
# Each vector's list: tokens with scores, best first.
ABOUT_MUSIC = [(" music", 9), ("music", 8.5), (" Music", 8), (" song", 7.5), ("song", 7)]
BY_ACCIDENT = [(" music", 9), ("tree", 8.5), ("stone", 8), ("water", 7.5), ("light", 7)]
LISTED_LAST = [("tree", 9), ("stone", 8.5), ("water", 8), ("light", 7.5), ("music", 7)]
WEAKLY = [("tree", 9), ("stone", 8.5), ("water", 8), ("light", 7.5), ("music", 1)]
TWO_WORDS = [(" music", 9), (" album", 8.5), ("tree", 8), ("stone", 7.5), ("water", 7)]
NOTHING = [("door", 9), ("road", 8.5), ("paper", 8), ("glass", 7.5), ("cloud", 7)]
AGAINST = [("door", 9), ("road", 8.5), ("paper", 8), ("glass", 0), ("music", -3)]
ALL = {
    "about music": ABOUT_MUSIC,
    "by accident": BY_ACCIDENT,
    "listed last": LISTED_LAST,
    "weakly": WEAKLY,
    "two words": TWO_WORDS,
    "nothing": NOTHING,
    "against": AGAINST,
}


def postings(lists, factor=1.0):
    ids = np.array([[TEXTS.index(text) for text, _ in row] for row in lists], np.int32)
    scores = np.array([[score * factor for _, score in row] for row in lists], np.float32)
    return Postings(ids, scores, len(TEXTS))


def terms(*words, match="word"):
    return [VOCABULARY.term(word, match) for word in words]


def ranked(*words, ranking="strength", every=False, lists=ALL):
    """Names of the vectors that answer, best first, with their scores."""
    made = postings(lists.values())
    rank = made.strength if ranking == "strength" else made.bm25
    scores = rank(terms(*words), every=every)
    order = np.argsort(-scores, kind="stable")
    names = list(lists)
    return {names[row]: float(scores[row]) for row in order if scores[row] > 0}


def test_a_list_about_the_word_beats_one_that_has_it_by_accident():
    assert list(ranked("music")) == [
        "about music", "by accident", "two words", "listed last", "weakly"
    ]  # fmt: skip


def test_what_is_not_promoted_is_no_answer():
    assert "against" not in ranked("music")
    assert "nothing" not in ranked("music")


def test_strength_is_presence_times_focus():
    shares = [score / 9 for _, score in ABOUT_MUSIC]
    focus = sum(shares[:3]) / sum(shares)
    assert ranked("music")["about music"] == pytest.approx(1.0 * focus)
    shares = [score / 9 for _, score in TWO_WORDS]
    presence = (1 + 8.5 / 9) / 2
    focus = (shares[0] + shares[1]) / sum(shares)
    assert ranked("music", "album")["two words"] == pytest.approx(presence * focus)


def test_a_list_that_is_all_of_what_was_searched_for_has_strength_one():
    assert ranked("music", "song")["about music"] == pytest.approx((1 + 7.5 / 9) / 2)
    assert ranked("music", lists={"only": [(" music", 4)]})["only"] == pytest.approx(1)


def test_how_long_a_vector_is_does_not_matter():
    lists = list(ALL.values())
    once, thrice = postings(lists), postings(lists, factor=3.0)
    wanted = once.strength(terms("music", "album"), every=False)
    found = thrice.strength(terms("music", "album"), every=False)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_any_word_will_do_and_all_means_all():
    assert next(iter(ranked("music", "album"))) == "two words"
    assert set(ranked("music", "album", every=True)) == {"two words"}
    assert set(ranked("album", "doctor")) == {"two words"}


def test_bm25_counts_and_does_not_weigh():
    found = ranked("music", ranking="bm25")
    n, holding = len(ALL), 5
    idf = math.log(1 + (n - holding + 0.5) / (holding + 0.5))
    assert found["about music"] == pytest.approx(idf * 3 * 2.2 / (3 + 1.2))
    assert found["by accident"] == found["weakly"] == pytest.approx(idf)
    rare = ranked("music", "album", ranking="bm25")
    assert rare["two words"] > rare["about music"], "a rare word counts more than a common one"
    assert set(ranked("music", "album", ranking="bm25", every=True)) == {"two words"}


def test_all_pieces_of_a_split_word_count_alike():
    pieces = tuple(np.array([TEXTS.index(text)]) for text in ("tree", "water"))
    made = postings(ALL.values())
    scores = dict(zip(ALL, made.strength([Term("x", pieces)], every=False), strict=True))
    shares = [score / 9 for _, score in LISTED_LAST]
    focus = (shares[0] + shares[2]) / sum(shares)
    assert scores["listed last"] == pytest.approx((1 + 8 / 9) / 2 * focus)


@pytest.mark.parametrize("every", [False, True])
def test_random_lists_rank_as_they_do_slowly(every):
    draw = np.random.default_rng(0)
    vocab_size, n, k = 40, 200, 8
    ids = np.array([draw.permutation(vocab_size)[:k] for _ in range(n)], np.int32)
    scores = -np.sort(-draw.normal(1, 2, (n, k)).astype(np.float32), axis=1)
    words = [Term("a", (np.array([1, 2, 3]),)), Term("b", (np.array([7]), np.array([9, 10])))]
    found = Postings(ids, scores, vocab_size).strength(words, every=every)
    for row in range(n):
        held = {int(t): float(s) for t, s in zip(ids[row], scores[row], strict=True) if s > 0}
        best = max(held.values(), default=0)
        presence = [
            sum(max((held.get(int(t), 0) for t in group), default=0) for group in term.groups)
            / len(term.groups)
            for term in words
        ]
        asked = {int(t) for term in words for group in term.groups for t in group}
        focus = sum(s for t, s in held.items() if t in asked) / (sum(held.values()) or 1)
        wanted = sum(presence) / len(presence) / (best or 1) * focus
        if not (all(presence) if every else any(presence)):
            wanted = 0
        assert found[row] == pytest.approx(wanted, abs=1e-6)
