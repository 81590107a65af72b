"""The app on an encoder-decoder: its source is typed beside the prompt, and every view takes it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import unembed as ue
from unembed.models.tiny import tiny_tokenizer

from ..contract.encoder_decoders import build
from .conftest import ANSWER, opened, served

SOURCE = "the cat sat on the mat"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("bart")
    build("bart").float().save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    with served(ue.load(folder), cache_dir=str(folder / "cache")) as found:
        yield found


def test_a_source_is_typed_run_and_kept_in_the_address(app, address):
    opened(app, address)
    assert app.page.get_by_test_id("run").is_disabled()
    app.page.get_by_test_id("source").fill(SOURCE)
    app.page.get_by_test_id("source").press("Control+Enter")
    app.settled()
    assert "src=the+cat+sat+on+the+mat" in app.page.url
    assert app.page.get_by_test_id("token-1").count() == 0  # the decoder's start alone
    app.page.get_by_test_id("prompt").fill("he")
    app.page.get_by_test_id("run").click()
    app.settled()
    assert "p=he" in app.page.url
    assert app.page.get_by_test_id("token-1").is_visible()
    assert "source" in app.text("prompt-size")
    assert app.page.get_by_test_id("state-L1.resid_mid_cross").is_visible()
    before = app.row("next-token", 0)
    app.page.get_by_test_id("source").fill("on")
    app.page.get_by_test_id("run").click()
    app.settled()
    assert app.row("next-token", 0) != before
    app.page.go_back()
    app.settled()
    assert app.page.get_by_test_id("source").input_value() == SOURCE
    assert app.row("next-token", 0) == before


def test_every_view_takes_it(app, address):
    fragment = "v=1&src=the+cat+sat&p=he&e=L1.X2;zero"
    opened(app, address, f"{fragment}&open=1")
    for branch in ("heads", "cross_heads", "neurons"):
        app.page.get_by_test_id(f"{branch}-1").wait_for(timeout=ANSWER)
    assert "L1.X" in app.text("cross_heads-1")
    app.assert_accessible()
    app.page.get_by_test_id("tab-lens").click()
    app.settled()
    app.page.get_by_test_id("tab-flow").click()
    app.settled()
    app.open(f"{fragment}&view=flow&layers=1&table=1")
    assert "L1.X2" in app.text("flow-table")
    assert "L1.cross_out" in app.text("flow-table")
    app.open(f"{fragment}&node=L1.X3")
    assert "token of the source" in app.text("positions")
    assert "␣c" in app.text("positions")
    app.assert_accessible()


def test_a_node_of_the_encoder_has_no_page_and_the_app_says_why(app, address):
    opened(app, address, "v=1&src=the+cat&p=he&view=component")
    app.page.locator("#open-component").fill("E1.H2")
    assert "through the decoder’s attention only" in app.text("of-encoder")
    assert app.page.get_by_role("button", name="Open", exact=True).is_disabled()
    app.open("v=1&src=the+cat&p=he&node=E1.H2")
    assert "E1.H2" in app.text("address-problems")
    assert app.page.get_by_test_id("drawer").count() == 0


def test_a_source_that_is_missing_or_of_no_use_is_said(app, address):
    opened(app, address, "v=1&p=he")
    assert "say what its encoder reads" in app.text("error")
    app.page.locator(
        "[data-testid=source][aria-invalid=true]"
    ).wait_for()  # once the error is drawn


def test_python_says_it(app, address):
    opened(app, address, "v=1&src=the+cat&p=he")
    assert 'prompt = ue.Sourced("the cat", "he")' in app.copied_python()


def test_attention_to_the_source_and_within_the_encoder_is_drawn(app, address):
    opened(app, address, "v=1&view=attention&p=he+sat&src=the+cat+sat+on+the+mat&table=1&amass=1")
    app.page.get_by_test_id("part").locator("input[value=cross]").check()
    app.settled()
    assert "ah=L1.X" in app.page.url
    assert app.page.get_by_test_id("error").count() == 0
    rows = app.page.get_by_test_id("attention-table").locator("tbody tr")
    # the prompt has four tokens: what is looked at is the source's
    assert any("7 on" in row for row in rows.all_inner_texts())
    app.page.get_by_test_id("part").locator("input[value=encoder]").check()
    app.settled()
    assert "ah=E1" in app.page.url
    assert app.page.get_by_test_id("error").count() == 0
    assert app.page.locator(".head-layer").all_inner_texts() == ["E1", "E0"]
    # its queries are the source's, and another prompt has the same source
    assert [app.page.get_by_test_id(f"set-{name}").count() for name in ("queries", "against")] == [
        0,
        0,
    ]
    app.page.get_by_test_id("as-table").click()
    assert app.page.get_by_test_id("attention-canvas").is_visible()


@pytest.mark.parametrize("picks, whole", [("L1.X", "L1.cross"), ("E1", "E1.attn")])
def test_pairs_of_every_part_are_cut_and_taken_back(app, address, picks, whole):
    source = "src=the+cat+sat+on+the+mat"
    opened(app, address, f"v=1&view=attention&p=he+sat&{source}&ah={picks}&table=1&amass=1")
    app.page.get_by_test_id("cut-2<3").click()
    app.settled()
    assert app.text("edit-0").startswith(whole)
    assert "2<3" in app.text("edit-0")
    # nothing is left of the pair, and something changed
    (row,) = app.page.get_by_role("row").filter(has=app.page.get_by_test_id("cut-2<3")).all()
    assert float(row.locator("td.number").nth(1).get_attribute("title")) == 0
    assert float(row.locator("td.number").nth(0).get_attribute("title")) > 0
    app.page.get_by_test_id("renormalise").check()
    app.page.get_by_test_id("cut-2<3").click()
    app.settled()
    assert app.page.get_by_test_id("edit-0").count() == 0
    app.page.get_by_test_id("cut-pairs-of-all").click()
    app.settled()
    assert "pairs, renormalised" in app.text("edit-0")


def test_a_head_of_the_encoder_is_switched_off_and_changed_in_full(app, address):
    fragment = "v=1&view=attention&p=he+sat&src=the+cat+sat+on+the+mat&ah=E1.H2&table=1"
    opened(app, address, fragment)
    app.page.get_by_test_id("off-E1.H2").click()
    app.settled()
    assert "e=E1.H2;zero" in app.page.url
    assert app.page.get_by_test_id("tile-E1.H2").get_attribute("class").endswith("cut")
    app.page.get_by_test_id("edit-0").locator(".edit-body").click()
    form = app.page.get_by_test_id("edit-form")
    assert form.get_by_test_id("edit-stack").input_value() == "encoder"
    form.get_by_test_id("edit-stack").select_option("decoder")
    app.page.get_by_test_id("edit-submit").click()
    app.settled()
    assert "e=L1.H2;zero" in app.page.url
    assert app.page.get_by_test_id("error").count() == 0
