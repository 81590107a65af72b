"""Text is drawn as it is, and numbers with the digits that matter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unembed.figures import text


def test_nothing_in_a_text_is_markup():
    assert text.escape("<b>&amp; $x$") == "&lt;b&gt;&amp;amp; &#36;x&#36;"


@pytest.mark.parametrize("plain", ["", "␣Tokyo", "東京", "<b>", "12"])
def test_left_to_right_text_stays_as_it_is(plain):
    assert text.isolate(plain) == plain


@pytest.mark.parametrize("other", ["␣שלום", "مرحبا", "a א b"])
def test_right_to_left_text_is_isolated(other):
    assert text.isolate(other) == f"\u2068{other}\u2069"


@given(st.text(), st.integers(1, 30))
def test_a_cut_text_fits_its_room_and_starts_as_the_text(whole, room):
    cut = text.cut(whole, room)
    assert text.width(cut) <= room
    assert whole.startswith(cut.removesuffix("…"))
    assert cut == whole or cut.endswith("…")


def test_wide_characters_take_two_columns_and_accents_none():
    assert [text.width(one) for one in ("ab", "東京", "🚀", "e\u0301")] == [2, 4, 2, 1]
    assert text.width("\u1780\u17b6\u1793") == 3  # Khmer: boxes side by side without its font
    assert text.cut("東京都", 5) == "東京…"
    assert text.cut("東京都", 4) == "東…"


def test_numbers_have_the_digits_that_matter():
    shares = [0.7512, 0.0123, 0.0004, 3.2e-9, 1e-40, 0, 1, math.nan]
    wanted = ["0.751", "0.012", "4e−4", "3e−9", "<1e−9", "0", "1.000", "–"]
    assert [text.probability(share) for share in shares] == wanted
    numbers = [1.234, -0.001, -2.5, math.inf, -math.inf, math.nan]
    assert [text.number(value) for value in numbers] == ["1.23", "0.00", "−2.50", "∞", "−∞", "–"]
    assert [text.short(value) for value in (0.04, 12.34, -99.94, 123.4, -1083.9)] == [
        "0.0",
        "12.3",
        "−99.9",
        "123",
        "−1084",
    ]


def test_ranks_are_exact_or_short():
    ranks = [1, 999, 1000, 1249, 9949, 9950, 262_144, 999_499, 999_500, 2e6, 0, math.nan]
    short = ["1", "999", "1k", "1.2k", "9.9k", "10k", "262k", "999k", "1M", "2M", "–", "–"]
    assert [text.short_rank(rank) for rank in ranks] == short
    assert [text.rank(rank) for rank in (1, 262_144, 0)] == ["1", "262,144", "–"]


@given(st.integers(1, 5_000_000))
def test_a_short_rank_fits_a_cell(rank):
    assert len(text.short_rank(rank)) <= 4
