"""Making edits: what is refused, and with which words. What they do is in tests/contract."""

from __future__ import annotations

import math

import pytest
import torch

import unembed as ue
from tests.engine.conftest import PROMPT
from unembed.errors import CapabilityError, EditError, TargetError, UnembedError

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: ue.zero("L0.foo"), "target"),
        (lambda: ue.zero("logits"), "target"),
        (lambda: ue.zero("L0.H1", stage="pre"), "stage"),
        (lambda: ue.zero("L0.N1", stage="before"), "stage"),
        (lambda: ue.zero("L0.H1", positions=[]), "positions"),
        (lambda: ue.zero("L0.H1@3", positions=[3]), "positions"),
        (lambda: ue.scale("L0.H1", NAN), "value"),
        (lambda: ue.scale("L0.H1", INF), "value"),
        (lambda: ue.scale("L0.H1", True), "value"),
        (lambda: ue.scale("L0.H1", "2"), "value"),
        (lambda: ue.scale("L0.H1", [1.0, 2.0]), "value"),
        (lambda: ue.scale("L0.H1", None), "value"),
        (lambda: ue.set_to("L0.H1", []), "value"),
        (lambda: ue.set_to("L0.H1", [[1.0], [2.0, 3.0]]), "value"),
        (lambda: ue.set_to("L0.H1", [1.0, NAN]), "value"),
        (lambda: ue.add("L0.resid_post", torch.tensor([INF])), "value"),
        (lambda: ue.set_to("L0.mlp_out", 0, where=torch.ones(10, 40)), "where"),
        (lambda: ue.set_to("L0.z", 0, positions=[1], where=torch.ones(10) > 0), "where"),
    ],
)
def test_a_bad_edit_is_refused_when_it_is_made(make, field):
    with pytest.raises(UnembedError) as caught:
        make()
    assert caught.value.field == field
    assert caught.value.legal


@pytest.mark.parametrize(
    ("edit", "error", "field"),
    [
        (ue.zero("L9.H0"), TargetError, "edits[0].target"),
        (ue.zero("L0.H0", positions=[99]), TargetError, "edits[0].positions"),
        (ue.zero("L0.H0@-20"), TargetError, "edits[0].positions"),
        (ue.zero("L0.H0@0<99"), TargetError, "edits[0].target"),
        (ue.zero("L0.mlp_gate"), CapabilityError, "edits[0].target"),
        (ue.set_to("L0.H0", [1.0, 2.0, 3.0]), EditError, "edits[0].value"),
        (ue.Edit("L0.H0", "patch"), EditError, "edits[0].source"),
        (ue.set_to("L0.z", 0, where=torch.ones(10, 4) > 0), EditError, "edits[0].where"),
        ("zero L0.H0", EditError, "edits[0]"),
    ],
)
def test_an_edit_that_does_not_fit_names_its_field(gpt2, edit, error, field):
    with pytest.raises(error) as caught:
        gpt2.run(PROMPT, edits=[edit])
    assert caught.value.field == field


def test_a_patch_needs_the_site_to_be_captured(gpt2):
    other = gpt2.run(PROMPT)
    with pytest.raises(TargetError, match=r"capture=\['L1.z'\]"):
        gpt2.run(PROMPT, edits=[ue.patch("L1.H2", other)])
    needed = ue.required_capture("L1.H2", gpt2)
    other = gpt2.run("a dog ran to a log", capture=[needed])
    edited = gpt2.run(PROMPT, capture=[needed], edits=[ue.patch("L1.H2", other, positions=[1, 2])])
    assert torch.equal(edited["L1.H2"][1:3], other["L1.H2"][1:3])


def test_a_patch_between_prompts_of_other_lengths_asks_for_positions(gpt2):
    other = gpt2.run("the cat", capture=["L0.resid_post"])
    with pytest.raises(EditError, match="say which positions"):
        gpt2.run(PROMPT, edits=[ue.patch("L0.resid_post", other)])
    with pytest.raises(EditError, match="give one for each"):
        gpt2.run(
            PROMPT,
            edits=[ue.patch("L0.resid_post", other, positions=[0, 1], source_positions=[0])],
        )


def test_edits_of_one_site_apply_in_order(gpt2):
    run = gpt2.run(
        PROMPT,
        capture=["L0.mlp_post"],
        edits=[ue.set_to("L0.N3", 2.0), ue.scale("L0.N3", 3.0), ue.add("L0.N3", 1.0)],
    )
    assert torch.equal(run["L0.N3"], torch.full_like(run["L0.N3"], 7.0))


def test_one_value_per_position(gpt2):
    run = gpt2.run(
        PROMPT,
        capture=["L0.mlp_post"],
        edits=[ue.set_to("L0.N3", [5.0, 6.0], positions=[4, 1])],
    )
    assert run["L0.N3"][[4, 1]].tolist() == [5.0, 6.0]


def test_more_edits_than_the_limit_are_refused(gpt2):
    limit = gpt2.settings.max_edits
    with pytest.raises(EditError, match=f"the limit is {limit}"):
        gpt2.run(PROMPT, edits=[ue.zero("L0.H0")] * (limit + 1))


def test_equal_edits_have_equal_keys_and_others_do_not(gpt2):
    assert ue.zero("L0.H0").key == ue.zero("L0.H0").key
    first = ue.set_to("L0.resid_post", torch.ones(40))
    assert first.key == ue.set_to("L0.resid_post", torch.ones(40)).key
    assert first.key != ue.set_to("L0.resid_post", torch.ones(40) * 2).key
    runs = [gpt2.run(PROMPT, capture=["L0.z"]), gpt2.run("a dog", capture=["L0.z"])]
    assert ue.patch("L0.H0", runs[0]).key != ue.patch("L0.H0", runs[1]).key
    hash(first.key)
