"""Names of sites and nodes."""

from __future__ import annotations

import pytest

from unembed.engine.names.sites import check_target, parse_target, resolve_position
from unembed.engine.targets import SiteKey
from unembed.errors import TargetError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L5.resid_post", ("resid_post", 5, None, None, None, None, "site")),
        ("L9.H6", ("z", 9, 6, None, None, None, "head")),
        ("L9.H6@14", ("z", 9, 6, None, 14, None, "head")),
        ("L9.H6@14<3", ("pattern", 9, 6, None, 14, 3, "pair")),
        ("L9.H6@-1", ("z", 9, 6, None, -1, None, "head")),
        ("L12.N512", ("mlp_post", 12, None, 512, None, None, "neuron")),
        ("L12D512", ("mlp_post", 12, None, 512, None, None, "neuron")),
        ("l12d512", ("mlp_post", 12, None, 512, None, None, "neuron")),
        ("L5.attn", ("attn_out", 5, None, None, None, None, "attn")),
        ("L5.mlp@3", ("mlp_out", 5, None, None, 3, None, "mlp")),
        ("embed", ("embed", None, None, None, None, None, "embed")),
        ("L3.H2.pattern", ("pattern", 3, 2, None, None, None, "site")),
        ("L3.H2.pattern@7", ("pattern", 3, 2, None, 7, None, "site")),
        ("L3.N2.mlp_gate", ("mlp_gate", 3, None, 2, None, None, "site")),
        ("L3.N2.mlp_pre@7", ("mlp_pre", 3, None, 2, 7, None, "site")),
        ("final_norm", ("final_norm", None, None, None, None, None, "site")),
    ],
)
def test_a_name_is_read_as_what_it_names(text, expected):
    target = parse_target(text)
    assert (
        target.site,
        target.layer,
        target.head,
        target.neuron,
        target.position,
        target.key,
        target.kind,
    ) == expected


def test_an_entry_of_z_counts_over_all_heads():
    target = parse_target("L3.z17@4")
    assert (target.site_key, target.entry, target.position) == (SiteKey("z", 3), 17, 4)


@pytest.mark.parametrize(
    "text",
    ["", "L5", "L5.", "L5.H", "L5.foo", "5.H6", "L-1.H2", "L5.H6@", "L5.H6<3", "L5.N1@2<3",
     "L5.attn@1<0", "L5.H1.resid_post", "L5.N1.resid_post", "L5.N1.mlp_pre@2<1",
     "L5 .H6", "L5.H6\n", "Ｌ5.H6", "L٥.H٦ x"],
)  # fmt: skip
def test_what_names_nothing_is_refused_with_an_example(text):
    with pytest.raises(TargetError) as caught:
        parse_target(text, "edits[0].target")
    assert caught.value.field == "edits[0].target"
    assert caught.value.legal


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("L30.H0", "layer 30 is not in this model: tiny has layers 0-2"),
        ("L0.H4", "head 4 is not in this model: tiny has heads 0-3 in layer 0"),
        ("L1.z40", "z row 40 is not in this model: tiny has z rows 0-39 in layer 1"),
        ("L0.N52", "neuron 52 is not in this model: tiny has neurons 0-51 in layer 0"),
        ("L1.H9.k", "key/value head 9 is not in this model: tiny has key/value heads 0-3"),
    ],
)
def test_a_number_out_of_range_names_the_range(gpt2, text, sentence):
    with pytest.raises(TargetError, match=sentence):
        check_target(parse_target(text), gpt2.anatomy, "tiny")


def test_positions_count_from_either_end():
    assert resolve_position(-1, 5) == 4
    assert resolve_position(0, 5) == 0
    for outside in (5, -6):
        with pytest.raises(TargetError, match="positions 0-4"):
            resolve_position(outside, 5)


def test_a_name_is_read_once_and_a_mistake_is_named_where_it_was_made():
    assert parse_target("L1.H2.z") is parse_target("L1.H2.z")
    for field in ("capture[0]", "edits[1].target"):
        with pytest.raises(TargetError) as caught:
            parse_target("L1.nothing", field)
        assert caught.value.field == field
