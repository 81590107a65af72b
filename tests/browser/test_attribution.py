"""Attribution and patching grids in the app: what they list is the library's, and is acted on."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

import unembed as ue
from unembed.engine.model import Model

from .conftest import ANSWER, App

TOKYO = "p=The+capital+of+Japan+is+the+city+of&t=+Tokyo&d=+Paris"
ATTRIBUTION = f"v=1&view=attribution&{TOKYO}"
PROMPT = "The capital of Japan is the city of"
OTHER = "The capital of France is the city of"


def address(app: App) -> str:
    # asked of the page: what the driver knows of the address comes a moment later
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def test_nodes_are_listed_measured_opened_and_switched_off(app: App, small_demo: Model):
    app.open(f"{ATTRIBUTION}&ntop=50")
    page = app.page
    table = page.get_by_test_id("attribution-table")
    table.wait_for(timeout=ANSWER)
    found = ue.attribute(small_demo, PROMPT, " Tokyo", distractor=" Paris", top_k=50)
    first = found.rows[0]
    row = page.get_by_test_id(f"row-{first.name}")
    total = row.locator("td.number").last.get_attribute("title")
    assert float(total) == pytest.approx(first.total, rel=1e-4)
    assert "left over" in app.text("completeness")
    page.get_by_test_id("measure").click()
    app.settled()
    assert "20 nodes measured" in app.text("verification")
    page.get_by_test_id(f"expand-{first.name}").click()
    page.get_by_test_id("node-detail").get_by_text("promotes").wait_for(timeout=ANSWER)
    app.assert_accessible()
    row.locator(".attribution-name").focus()
    page.keyboard.press("x")
    app.settled()
    assert f"e={first.name}" in address(app)
    assert table.get_by_text("change").count() > 0
    assert app.too_wide([1920, 1280, 700]) == []


def test_components_are_sums_and_filters_say_when_nothing_passes(app: App, small_demo: Model):
    app.open(f"{ATTRIBUTION}&ngrp=components")
    app.page.get_by_test_id("attribution-table").wait_for(timeout=ANSWER)
    found = ue.attribute(small_demo, PROMPT, " Tokyo", distractor=" Paris")
    best = max(found.components, key=lambda one: abs(one.total))
    assert app.row("attribution-table", 0)[0] == best.name
    app.page.get_by_test_id("find").fill("no such node")
    app.page.get_by_test_id("no-rows").wait_for()


def test_a_grid_is_drawn_and_a_cell_becomes_an_edit(app: App, small_demo: Model):
    app.open(f"v=1&view=patching&{TOKYO}")
    page = app.page
    page.get_by_test_id("corrupted").fill(OTHER)
    page.get_by_test_id("corrupted-use").click()
    page.get_by_test_id("patching-readout").wait_for(timeout=ANSWER)
    app.settled()
    grid = ue.patch_grid(small_demo, PROMPT, OTHER, " Tokyo", distractor=" Paris")
    page.get_by_test_id("as-table").click()
    shares = app.row("patch-table", 0)[1:]  # the last layer
    wanted = [f"{share:.2f}".replace("-", "−") for share in grid.restored[-1].tolist()]
    assert [one.replace("−0.00", "0.00") for one in wanted] == shares
    page.get_by_test_id("as-table").click()
    page.get_by_test_id("patch-grid").focus()
    page.keyboard.press("ArrowDown")
    page.get_by_test_id("patch-note").wait_for()
    app.assert_accessible()
    page.get_by_test_id("into").locator("[value=clean]").check()
    app.settled()
    page.get_by_test_id("patch-edit").click()
    page.get_by_test_id("edit-0").wait_for()
    assert "patch" in app.text("edit-0")
    assert app.too_wide([1920, 1280, 700]) == []


def test_two_prompts_of_different_lengths_stand_beside_each_other(app: App):
    other = "The capital city of Japan is the city of"
    app.open(f"{ATTRIBUTION}&ntop=20&npair=0&nbes={other.replace(' ', '+')}")
    page = app.page
    page.get_by_text("in the other prompt").wait_for(timeout=ANSWER)
    app.settled()
    assert page.get_by_test_id("beside-strip").locator(".differs").all_inner_texts() == ["␣city"]
    assert page.get_by_test_id("attribution-table").get_by_text("change").count() > 0
    app.assert_accessible()
    strip = page.get_by_test_id("beside-strip")
    strip.get_by_role("button", name="␣city, alone").press("Enter")
    strip.get_by_role("button", name="stand beside ␣Japan").press("Enter")
    page.locator('[data-testid="beside-strip"] .by-hand').wait_for()
    assert strip.locator(".by-hand").inner_text() == "␣city"
    app.settled()
    assert "nalign=4%3D3" in page.url or "nalign=4=3" in page.url
    page.get_by_test_id("mode").locator("[value=edited]").check()
    assert "in the other prompt" not in app.text("attribution-readout")
    assert app.too_wide([1280, 700]) == []


def test_a_trail_turns_downstream_and_goes_on(app: App, small_demo: Model):
    app.open(f"{ATTRIBUTION}&ntop=5&nmeas=1&ntrace=L5.H1@8<4:down")
    page = app.page
    page.get_by_test_id("readers-readout").wait_for(timeout=ANSWER)
    app.settled()
    more = {"direction": "downstream", "top_k": 5, "measured": True}
    found = ue.trace(small_demo, PROMPT, "L5.H1@8<4", **more)
    assert "Direct effect on" in app.text("on-answer")
    assert "scores by query" in app.text("left-out")
    first = found.readers[0]
    row = page.get_by_test_id(f"row-{first.name}:{first.through}")
    cells = row.locator("td.number")
    for at, wanted in ((0, first.value), (1, first.effect), (2, first.measured)):
        title = cells.nth(at).get_attribute("title")
        assert float(title) == pytest.approx(wanted, rel=1e-3, abs=1e-4)
    app.assert_accessible()
    page.locator("[data-row='0'] .attribution-name").focus()
    page.keyboard.press("Shift+T")
    app.settled()
    assert f"ntrace=L5.H1@8<4:down,{first.name}:{first.through}:down" in address(app)
    assert app.too_wide([1920, 1280, 700]) == []
    python = app.copied_python()
    assert 'direction="downstream"' in python
    assert 'trail=("L5.H1@8<4",)' in python
    page.get_by_test_id("direction").locator("[value=up]").check()
    page.get_by_test_id("trace-readout").wait_for(timeout=ANSWER)
    assert f"ntrace=L5.H1@8<4:down,{first.name}" in address(app)
    page.get_by_test_id("trail-0").click()
    page.get_by_test_id("readers-readout").wait_for(timeout=ANSWER)


def test_a_pair_is_traced_upstream_and_the_trail_is_walked_back(app: App, small_demo: Model):
    app.open(f"{ATTRIBUTION}&ntop=20&nkind=pair")
    page = app.page
    page.get_by_test_id("attribution-table").wait_for(timeout=ANSWER)
    why = {"target": " Tokyo", "distractor": " Paris"}
    pair = ue.attribute(small_demo, PROMPT, top_k=20, kinds=["pair"], **why).rows[0].name
    page.get_by_test_id(f"row-{pair}").hover()
    page.get_by_test_id(f"trace-{pair}").click()
    page.get_by_test_id("trace-readout").wait_for(timeout=ANSWER)
    app.settled()
    page.get_by_test_id("through").locator("[value=q]").check()
    app.settled()
    found = ue.trace(small_demo, PROMPT, pair, through="q", top_k=20, kinds=["pair"], **why)
    first = found.rows[0]
    total = page.get_by_test_id(f"row-{first.name}").locator("td.number").last
    assert float(total.get_attribute("title")) == pytest.approx(first.total, rel=1e-3, abs=1e-4)
    app.assert_accessible()
    page.locator("[data-row='0'] .attribution-name").focus()
    page.keyboard.press("t")
    app.settled()
    assert f"ntrace={pair}:q,{first.name}" in address(app)
    assert app.too_wide([1920, 1280, 700]) == []
    page.get_by_test_id("trail-0").click()
    app.settled()
    assert found.words in app.text("trace-readout")
    page.go_back()
    app.settled()
    assert f"ntrace={pair}:q,{first.name}" in address(app)
    page.get_by_test_id("trail-answer").click()
    page.get_by_test_id("attribution-readout").wait_for(timeout=ANSWER)
    assert "ntrace" not in address(app)
