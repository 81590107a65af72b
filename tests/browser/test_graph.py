"""The attribution graph in the app: what is drawn is the library's; pruned, measured, grouped, in
files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
import torch

import unembed as ue

from ..analyses.transcoded import with_transcoders
from .conftest import ANSWER, App, own_cache, printed_by, served

PROMPT = "the cat sat"
PAGE = "v=1&view=graph&p=the+cat+sat&gedges=1"


@pytest.fixture(scope="module")
def transcoded() -> Any:
    """A tiny model with random transcoders in all layers but one."""
    return with_transcoders("llama", torch.float32)


@pytest.fixture
def there(app: App, transcoded: Any) -> Iterator[App]:
    with served(transcoded, cache_dir=own_cache().name) as address:
        app.address = address
        yield app


def opened(app: App, fragment: str) -> None:
    app.open(fragment)
    app.page.get_by_test_id("graph-canvas").wait_for(timeout=ANSWER)
    app.settled()


def hash_of(app: App) -> str:
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def number(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


def test_a_graph_is_drawn_pruned_measured_and_grouped(there: App, transcoded: Any):
    page = there.page
    opened(there, PAGE)
    graph = ue.attribution_graph(transcoded, PROMPT)
    readout = there.text("graph-readout")
    assert f"{len(graph.nodes)} nodes and {len(graph.edges):,} edges" in readout
    assert f"replacement {graph.replacement:.3f}" in there.text("graph-scores")
    page.get_by_test_id("shown-nodes").fill("100")
    page.keyboard.press("Tab")
    fewer = graph.pruned(0.4)
    assert f"{len(fewer.nodes)} of {len(graph.nodes)} nodes" in there.text("graph-readout")
    assert "gshow=0.4" in hash_of(there)
    page.get_by_test_id("graph-canvas").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("e")
    answer = max(fewer.nodes, key=lambda node: node.probability or 0.0)
    edge = fewer.inputs(answer.name)[0]
    assert f"gat={edge.source}>{edge.target}" in hash_of(there)
    page.keyboard.press("Enter")
    page.get_by_test_id("edge-live").wait_for(timeout=ANSWER)
    measured = ue.measure_edge(transcoded, PROMPT, edge.source, edge.target)
    for name in ("weight", "held", "live"):
        shown = page.get_by_test_id(f"edge-{name}").get_attribute("title")
        assert float(shown or "nan") == pytest.approx(getattr(measured, name), rel=1e-3, abs=1e-5)
    there.assert_accessible()
    canvas, picked = page.get_by_test_id("graph-canvas"), []
    canvas.focus()
    for key in ("ArrowUp", "ArrowRight"):
        page.keyboard.press(key)
        page.keyboard.press("s")
        page.get_by_test_id("mark").and_(page.locator("[aria-pressed=true]")).wait_for()
        picked.append(str(canvas.get_attribute("data-chosen")))
    page.keyboard.press("g")
    page.keyboard.type("what is said")
    page.keyboard.press("Enter")
    page.get_by_test_id("take-apart").wait_for()
    assert f"ggroup=what is said:{','.join(picked)}" in unquote(hash_of(there))
    grouped = fewer.grouped({"what is said": picked})
    into = [one for one in grouped.group_edges() if one.target == "what is said"]
    assert number(page.get_by_test_id("edges-into").locator(".number").first.inner_text()) == (
        pytest.approx(into[0].weight, rel=1e-2)
    )
    printed = printed_by(there.copied_python(), transcoded)
    assert f"{len(fewer.nodes)} nodes" in printed
    assert "what is said" in printed
    page.get_by_test_id("as-table").click()
    rows = page.get_by_test_id("graph-table").locator("tbody tr")
    assert rows.count() == len(grouped.group_edges())
    assert there.too_wide([1920, 1280, 700]) == []


def test_a_graph_is_a_file_that_python_reads_and_the_app_opens(
    there: App, transcoded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    page = there.page
    opened(there, PAGE)
    graph = ue.attribution_graph(transcoded, PROMPT)
    page.get_by_test_id("save").click()
    with page.expect_download() as found:
        page.get_by_role("menuitem", name="Save for circuit-tracer").click()
    found.value.save_as(tmp_path / "saved.json")
    read = ue.load_graph(tmp_path / "saved.json")
    assert [node.name for node in read.nodes] == [node.name for node in graph.nodes]
    weights = {(edge.source, edge.target): edge.weight for edge in read.edges}
    assert weights == pytest.approx(
        {(edge.source, edge.target): edge.weight for edge in graph.edges}, abs=1e-5
    )
    fewer = graph.pruned(0.75)
    latent = next(node.name for node in fewer.nodes if node.kind == "latent")
    mine = fewer.grouped({"mine": [latent]})
    written = tmp_path / "mine.json"
    written.write_text(mine.to_viewer())
    page.get_by_test_id("set-graph-file").click()
    page.get_by_test_id("graph-file").set_input_files(written)
    page.get_by_test_id("graph-close").wait_for()
    assert f"{len(mine.nodes)} nodes" in there.text("graph-readout")
    assert "mine" in there.text("graph-groups")
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({"nodes": []}))
    page.get_by_test_id("graph-file").set_input_files(broken)
    page.get_by_text("“metadata” is missing").wait_for()
    there.open("v=1&view=graph")  # nothing was asked of the model
    page.reload()
    page.get_by_test_id("graph-file").set_input_files(broken)
    page.get_by_role("alert").filter(has_text="“metadata” is missing").wait_for()
    there.assert_accessible()
    page.get_by_test_id("graph-file").set_input_files(written)
    page.get_by_test_id("graph-canvas").wait_for()
    assert f"{len(mine.nodes)} nodes" in there.text("graph-readout")
    assert "mine" in there.text("graph-groups")
    monkeypatch.chdir(tmp_path)  # the app knows a file by its name alone
    assert f"{len(mine.nodes)} nodes" in printed_by(there.copied_python(), transcoded)
    page.get_by_test_id("graph-close").click()
    page.get_by_test_id("welcome").wait_for()


def test_a_saved_run_keeps_the_groups_and_what_is_shown(there: App, transcoded: Any):
    page = there.page
    graph = ue.attribution_graph(transcoded, PROMPT)
    picked = [node.name for node in graph.nodes if node.kind == "latent"][:2]
    state = f"gshow=0.9&gat=group:say a city&ggroup=say a city:{','.join(picked)}&gmass=0.5"
    opened(there, f"{PAGE}&{state}")
    page.get_by_test_id("take-apart").wait_for()
    said = there.text("graph-readout")
    page.get_by_test_id("runs").click()
    page.get_by_test_id("run-name").fill("Cities, together")
    page.get_by_test_id("run-save").click()
    kept = page.get_by_test_id("run-list").get_by_role(
        "button", name="Cities, together", exact=True
    )
    kept.wait_for()
    page.keyboard.press("Escape")
    page.goto(f"{there.address}/#v=1&p=another")
    page.reload()
    there.settled()
    page.get_by_test_id("runs").click()
    kept.click()
    page.get_by_test_id("take-apart").wait_for(timeout=ANSWER)
    there.settled()
    parts = dict(parse_qsl(hash_of(there)))  # a name's blanks are written in two ways
    assert parts == dict(parse_qsl(f"{PAGE}&{state}"))
    assert there.text("graph-readout") == said
    assert "2 nodes" in there.text("graph-groups")


def test_without_transcoders_it_says_how_to_attach_one(app: App):
    app.open("v=1&view=graph&p=Tokyo+is+in")
    app.page.get_by_test_id("no-transcoders").wait_for()
    assert app.text("attach-command") == (
        "unembed serve gemma3-270m --sae 'SOURCE@L9.mlp_in>L9.mlp_out'"
    )
    app.assert_accessible()


def test_what_a_graph_takes_is_said_before_a_long_one_starts(there: App, transcoded: Any):
    """The server's own estimate, of which only the seconds are made up."""
    page = there.page
    bodies: list[dict[str, Any]] = []

    def slow(route: Any) -> None:
        bodies.append(json.loads(route.request.post_data))
        told = route.fetch()
        route.fulfill(response=told, json={**told.json(), "seconds": 240.0})

    page.route("**/api/graph/estimate", slow)
    there.open(PAGE)
    page.get_by_test_id("start-graph").wait_for(timeout=ANSWER)
    wanted = ue.estimate_graph(transcoded, PROMPT)
    said = there.text("graph-cost")
    assert f"About 4 min · {-(-wanted.memory // 1000)} kB" in said
    assert f"{wanted.n_nodes} nodes before any is pruned" in said
    assert page.get_by_test_id("graph-canvas").count() == 0
    there.assert_accessible()
    page.get_by_test_id("set-latents").click()
    page.get_by_test_id("graph-latents").fill("20")
    with page.expect_response("**/api/graph/estimate"):
        page.keyboard.press("Enter")
    fewer = ue.estimate_graph(transcoded, PROMPT, latents=20)
    words = f"{fewer.n_nodes} nodes before any is pruned"
    page.get_by_test_id("graph-estimate").get_by_text(words).wait_for(timeout=ANSWER)
    page.keyboard.press("Escape")
    page.get_by_test_id("graph-cost").get_by_text(words).wait_for(timeout=ANSWER)
    assert [body.get("latents") for body in bodies] == [None, 20]
    page.get_by_test_id("start-graph").click()
    page.get_by_test_id("graph-canvas").wait_for(timeout=ANSWER)
    assert page.get_by_test_id("graph-cost").count() == 0
    graph = ue.attribution_graph(transcoded, PROMPT, latents=20)
    assert f"{len(graph.nodes)} nodes" in there.text("graph-readout")
