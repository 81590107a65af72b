"""Names of nodes and links: which there are, and what of the model each one cuts."""

from __future__ import annotations

import pytest

from unembed.analyses.flow.names import parse_cut
from unembed.errors import TargetError


@pytest.mark.parametrize(
    ("link", "finer"),
    [
        ("L1.attn_in>L1.qkv", "L1.attn_in"),
        ("L1.qkv>L1.H2.query", "L1.H2.query"),
        ("L1.H2.query>L1.H2.key@3", "L1.H2.key@3"),
        ("L1.H2.key@3>L1.H2.value@3", "L1.H2.value@3"),
        ("L1.H2.value@3>L1.H2", "L1.H2.value@3"),
        ("L1.H2>L1.z", "L1.H2"),
        ("L1.z>L1.z17", "L1.z17"),
        ("L1.z17>L1.attn_out", "L1.z17"),
        ("L1.attn_bias>L1.attn_out", "L1.attn_bias"),
        ("L1.attn_out>L1.resid_mid", "L1.attn_out"),
        ("L1.resid_mid>L1.mlp_in", "L1.mlp_in"),
        ("L1.mlp_in>L1.N5.key", "L1.N5"),
        ("L1.N5.key>L1.N5", "L1.N5"),
        ("L1.N5>L1.mlp_out", "L1.N5"),
        ("L1.mlp_in>L1.mlp_out", "L1.mlp_out"),
        ("L0.resid_post>L1.attn_in", "L1.attn_in"),
    ],
)
def test_a_link_is_cut_where_it_is_narrowest(link, finer):
    one, other = parse_cut(link), parse_cut(finer)
    assert one.what == other.what
    assert (one.kind, one.layer, one.targets, one.branch) == (
        other.kind,
        other.layer,
        other.targets,
        other.branch,
    )
    assert parse_cut(f"{link}@7").at == 7


def test_the_stream_past_a_branch_is_named_by_its_ends():
    found = parse_cut("L1.resid_pre>L1.resid_mid@4")
    assert (found.kind, found.site.name, found.into.name, found.at) == (
        "residual",
        "L1.resid_pre",
        "L1.resid_mid",
        4,
    )
    assert parse_cut("L0.resid_post>L1.resid_mid").layer == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("L5.attn", "L5.attn_out", True),
        ("L5.H2", "L5.H2.z", True),
        ("L5.H2.query", "L5.H2.q", True),
        ("L5.H2.key@3", "L5.H2@9<3", True),
        ("L5.H2.key@3", "L5.H2.key@4", False),
        ("L5.z7", "L5.z8", False),
        ("L5.attn_bias", "L5.mlp_bias", False),
        ("L5.attn", "L6.attn", False),
        ("L5.resid_pre>L5.resid_mid", "L4.resid_post>L5.resid_mid", False),
    ],
)
def test_one_cut_is_the_same_however_it_is_written(one, other, same):
    assert (parse_cut(one).what == parse_cut(other).what) is same


def test_what_was_read_is_not_read_again():
    found = parse_cut("L1.H2>L1.z")
    assert parse_cut(found) is found


@pytest.mark.parametrize(
    "name",
    [
        "L1.H2>L1.N5",
        "L1.resid_pre>L2.H3",
        "L1.resid_pre>L3.resid_mid",
        "L0.resid_post>L0.resid_mid",
        "L0.H1.key@2>L0.H2.value@2",
        "L0.H1.key@2>L0.H1.value@3",
        "L0.N4.key>L0.N5",
        "L0.N4.key>L0.H1.value@2",
        "L0.mlp_in>L0.H1.key@2",
        "L0.attn_out>L0.mlp_in",
        "L0.mlp_in>L0.mlp_in_bias",
        "L0.attn_in>",
        ">L0.attn_in",
        "L0.H1>>L0.z",
        "L0.nothing",
        "embed",
        "",
    ],
)
def test_what_no_graph_has_is_refused_with_examples(name):
    with pytest.raises(TargetError) as error:
        parse_cut(name)
    assert error.value.value == name
    assert "L14.H7" in error.value.legal
