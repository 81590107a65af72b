"""The table of kinds of node: names that Python and the app read alike, and typed targets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import unembed as ue
from unembed.engine import nodes, targets
from unembed.engine.derived import Derived
from unembed.engine.names.sites import parse_target
from unembed.errors import EditError, InputError, TargetError
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import PROMPT

ADDRESSES = json.loads((Path(__file__).parent / "addresses.json").read_text("utf-8"))


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda one: one["text"])
def test_a_name_is_read_as_the_app_reads_it(address):
    """web/src/shared/text/address.test.ts reads the same file."""
    if address["name"] is None:
        with pytest.raises(TargetError):
            parse_target(address["text"])
        return
    target = parse_target(address["text"])
    assert target.name == address["name"]
    assert address["words"] in (None, target.at(None).words)
    again = parse_target(target.name)
    assert (again.site_key, again.row, again.name) == (target.site_key, target.row, target.name)


def test_every_row_reads_its_example_and_writes_it_again():
    for row in nodes.KINDS:
        target = parse_target(row.example)
        assert target.row is row
        assert target.name == target.text == row.example
        assert target.words
        assert row.site in (*nodes.SITES, None)
        assert set(row.sites) <= set(nodes.SITES)
        assert (row.number is None) == (not row.called)


def test_every_site_has_words_and_every_node_a_site():
    assert set(nodes.SITE_WORDS) == set(nodes.SITES)
    assert all(row.site for row in nodes.KINDS if row.is_node)


def test_what_was_read_is_not_read_again():
    target = parse_target("L9.H6@14")
    assert parse_target(target) is target
    assert ue.zero(target).node is target
    assert ue.zero(target).target == "L9.H6@14"
    assert ue.zero(target).key == ue.zero("L9.H6@14").key


def test_a_target_moves_to_another_position_and_is_named_so():
    head = parse_target("L9.H6")
    assert head.at(14).name == "L9.H6@14"
    pair = head.at(14, 3)
    assert (pair.name, pair.kind, pair.site, pair.is_pairs) == (
        "L9.H6@14<3",
        "pair",
        "pattern",
        True,
    )
    assert pair == parse_target("L9.H6@14<3")
    assert pair.at(None).stem == "L9.H6"


def test_targets_are_made_from_numbers_as_from_names():
    made = [
        targets.node("head", 9, 6),
        targets.node("neuron", 12, 512),
        targets.node("entry", 14, 448),
        targets.node("mlp", 5),
        targets.site("resid_post", 5),
        targets.site("final_norm"),
    ]
    named = ["L9.H6", "L12.N512", "L14.z448", "L5.mlp", "L5.resid_post", "final_norm"]
    assert made == [parse_target(name) for name in named]


@pytest.mark.parametrize("row", nodes.KINDS, ids=lambda row: row.title)
def test_the_table_says_which_edits_a_kind_takes(row):
    makers = {
        "zero": lambda stage: ue.zero(row.example, stage=stage),
        "scale": lambda stage: ue.scale(row.example, 2.0, stage=stage),
        "set_to": lambda stage: ue.set_to(row.example, 2.0, stage=stage),
        "add": lambda stage: ue.add(row.example, 2.0, stage=stage),
    }
    for operation, make in makers.items():
        for stage in nodes.STAGES:
            if stage in row.stages and operation in row.operations:
                assert make(stage).stage == stage
            else:
                with pytest.raises(EditError):
                    make(stage)


def test_the_table_needs_no_torch():
    code = "import sys, unembed.engine.nodes; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_patterns_are_those_of_javascript_too():
    """Only what both languages read alike."""
    for row in nodes.KINDS:
        for pattern in (*row.patterns, nodes.AT):
            assert not re.search(r"\(\?[^:P]|\(\?P=|\\[dwsbAZ]", pattern), pattern


# ------------------------------------------------------------------ a kind that is attached

FEATURE = nodes.NodeKind(
    "feature",
    ("L{layer}.F{index}",),
    "feature",
    "features",
    "feature {index} of the stream behind layer {layer}",
    "L6.F77",
    site="resid_post",
    number="index",
    called="feature",
    derived="made up for a test",
)
N_FEATURES = 12


@pytest.fixture(scope="module")
def maps():
    """There and back, which is not where one came from: something is always left over."""
    torch.manual_seed(3)
    there = torch.randn(40, N_FEATURES, dtype=torch.float64)
    return there, torch.randn(N_FEATURES, 40, dtype=torch.float64)


@pytest.fixture(scope="module")
def model(maps):
    there, back = maps
    model = ue.load(tiny_model("gpt2", dtype=torch.float64), tokenizer=tiny_tokenizer())
    model.derived["feature"] = Derived(
        FEATURE,
        counts={1: N_FEATURES},
        encode=lambda layer, stream: stream @ there,
        decode=lambda layer, values, stream: values @ back,
    )
    return model


def test_a_kind_that_is_attached_is_read_by_a_partial_pass(model):
    ids = torch.tensor([model.tokenize(PROMPT)] * 2)
    expected = model.run(PROMPT, ["L1.F7"])["L1.F7"]
    found = ue.partial_forward(model, ["L1.F7", "L1.F7@3"], ids)
    assert found["L1.F7"].shape == ids.shape
    for row in range(2):
        torch.testing.assert_close(found["L1.F7"][row], expected)
        torch.testing.assert_close(found["L1.F7@3"][row], expected[3])
    with pytest.raises(TargetError, match="features 0-11"):
        ue.partial_forward(model, ["L1.F12"], ids)


def test_a_kind_that_is_attached_is_named_and_read_as_any_other(model, maps):
    target = model.node("L1.F7@3")
    assert (target.kind, target.site, target.layer, target.index) == ("feature", "resid_post", 1, 7)
    assert (target.name, target.at(None).words) == (
        "L1.F7@3",
        "feature 7 of the stream behind layer 1",
    )
    run = model.run(PROMPT, ["L1.F7"])
    stream = model.run(PROMPT, ["L1.resid_post"])["L1.resid_post"]
    torch.testing.assert_close(run["L1.F7"], stream @ maps[0][:, 7])
    assert run["L1.F7@3"] == run["L1.F7"][3]
    assert "L1.F9" in run
    objective = ue.Objective.activation(model.node("L1.F7"), position=3)
    assert objective.words.startswith("activation of feature 7")
    assert objective.value(model.run(PROMPT, objective.required_capture(model))) == run["L1.F7"][3]


@pytest.mark.parametrize(
    ("make", "becomes"),
    [
        (lambda node: ue.zero(node, positions=[2, 3]), lambda old: 0 * old),
        (lambda node: ue.scale(node, -2.0, positions=[2, 3]), lambda old: -2 * old),
        (lambda node: ue.set_to(node, 1.5, positions=[2, 3]), lambda old: 0 * old + 1.5),
        (lambda node: ue.add(node, 0.5, positions=[2, 3]), lambda old: old + 0.5),
    ],
)
def test_an_edit_of_it_changes_what_it_stands_for_and_keeps_the_rest(model, maps, make, becomes):
    there, back = maps
    edited = model.run(PROMPT, ["L1.resid_post"], [make(model.node("L1.F7"))])
    stream = model.run(PROMPT, ["L1.resid_post"])["L1.resid_post"]
    old = stream[2:4] @ there[:, 7]
    change = (becomes(old) - old)[:, None] * back[7]
    wanted = stream.clone()
    wanted[2:4] += change
    torch.testing.assert_close(edited["L1.resid_post"], wanted)
    same = model.run(PROMPT, edits=[ue.add("L1.resid_post", change, positions=[2, 3])])
    torch.testing.assert_close(edited.logits, same.logits)


def test_several_edits_of_it_and_of_its_site_apply_in_order(model, maps):
    there, back = maps
    seven, eight = (model.node(f"L1.F{n}@4") for n in (7, 8))
    twice = ue.scale("L1.resid_post@4", 2.0)
    run = model.run(PROMPT, ["L1.resid_post"], [ue.set_to(seven, 1.0), twice, ue.zero(eight)])
    stream = model.run(PROMPT, ["L1.resid_post"])["L1.resid_post"][4]
    stream = 2 * (stream + (1.0 - stream @ there[:, 7]) * back[7])
    stream = stream - (stream @ there[:, 8]) * back[8]
    torch.testing.assert_close(run["L1.resid_post"][4], stream)


def test_it_is_patched_from_another_run(model, maps):
    there, back = maps
    other = model.run(PROMPT[::-1], ["L1.F7"])
    node = model.node("L1.F7")
    assert ue.required_capture(node, model) == "L1.resid_post"
    run = model.run(PROMPT, ["L1.resid_post"], [ue.patch(node, other, positions=[5])])
    stream = model.run(PROMPT, ["L1.resid_post"])["L1.resid_post"]
    change = other["L1.F7"][5] - stream[5] @ there[:, 7]
    torch.testing.assert_close(run["L1.resid_post"][5], stream[5] + change * back[7])


def test_a_model_without_it_and_a_number_outside_say_so(model, gpt2):
    for name, said in (
        ("L1.F12", "feature 12 is not in this model: .* has features 0-11 in layer 1"),
        ("L0.F2", "has no features in layer 0"),
        ("L7.F2", "layer 7 is not in this model"),
    ):
        with pytest.raises(TargetError, match=said):
            model.run(PROMPT, [name])
    with pytest.raises(TargetError, match="names no site or node"):
        gpt2.node("L1.F7")
    with pytest.raises(TargetError, match="does not have attached"):
        gpt2.run(PROMPT, edits=[ue.zero(model.node("L1.F7"))])
    with pytest.raises(TargetError, match="does not have attached"):
        gpt2.run(PROMPT, ["resid_post"])[model.node("L1.F7")]
    with pytest.raises(EditError):
        ue.zero(model.node("L1.F7"), stage="pre")
    with pytest.raises(InputError, match="derived"):
        Derived(nodes.SITE, {}, lambda layer, x: x, lambda layer, x, at: x)


def test_edits_of_nodes_with_one_name_but_other_maps_are_not_the_same(model):
    own = ue.zero(model.node("L1.F7"))
    other = replace(FEATURE, derived="other maps")
    theirs = ue.zero(parse_target("L1.F7", derived=[other]))
    assert own.target == theirs.target
    assert own.key != theirs.key


def test_nothing_attached_costs_nothing(model, gpt2):
    assert gpt2.derived == {}
    plain = tiny_model("gpt2", dtype=torch.float64)(torch.tensor([model.tokenize(PROMPT)])).logits[
        0
    ]
    assert torch.equal(model.run(PROMPT, ["L1.F7"]).logits, plain)


def test_a_name_that_may_be_attached_says_how_it_is_named():
    with pytest.raises(TargetError) as caught:
        parse_target("L6.F77")
    assert "model.node('L6.F77')" in caught.value.fix


@pytest.mark.parametrize("name", ["L1.F7", "L1.F7@3", "l1.f7@-2"])
@pytest.mark.parametrize("make", [ue.zero, lambda node: ue.add(node, 0.5)], ids=["zero", "add"])
def test_an_edit_may_name_it_as_text_before_there_is_a_model(model, make, name):
    by_text, by_node = make(name), make(model.node(name))
    assert by_text.target == name
    found, expected = (model.run(PROMPT, edits=[edit]) for edit in (by_text, by_node))
    assert torch.equal(found.logits, expected.logits)
    assert found.key == expected.key  # which maps it was is a part of it
    assert [edit.words for edit in found.edits] == [by_node.words]
    sweep = ue.sweep(model, PROMPT, [by_text, by_node])
    assert sweep.rows[0].value == sweep.rows[1].value
    generated = (model.generate(PROMPT, 4, edits=[edit]).new_ids for edit in (by_text, by_node))
    assert len(set(generated)) == 1


def test_an_objective_may_name_it_as_text(model):
    objective = ue.Objective.activation("L1.F7@3")
    run = model.run(PROMPT, objective.required_capture(model))
    assert objective.value(run) == run["L1.F7@3"]


def test_text_that_no_model_knows_is_refused_at_once_or_by_the_model(model, gpt2):
    for name in ("L6.H123456", "L6.N12345678", "L6.z12345678", "L6.F", "L6.F7@", "L6.F7<3", "F7"):
        with pytest.raises(TargetError, match="names"):
            ue.zero(name)
    with pytest.raises(TargetError, match="names no site or node") as caught:
        gpt2.run(PROMPT, edits=[ue.zero("L1.mlp"), ue.zero("L1.F7")])
    assert caught.value.field == "edits[1].target"
    with pytest.raises(TargetError, match="features 0-11"):
        model.run(PROMPT, edits=[ue.zero("L1.F12")])
    with pytest.raises(EditError, match="names its position already"):
        ue.zero("L1.F7@3", positions=[2])


def test_an_edit_named_as_text_is_held_to_what_its_kind_takes(model):
    model = ue.load(model.module, tokenizer=model.tokenizer)
    rigid = replace(FEATURE, operations=("zero",))
    model.derived["feature"] = Derived(rigid, {1: 12}, lambda _, x: x[:, :12], lambda _, x, at: x)
    with pytest.raises(EditError, match="takes zero, not scale"):
        model.run(PROMPT, edits=[ue.scale("L1.F7", 2.0)])
