"""Circuits in the app: what is drawn is the library's, and is measured, changed and kept."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Route

import unembed as ue
from unembed.engine.model import Model

from .conftest import ANSWER, App

PROMPT = "Tokyo is in"
OTHER = "Paris is in"
ASKED = "p=Tokyo+is+in&t=+Japan&d=+France"
CIRCUIT = f"v=1&view=circuit&{ASKED}&zcor=Paris+is+in&zn=12"
MIB = {"edges": {"input->m0": {"in_graph": True}, "m0->logits": {"in_graph": True}}}
STUDY = {  # as the server answers: what it computes is compared where questions are
    "site": "heads",
    "into": "corrupted",
    "layers": [0, 1],
    "columns_at": [0, 1],
    "tokens": [{"id": 2, "text": "<bos>", "label": "<bos>", "special": True}],
    "n_pairs": 15,
    "left_out": [{"pair": 3, "reason": "it has 6 tokens"}],
    "clean": 2.5,
    "corrupted": -1.0,
    "n_runs": 60,
    "confidence": 0.95,
    "provenance": {},
    "rows": [[[0.1, 0.0, 0.2], [-0.2, -0.3, -0.1]], [[0.8, 0.7, 0.9], [0.0, None, None]]],
}


def address(app: App) -> str:
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def test_a_circuit_is_drawn_measured_and_changed_by_hand(
    app: App, small_demo: Model, tmp_path: Path
):
    app.open(CIRCUIT)
    page = app.page
    page.get_by_test_id("circuit-chart").wait_for(timeout=ANSWER)
    app.settled()
    assert "CMD 0." in app.text("circuit-scores")
    kept = float(app.text("faithfulness").replace("−", "-"))
    page.get_by_test_id("circuit-canvas").focus()
    for key in ("ArrowLeft", "e"):
        page.keyboard.press(key)
    page.get_by_test_id("measure-edge").wait_for()
    edge = app.text("circuit-chosen").split("\n")[0]
    page.keyboard.press("Enter")
    page.get_by_test_id("edge-drop").wait_for(timeout=ANSWER)
    assert f"zat={edge}&zmeas=1" in address(app)
    asked = {"edges": 12, "curve": False, "measure_named": [edge]}
    found = ue.find_circuit(small_demo, PROMPT, OTHER, " Japan", distractor=" France", **asked)
    assert kept == pytest.approx(found.faithfulness, abs=0.001)
    (measured,) = [one.measured for one in found.edges if one.measured is not None]
    shown = page.get_by_test_id("circuit-chosen").locator("dd").nth(1).get_attribute("title")
    assert float(shown or "nan") == pytest.approx(measured, rel=1e-3, abs=1e-4)
    app.assert_accessible()
    page.keyboard.press("x")
    app.settled()
    assert f"zout={edge}" in address(app)
    page.get_by_test_id("as-table").click()
    assert page.get_by_test_id("circuit-table").locator("tbody tr").count() == 11
    assert app.too_wide([1920, 1280, 700]) == []
    (tmp_path / "mine.json").write_text(json.dumps(MIB))
    page.get_by_test_id("set-by-hand").click()
    page.get_by_test_id("circuit-file").set_input_files(tmp_path / "mine.json")
    app.settled()
    assert "2 edges between 3 nodes" in app.text("circuit-readout")
    assert "zn=0&zin=embed>L0.mlp,L0.mlp>logits" in address(app)


def test_a_circuit_by_position_is_drawn_over_its_tokens(app: App, small_demo: Model):
    app.open(f"{CIRCUIT}&zpos=1")
    page = app.page
    page.get_by_test_id("circuit-readout").wait_for(timeout=ANSWER)
    app.settled()
    asked = {"edges": 12, "curve": False, "by_position": True}
    found = ue.find_circuit(small_demo, PROMPT, OTHER, " Japan", distractor=" France", **asked)
    shown = app.text("faithfulness")
    assert float(shown.replace("−", "-")) == pytest.approx(found.faithfulness, abs=0.001)
    page.get_by_test_id("circuit-canvas").focus()
    page.keyboard.press("ArrowDown")
    answer = f"logits@{found.position}"
    page.locator(f'[data-testid="circuit-canvas"][data-chosen="{answer}"]').wait_for()
    page.keyboard.press("ArrowDown")
    strongest = next(edge for edge in found.edges if edge.target == answer)
    page.locator(f'[data-testid="circuit-canvas"][data-chosen="{strongest.source}"]').wait_for()
    assert "by_position=True" in app.copied_python()
    page.get_by_test_id("keep-name").fill("over tokens")
    page.get_by_test_id("keep").click()
    kept = page.get_by_test_id("kept-circuits")
    kept.get_by_role("button", name="Rename: over tokens").click()
    page.get_by_test_id("rename-name").fill("by token")
    page.keyboard.press("Enter")
    kept.get_by_role("button", name="Rename: by token").wait_for()
    app.assert_accessible()
    app.open("v=1&view=circuit&p=a")  # another page: what is kept is there
    kept.get_by_role("button", name="by token", exact=True).click()
    page.get_by_test_id("circuit-readout").wait_for(timeout=ANSWER)
    app.settled()
    assert app.text("faithfulness") == shown
    assert f"faithfulness {shown}" in app.text("kept-circuits")
    kept.get_by_role("button", name="Delete: by token").click()
    kept.get_by_text("None yet").wait_for()


def test_a_set_of_pairs_is_one_click_or_a_file(app: App, tmp_path: Path):
    page, bodies = app.page, list[dict[str, object]]()

    def answered(route: Route) -> None:
        bodies.append(json.loads(route.request.post_data or "{}"))
        route.fulfill(json=STUDY)

    page.route("**/api/patch/pairs", answered)
    app.open(f"v=1&view=patching&{ASKED}&psite=heads")
    page.get_by_test_id("set-of-ioi").click()
    page.get_by_test_id("study-readout").wait_for(timeout=ANSWER)
    assert "15 pairs" in app.text("study-readout")
    assert "1 pair left out: 3 (it has 6 tokens)" in app.text("study-readout")
    app.assert_accessible()
    page.get_by_test_id("patch-grid").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert "interval" in app.text("study-note") or "in the mean" in app.text("study-note")
    page.get_by_test_id("as-table").click()
    assert app.row("patch-table", 0)[1:] == ["0.80", "0.00"]
    (tmp_path / "mine.csv").write_text("clean,corrupted,answer,wrong\na b,a c, d, e\n")
    page.get_by_test_id("set-pairs").click()
    page.get_by_test_id("pairs-file").set_input_files(tmp_path / "mine.csv")
    app.settled()
    assert [body.get("template") for body in bodies] == ["ioi", None]
    pair = {"clean": "a b", "corrupted": "a c", "answer": " d", "wrong": " e"}
    assert bodies[1]["pairs"] == [pair]
    assert bodies[1]["site"] == "heads"
    assert app.too_wide([1280, 700]) == []
