"""Grids over many pairs are means of the single grids; files and templates are read as they are."""

from __future__ import annotations

import json
from math import sqrt
from typing import get_args

import pytest
import torch

import unembed as ue
from unembed.analyses.patching.pairs import TemplateName
from unembed.analyses.tools.quantiles import student
from unembed.errors import InputError, TooLargeError
from unembed.models.tiny import tiny_model, tiny_tokenizer

TEXTS = [
    ("The cat sat", "The sat sat"),
    ("The sat sat", "The cat sat"),
    ("the sat on", "the on on"),
]


@pytest.fixture(scope="module")
def model():
    return ue.load(tiny_model("gpt2").double(), tiny_tokenizer())


@pytest.fixture(scope="module")
def pairs(model):
    """Those of as many tokens, and answers of every kind."""
    found = [
        ue.PromptPair(clean=one, corrupted=other, answer=5 + order, wrong=72)
        for order, (one, other) in enumerate(TEXTS)
    ]
    lengths = {len(model.read_prompt(text).ids) for pair in TEXTS for text in pair}
    assert len(lengths) == 1
    return found


@pytest.mark.parametrize("site", ["resid_pre", "heads"])
def test_a_mean_is_that_of_the_single_grids(site, model, pairs):
    found = ue.patch_pairs(model, pairs, site=site)
    grids = [
        ue.patch_grid(model, one.clean, one.corrupted, one.answer, distractor=72, site=site)
        for one in pairs
    ]
    assert found.n_pairs == 3
    assert found.n_runs == sum(grid.n_runs for grid in grids)
    assert found.clean == pytest.approx(sum(grid.clean for grid in grids) / 3)
    spans = [grid.clean - grid.corrupted for grid in grids]
    for layer in range(len(found.layers)):
        for column in range(len(found.columns_at)):
            moved = [float(grid.values[layer, column]) - grid.corrupted for grid in grids]
            share = sum(moved) / sum(spans)
            off = torch.tensor([a - share * b for a, b in zip(moved, spans, strict=True)])
            half = float(off.std()) / sqrt(3) / abs(sum(spans) / 3) * 4.3026527
            assert float(found.restored[layer, column]) == pytest.approx(share, abs=1e-6)
            width = float(found.high[layer, column] - found.low[layer, column]) / 2
            assert width == pytest.approx(half, rel=1e-4, abs=1e-6)
    assert json.loads(found.to_json())["rows"][0][0][0] == pytest.approx(
        float(found.restored[0, 0])
    )


def test_quantiles_are_students():
    for share, freedom, wanted in [(0.975, 10, 2.228), (0.975, 30, 2.042), (0.9999, 30, 4.226)]:
        assert student(share, freedom) == pytest.approx(wanted, rel=2e-3)
    for freedom, wanted in [(1, 12.706), (2, 4.3027), (3, 3.182), (4, 2.776)]:
        assert student(0.975, freedom) == pytest.approx(wanted, rel=0.01)


def test_what_does_not_fit_is_left_out_and_said(model, pairs):
    odd = ue.PromptPair(clean="The cat", corrupted="The cat sat on", answer=5, wrong=72)
    same = ue.PromptPair(clean="The cat sat", corrupted="The sat sat", answer=5, wrong=5)
    many = ue.PromptPair(clean="The cat sat", corrupted="x", answer="The cat sat on it", wrong=5)
    short = ue.PromptPair(clean="The cat sat on", corrupted="The sat sat on", answer=5, wrong=72)
    alike = ue.PromptPair(clean="The cat sat", corrupted="The cat sat", answer=5, wrong=72)
    found = ue.patch_pairs(model, [odd, *pairs, same, many, short, alike])
    assert found.n_pairs == 3
    reasons = {one.pair: one.reason for one in found.left_out}
    assert sorted(reasons) == [0, 4, 5, 6, 7]
    assert "tokens and the corrupted one" in reasons[0]
    assert "same token" in reasons[4]
    assert "not one token" in reasons[5]
    assert "positions are not the same" in reasons[6]
    assert "alike" in reasons[7]
    assert ue.patch_pairs(model, [*pairs, short], site="heads").n_pairs == 4
    one = ue.patch_pairs(model, pairs[:1])
    assert one.low.isnan().all()
    with pytest.raises(InputError, match="no pair that a grid can be made of"):
        ue.patch_pairs(model, [odd])
    with pytest.raises(InputError, match="no pair"):
        ue.patch_pairs(model, [])
    small = ue.load(tiny_model("gpt2"), tiny_tokenizer(), settings=ue.Settings(max_pairs=2))
    with pytest.raises(TooLargeError, match="max_pairs"):
        ue.patch_pairs(small, pairs)


def test_work_over_pairs_can_be_followed_and_cancelled(model, pairs):
    seen = []
    cancel = ue.Cancel()

    def progress(stage, done, total):
        seen.append((stage, done, total))
        if done == 1:
            cancel.cancel()

    with pytest.raises(ue.errors.CancelledError):
        ue.patch_pairs(model, pairs, cancel=cancel, progress=progress)
    assert seen == [("pairs", 0, 3), ("pairs", 1, 3)]


@pytest.mark.parametrize("name", get_args(TemplateName))
def test_every_template_has_pairs_that_differ(name):
    found = ue.pair_template(name)
    assert len(found) >= 12
    assert len({(one.clean, one.corrupted) for one in found}) == len(found)
    for one in found:
        assert one.clean != one.corrupted
        assert one.answer != one.wrong
        assert len(one.clean.split()) == len(one.corrupted.split())


def test_pairs_are_read_from_csv_and_jsonl(tmp_path):
    wanted = (
        ue.PromptPair(clean="a, b", corrupted="c", answer=" d", wrong=" e"),
        ue.PromptPair(clean="line\nbreak", corrupted="f", answer=" g", wrong=" h"),
    )
    csv = tmp_path / "a.csv"
    csv.write_text('wrong,clean,corrupted,answer,note\n e,"a, b",c, d,x\n h,"line\nbreak",f, g,\n')
    jsonl = tmp_path / "a.jsonl"
    jsonl.write_text("\n".join(json.dumps(one.values()) for one in wanted) + "\n\n")
    assert ue.read_pairs(csv) == ue.read_pairs(jsonl) == wanted
    jsonl.write_text(json.dumps(wanted[0].values() | {"answer": 12}))
    assert ue.read_pairs(jsonl)[0].answer == 12


@pytest.mark.parametrize(("name", "text", "words"), [
    ("a.csv", "clean,corrupted,answer\n", "no column 'wrong'"),
    ("a.csv", "clean,corrupted,answer,wrong\n", "has no pairs"),
    ("a.csv", "clean,corrupted,answer,wrong\na,b\n", "line 2"),
    ("a.jsonl", '{"clean": "a"}\n', "line 1 of .*corrupted is missing"),
    ("a.jsonl", "\n[1]\n", "line 2 of .*no object"),
    ("a.jsonl", "{oops\n", "line 1 of .*no JSON"),
    ("a.jsonl", '{"clean": "", "corrupted": "b", "answer": "c", "wrong": "d"}', "line 1"),
    ("a.jsonl", b"\xff\xfe", "not UTF-8"),
])  # fmt: skip
def test_a_file_that_is_no_list_of_pairs_is_refused_with_its_line(name, text, words, tmp_path):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=words):
        ue.read_pairs(path)


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        ue.read_pairs(tmp_path / "none.csv")
    with pytest.raises(InputError, match="there are ioi, facts"):
        ue.pair_template("mystery")
