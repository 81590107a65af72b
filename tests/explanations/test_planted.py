"""Latents whose meaning is known are given it; those of chance alone are given nothing."""

from __future__ import annotations

import numpy as np
import pytest

import unembed as ue

from . import world
from .conftest import N_CHANCE, TOKENS
from .test_nulls import f1_by_chance


def right(item, wanted):
    return (item.kind, sorted(item.values)) == (wanted.kind, sorted(wanted.values))


def test_the_first_label_is_right_for_at_least_95_percent(explained, planted):
    pairs = list(zip(explained.items, planted, strict=False))
    wrong = [
        (one.label, wanted.kind, wanted.values) for one, wanted in pairs if not right(one, wanted)
    ]
    assert len(wrong) <= 0.05 * len(planted), wrong
    assert {one.kind for one in planted} == {item.kind for item, _ in pairs if item.kind}


def test_a_label_that_is_right_is_supported(explained, planted):
    pairs = [pair for pair in zip(explained.items, planted, strict=False) if right(*pair)]
    for item, _ in pairs:
        assert item.supported, item.label
        assert item.reason is None
        assert item.held_out.auc > 0.9, item.label
    assert np.mean([item.held_out.f1 for item, _ in pairs]) > 0.9


def test_chance_is_not_supported(explained, planted):
    items = explained.items[len(planted) :]
    assert len(items) == N_CHANCE
    supported = [item for item in items if item.supported]
    assert len(supported) <= 0.05 * N_CHANCE, [one.label for one in supported]
    for item in items:
        assert item.supported or item.reason


def test_no_null_of_a_node_is_far_from_chance(explained):
    """All are of the same shuffles: were those a little off, so were all. See test_nulls."""
    n, shuffles = explained.n_held_out, ue.ExplainOptions().shuffles
    for item in explained.items:
        if item.n_described * item.n_active < n:  # not one token by chance: far from normal
            continue
        chance, error = f1_by_chance(item.n_described, item.n_active, n)
        assert abs(item.shuffled.f1 - chance) <= 4 * error / np.sqrt(shuffles), item.label
        assert abs(item.searched.auc - 0.5) < 0.02


def test_the_same_call_gives_the_same_bytes(corpus, planted, explained):
    some = [0, 9, 20, len(planted) + 1]
    names = [f"L0.F{order}" for order in some]
    again = ue.explain(corpus, names, n_tokens=TOKENS)
    wanted = [explained.items[order] for order in some]
    assert again.to_json() == ue.explain(corpus, names, n_tokens=TOKENS).to_json()
    assert [repr(one) for one in again.items] == [repr(one) for one in wanted]


def test_the_numbers_are_those_of_a_look_at_every_word(corpus, explained, planted):
    """Counts of a label, from the words of the sentences alone."""
    texts = world.sentences()
    latents = [*planted, *[None] * N_CHANCE]
    all_values = [world.values(words, latents) for words in texts]
    held = held_out_sentences(corpus, explained)
    for order in (0, 8, 30):
        item, wanted = explained.items[order], planted[order]
        assert right(item, wanted)
        own = [
            (wanted.holds(texts[number], at), all_values[number][at, order])
            for number in held
            for at in range(len(texts[number]))
        ]
        described = np.array([holds for holds, _ in own])
        active = np.array([np.float32(value) > item.threshold for _, value in own])
        both = int((described & active).sum())
        assert (item.n_active, item.n_described) == (int(active.sum()), int(described.sum()))
        assert item.held_out.precision == pytest.approx(both / described.sum())
        assert item.held_out.recall == pytest.approx(both / active.sum())
        assert item.held_out.f1 == pytest.approx(2 * both / (described.sum() + active.sum()))
        above, below = ([v for holds, v in own if holds is side] for side in (True, False))
        wins = sum((np.array(below) < v).sum() + (np.array(below) == v).sum() / 2 for v in above)
        assert item.held_out.auc == pytest.approx(wins / len(above) / len(below))


def test_examples_of_latents_are_those_of_their_values(corpus, planted):
    latents = [*planted, *[None] * N_CHANCE]
    found = ue.find_examples(corpus, ["L0.F3", "L0.F0"], top=4, each=0, random=0)
    every = np.concatenate([world.values(words, latents) for words in world.sentences()])
    for one, order in zip(found, (3, 0), strict=True):
        assert one.measured == "latent"
        assert one.density == pytest.approx((every[:, order] > 0).mean())
        assert one.items[0].value == pytest.approx(every[:, order].max())


def held_out_sentences(corpus, explained):
    """Every other sentence of those that were drawn, in the order in which they were."""
    order = np.random.default_rng(0).permutation(world.SENTENCES)
    drawn = order[: explained.n_sentences]
    return [int(one) for one in drawn[1::2]]
