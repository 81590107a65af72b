"""A circuit over many pairs is the mean of single ones: effects, runs with edges alone, scores."""

from __future__ import annotations

import pytest
import torch

import unembed as ue
from unembed.analyses.circuits.graph import areas, edge_name
from unembed.errors import InputError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

LONG = ("The cat sat on", "The sat sat on")
PAIRS = [("The cat sat", "The sat sat"), ("The sat sat", "The cat sat"), LONG]
SHARES = (0.01, 0.1, 1)
EDGES = 30


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2").double(), tiny_tokenizer())


def pair(order, texts):
    return ue.PromptPair(clean=texts[0], corrupted=texts[1], answer=5 + order, wrong=72)


@pytest.fixture(scope="module")
def pairs():
    return [pair(order, texts) for order, texts in enumerate(PAIRS)]


def single(model, one, **changes):
    given = {"distractor": one.wrong, "shares": SHARES} | changes
    return ue.find_circuit(model, one.clean, one.corrupted, one.answer, **given)


@pytest.mark.parametrize(
    "options",
    [{}, {"estimator": "integrated", "steps": 2}, {"ablation": "zero"}, {"ablation": "resample"}],
    ids=lambda options: next(iter(options.values()), "patch"),
)
def test_it_is_the_mean_of_single_ones(model, pairs, options, tmp_path):
    found = ue.circuit_pairs(model, pairs, edges=EDGES, shares=SHARES, measure=1, **options)
    alone = [single(model, one, **options) for one in pairs]
    effects = sum(one.effects for one in alone) / len(pairs)
    torch.testing.assert_close(found.effects, effects)
    kept = [edge_name(edge.source, edge.target) for edge in found.edges]
    sizes = effects.flatten().abs()
    assert sorted((abs(edge.effect) for edge in found.edges), reverse=True) == pytest.approx(
        sizes.sort(descending=True).values[:EDGES].tolist()
    )
    (tmp_path / "scores.json").write_text(found.to_mib())
    given = {"scores": ue.load_circuit(tmp_path / "scores.json"), "include": kept, "edges": 0}
    within = [single(model, one, **options, **given, measure_named=kept[:1]) for one in pairs]
    for name in ("whole", "none", "value"):
        wanted = sum(getattr(one, name) for one in within) / len(pairs)
        assert getattr(found, name) == pytest.approx(wanted, abs=1e-9), name
    for name in ("measured", "within"):
        losses = [getattr(one.edges[0], name) for one in within]
        assert getattr(found.edges[0], name) == pytest.approx(sum(losses) / 3, abs=1e-9)
    faithful = []
    for place, point in enumerate(found.curve):
        value = sum(one.curve[place].value for one in within) / len(pairs)
        assert point.value == pytest.approx(value, abs=1e-9)
        faithful.append((value - found.none) / (found.whole - found.none))
    assert (found.cpr, found.cmd) == pytest.approx(areas(SHARES, faithful))
    assert found.n_pairs == 3
    assert found.left_out == ()


def test_of_one_pair_it_is_the_circuit_of_that_pair(model, pairs):
    found = ue.circuit_pairs(model, pairs[:1], edges=EDGES, shares=SHARES)
    alone = single(model, pairs[0], edges=EDGES)
    assert found.edges == alone.edges
    assert found.curve == alone.curve
    assert (alone.n_pairs, alone.left_out) == (1, ())


def test_a_circuit_is_measured_on_other_pairs(model, pairs, tmp_path):
    """Its edges by name, and its curve by the scores of those it was found on."""
    found = ue.circuit_pairs(model, pairs[:2], edges=EDGES, curve=False)
    (tmp_path / "found.json").write_text(found.to_mib())
    given = ue.load_circuit(tmp_path / "found.json")
    again = ue.circuit_pairs(
        model, pairs[2:], edges=0, include=given.edges, scores=given, shares=SHARES
    )
    other = single(model, pairs[2], edges=0, include=given.edges, scores=given)
    assert again.estimator == "given"
    assert again.value == pytest.approx(other.value)
    assert [one.value for one in again.curve] == pytest.approx([one.value for one in other.curve])


