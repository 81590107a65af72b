"""The app on a masked model: tokens masked, two texts read together, pairs knocked out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import unembed as ue

from ..engine.paired import FIRST, SECOND, bert
from .conftest import opened, served

TEXT = FIRST.replace(" ", "+")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("bert")
    with served(bert(), cache_dir=str(folder)) as found:
        yield found


def test_a_second_text_is_asked_for_run_and_kept_in_the_address(app, address):
    opened(app, address, f"v=1&p={TEXT}")
    one = app.row("next-token", 0)
    app.assert_accessible()
    app.page.get_by_test_id("pair").fill(SECOND)
    app.page.get_by_test_id("pair").press("Control+Enter")
    app.settled()
    assert "pair=where+is+the+cats" in app.page.url
    assert app.page.get_by_test_id("token-15").is_visible()
    assert app.row("next-token", 0) != one
    app.page.go_back()
    app.settled()
    assert app.row("next-token", 0) == one


def test_python_says_it(app, address):
    opened(app, address, f"v=1&p={TEXT}&pair=where+is+the+cats&e=embed;mask;p=3")
    copied = app.copied_python()
    assert f'prompt = ue.SentencePair("{FIRST}", "where is the cats")' in copied
    assert "ue.mask([3])" in copied


def test_a_mask_is_a_card_that_is_switched_on_and_off(app, address):
    opened(app, address, f"v=1&p={TEXT}&pos=3&e=embed;mask;p=3")
    assert "masked" in app.text("edit-0")
    masked = app.row("next-token", 0)
    app.page.get_by_test_id("edit-0").get_by_role("switch").click()
    app.settled()
    assert app.row("next-token", 0) != masked


def test_a_patch_takes_a_second_text(app, address):
    opened(app, address, f"v=1&p={TEXT}&pair=where+is+the+cats+?")
    app.page.get_by_test_id("quick-target").fill("L1.mlp")
    app.page.get_by_test_id("add-edit").click()
    form = app.page.get_by_test_id("edit-form")
    form.get_by_label("Operation").select_option("patch")
    form.get_by_label("From this prompt").fill(FIRST)
    app.page.get_by_test_id("edit-source-pair").fill("the cats is where ?")
    app.page.get_by_test_id("edit-submit").click()
    app.settled()
    assert f"patch from “{FIRST} | the cats is where ?”" in app.text("edit-0")
    model = bert()
    other = model.run(FIRST, ["L1.mlp_out"], pair="the cats is where ?")
    edited = model.run(FIRST, edits=[ue.patch("L1.mlp", other)], pair=SECOND)
    shown = app.page.get_by_test_id("next-token").inner_text()
    best = edited.top(1, -2)[0]  # of its last word, not of the mark behind it
    assert f"{best.probability:.3f}" in shown


def test_pairs_are_knocked_out_by_the_form(app, address):
    opened(app, address, f"v=1&p={TEXT}&pair=where+is+the+cats")
    app.page.get_by_test_id("quick-target").fill("L1.H2")
    app.page.get_by_test_id("add-edit").click()
    form = app.page.get_by_test_id("edit-form")
    form.get_by_label("Operation").select_option("knock_out")
    app.page.get_by_test_id("edit-submit").click()
    assert "Say which pairs" in form.inner_text()
    app.page.get_by_test_id("edit-pairs").fill("4<2, -1<0")
    app.page.get_by_test_id("edit-renormalise").check()
    app.assert_accessible("edit-form")
    app.page.get_by_test_id("edit-submit").click()
    app.settled()
    assert "without 4<2, -1<0, renormalised" in app.text("edit-0")
    assert "e=L1.H2;knock_out;pairs=4" in app.page.url
