"""Every sequence is learnt from once before any comes again, and none that is held out."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unembed.training.texts import Texts, blocks, held_out


def texts_with(sizes: list[int]) -> Texts:
    starts = np.concatenate([[0], np.cumsum(sizes)])
    own = np.ones(starts[-1], bool)
    own[starts[:-1]] = False
    return Texts("made up", np.arange(starts[-1], dtype=np.int32), starts, own)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(2, 9), min_size=2, max_size=20),
    size=st.integers(1, 30),
    wanted=st.integers(1, 50),
    seed=st.integers(0, 3),
)
def test_blocks_follow_from_the_seed_and_their_numbers(sizes, size, wanted, seed):
    texts = texts_with(sizes)
    own, among = held_out(texts, wanted, seed)
    assert sorted([*own, *among]) == list(range(len(sizes)))
    assert len(own) >= 1 <= len(among)
    first = list(islice(blocks(texts, among, size, seed), 6))
    assert list(islice(blocks(texts, among, size, seed, 2), 4)) == first[2:]
    for block in first:
        counts = [int(texts.counts[one]) for one in block]
        assert sum(counts) >= size > sum(counts[:-1])
    seen = [one for block in first for one in block]
    for start in range(0, len(seen) - len(among) + 1, len(among)):
        assert Counter(seen[start : start + len(among)]) == Counter(among.tolist())