def test_what_is_held_out_is_measured_as_pairs_of_another_file(model, pairs, tmp_path):
    found = ue.circuit_pairs(model, pairs, held_out=1, edges=EDGES, shares=SHARES)
    fewer = ue.circuit_pairs(model, pairs[:2], edges=EDGES, shares=SHARES)
    (tmp_path / "scores.json").write_text(fewer.to_mib())
    given = ue.load_circuit(tmp_path / "scores.json")
    again = ue.circuit_pairs(
        model, pairs[2:], edges=0, include=given.edges, scores=given, shares=SHARES
    )
    assert found.edges == fewer.edges
    assert (found.n_pairs, found.whole, found.value) == (2, fewer.whole, fewer.value)
    assert (found.cpr, found.cmd) == (fewer.cpr, fewer.cmd)
    held = found.held_out
    assert held.n_pairs == 1
    for name in ("whole", "none", "value", "faithfulness", "cpr", "cmd"):
        assert getattr(held, name) == pytest.approx(getattr(again, name), abs=1e-9), name
    assert [one.value for one in held.curve] == pytest.approx([one.value for one in again.curve])
    assert fewer.held_out is None


def test_by_pair_is_what_the_circuit_carries_on_each_alone(model, pairs):
    odd = pair(0, ("The cat", "The cat sat on"))
    found = ue.circuit_pairs(model, [odd, *pairs], held_out=1, edges=EDGES, curve=False)
    names = [edge_name(edge.source, edge.target) for edge in found.edges]
    assert [(one.pair, one.held_out) for one in found.by_pair] == [(1, 0), (2, 0), (3, 1)]
    for one, asked in zip(found.by_pair, pairs, strict=True):
        assert one.clean == asked.clean
        alone = single(model, asked, edges=0, include=names, curve=False)
        for name in ("whole", "none", "value", "faithfulness"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), abs=1e-9), name
    assert single(model, pairs[0], edges=1, curve=False).by_pair == ()


def test_something_is_left_to_find_a_circuit_on(model, pairs):
    with pytest.raises(InputError, match="none is left to find it on") as caught:
        ue.circuit_pairs(model, pairs, held_out=3)
    assert (caught.value.field, caught.value.legal) == ("held_out", "at most 2")


def test_by_position_all_have_one_number_of_tokens(model, pairs):
    found = ue.circuit_pairs(model, pairs, edges=EDGES, by_position=True, shares=SHARES)
    alone = [single(model, one, by_position=True) for one in pairs[:2]]
    torch.testing.assert_close(found.effects, (alone[0].effects + alone[1].effects) / 2)
    assert found.n_pairs == 2
    assert [one.pair for one in found.left_out] == [2]
    assert "most have" in found.left_out[0].reason


def test_what_does_not_fit_is_left_out_and_said(model, pairs):
    odd = pair(0, ("The cat", "The cat sat on"))
    found = ue.circuit_pairs(model, [odd, *pairs], edges=1, curve=False)
    assert found.n_pairs == 3
    assert [one.pair for one in found.left_out] == [0]
    with pytest.raises(InputError, match="no pair that a circuit can be made of") as caught:
        ue.circuit_pairs(model, [odd])
    assert caught.value.field == "pairs"
    with pytest.raises(InputError, match="no pair that a circuit can be made of"):
        ue.circuit_pairs(model, [])


def test_limits_name_the_pair(model, pairs):
    small = ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_pairs=2))
    with pytest.raises(TooLargeError, match="max_pairs"):
        ue.circuit_pairs(small, pairs)
    bound = ue.Settings(max_capture_bytes=80_000)
    small = ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=bound)
    long = pair(
        0,
        ("The cat sat on the mat and the mat sat on", "The cat sat on the mat and the cat sat on"),
    )
    with pytest.raises(TooLargeError, match="max_capture_bytes") as caught:
        ue.circuit_pairs(small, [pairs[0], long])
    assert caught.value.field == "pairs[1].clean"


def test_progress_counts_over_all_pairs(model, pairs):
    said = []
    ue.circuit_pairs(model, pairs, edges=3, shares=SHARES, progress=lambda *line: said.append(line))
    gradients = [line[1:] for line in said if line[0] == "gradients of edges"]
    assert gradients == [(0, 3), (1, 3), (2, 3)]
    runs = [line[1:] for line in said if line[0] == "runs of circuits"]
    assert runs[0] == (0, 15)
    assert [done for done, _ in runs] == sorted(done for done, _ in runs)
