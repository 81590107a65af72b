"""Which tokens a word means, on a vocabulary written by hand."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from unembed.errors import InputError
from unembed.index.options import Match
from unembed.index.words import MOST_WORDS, Vocabulary, folded, listed

TEXTS = [
    "music", " music", " Music", "MUSIC", "\nmusic", " musical", " album", "disc", "ography",
    " a", "", " Straße", " é", "s", "album ", "computer", " compute",
]  # fmt: skip
PIECES = {"discography": ["disc", "ography"], "musicians": [" music", "ians"]}


@pytest.fixture
def vocabulary():
    return Vocabulary(TEXTS, lambda word: PIECES.get(word, [word]))


def found(vocabulary, word, match="word"):
    return [[TEXTS[token] for token in group] for group in vocabulary.term(word, match).groups]


@pytest.mark.parametrize("word", ["music", "Music", " MUSIC", "music "])
def test_a_word_is_found_in_any_case_and_after_any_white_space(vocabulary, word):
    assert found(vocabulary, word) == [["music", " music", " Music", "MUSIC", "\nmusic"]]


@pytest.mark.parametrize(
    ("word", "tokens"),
    [("music", ["music"]), (" music", [" music"]), ("␣music", [" music"]), ("↵music", ["\nmusic"])],
)
def test_exactly_means_exactly_also_as_white_space_is_shown(vocabulary, word, tokens):
    assert found(vocabulary, word, "exact") == [tokens]


def test_a_part_is_found_in_every_token_that_contains_it(vocabulary):
    assert found(vocabulary, "Comput", "part") == [["computer", " compute"]]
    assert found(vocabulary, "album", "part") == [[" album", "album "]]


def test_case_is_folded_beyond_ascii(vocabulary):
    assert found(vocabulary, "STRASSE") == [[" Straße"]]
    assert found(vocabulary, "e\u0301") == [[" é"]], "composed and decomposed accents are one"


def test_a_split_word_is_found_by_its_pieces_only_as_part(vocabulary):
    assert found(vocabulary, "discography", "part") == [["disc"], ["ography"]]
    for match in ("word", "exact"):
        with pytest.raises(InputError) as caught:
            vocabulary.term("discography", match)
        assert caught.value.field == "words"
    with pytest.raises(InputError, match="it is split into 'disc', 'ography'") as caught:
        vocabulary.term("discography")
    assert 'match="part"' in caught.value.fix


def test_a_piece_that_no_token_holds_counts_for_nothing(vocabulary):
    assert found(vocabulary, "musicians", "part") == [
        ["music", " music", " Music", "MUSIC", "\nmusic"]
    ]


def test_an_unknown_word_is_named_with_the_nearest_ones(vocabulary):
    with pytest.raises(InputError) as caught:
        vocabulary.term("musik")
    assert "'musik'" in caught.value.message
    assert "'music'" in caught.value.message
    assert caught.value.value == "musik"
    assert vocabulary.near("albun")[0] == "album"
    assert vocabulary.near("qqqqqqqqqqqqqqq") == []


@pytest.mark.parametrize("match", get_args(Match))
def test_a_word_without_letters_or_half_a_character_is_refused(vocabulary, match):
    with pytest.raises(InputError):
        vocabulary.term("  ", match) if match != "exact" else vocabulary.term("\t\t", match)


def test_words_come_as_text_or_as_a_list():
    assert listed("music, album,music") == ("music", "album")
    assert listed([" music", "a, b"]) == (" music", "a, b")


@pytest.mark.parametrize(
    "words",
    ["", " , ", [], [""], ["x" * 101], ["\ud800"], [f"w{n}" for n in range(MOST_WORDS + 1)]],
)
def test_no_words_too_many_and_broken_ones_are_refused(words):
    with pytest.raises(InputError) as caught:
        listed(words)
    assert caught.value.field == "words"


def test_a_way_to_match_that_there_is_not_is_refused(vocabulary):
    with pytest.raises(InputError, match="must be one of word, exact, part"):
        vocabulary.term("music", "regex")


def test_a_part_is_found_in_every_text_that_contains_it():
    draw = random.Random(0)
    texts = ["".join(draw.choices("abc ü日\0", k=draw.randint(0, 6))) for _ in range(2000)]
    vocabulary = Vocabulary(texts, lambda word: [word])
    for part in ("a", "ab", "aa", "ü", "日b", "c\0", "b c"):
        plain = [token for token, text in enumerate(texts) if part in folded(text)]
        assert vocabulary.term(part, "part").groups[0].tolist() == plain
