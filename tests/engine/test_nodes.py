"""The table of kinds of node: names that Python and the app read alike, and typed targets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import unembed as ue
from unembed.engine import nodes
from unembed.engine.names.sites import parse_target
from unembed.errors import EditError, TargetError

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
    assert (again.place, again.row, again.name) == (target.place, target.row, target.name)


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
        nodes.node("head", 9, 6),
        nodes.node("neuron", 12, 512),
        nodes.node("entry", 14, 448),
        nodes.node("mlp", 5),
        nodes.site("resid_post", 5),
        nodes.site("final_norm"),
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
