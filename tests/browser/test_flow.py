"""The flow graph in the app: it is drawn, says what it shows, is cut, and cuts are measured."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .conftest import ANSWER, App, printed_by, served

TOKYO = "p=The+capital+of+Japan+is+the+city+of&t=+Tokyo"
FLOW = f"v=1&view=flow&{TOKYO}"
LAST = 8  # position of the last token; 0 is <bos>


PEEK = "document.querySelector('[data-testid=card]')?.innerText ?? ''"


def opened(app: App, fragment: str) -> None:
    """Open an address and wait until its graph is there."""
    app.open(fragment)
    app.page.get_by_test_id("flow-readout").wait_for(timeout=ANSWER)
    app.settled()


def address(app: App) -> str:
    # asked of the page: what the driver knows of the address comes a moment later
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def picture(app: App) -> str:
    """What the canvas shows, once it has come to rest."""
    app.page.mouse.move(2, 2)
    app.page.wait_for_timeout(400)
    canvas = app.page.get_by_test_id("flow-canvas").locator("canvas").first
    return canvas.evaluate("c => c.toDataURL()")


def strongest_head(app: App, layer: int) -> str:
    """By the norms in the table."""
    rows = app.page.locator(f"[data-testid^='row-L{layer}.H']").all()
    heads = [
        row for row in rows if re.fullmatch(r"row-L\d+\.H\d+", row.get_attribute("data-testid"))
    ]
    assert heads
    norms = {
        head.get_attribute("data-testid").removeprefix("row-"): float(
            head.locator("td.number").nth(2).get_attribute("title")
        )
        for head in heads
    }
    return max(norms, key=norms.__getitem__)


def hovered(app: App, across: float, wanted: str) -> str:
    """Text of the pop-up, from top to bottom at a share of the width, whose title says so."""
    box = app.page.get_by_test_id("flow-canvas").bounding_box()
    x = box["x"] + across * box["width"]
    for y in range(int(box["y"]) + 50, int(box["y"] + box["height"]), 12):
        app.page.mouse.move(x, y)
        app.page.wait_for_timeout(200)  # it shows after 150 ms
        said = app.page.evaluate(PEEK)
        if re.match(wanted, said):
            return said
    pytest.fail(f"nothing on the canvas says {wanted}")


# ---------------------------------------------------------------- what is drawn


def test_an_example_is_drawn_with_one_click(app: App):
    app.open()
    app.page.get_by_test_id("tab-flow").click()
    assert "heads" in app.text("welcome")
    app.page.get_by_test_id("example").click()
    app.page.get_by_test_id("flow-readout").wait_for(timeout=ANSWER)
    assert "Layer 11" in app.text("flow-readout")
    assert len(picture(app)) > 10_000
    assert "fl=" not in address(app)
    best = app.page.get_by_test_id("rises-most")
    best.wait_for(timeout=ANSWER)
    best.click()
    app.settled()
    assert "Layer 12" in app.text("flow-readout")
    assert address(app).endswith("fl=12")


def test_layers_are_drawn_one_after_the_other_and_neighbours_share_the_stream(app: App):
    opened(app, f"{FLOW}&fl=10,14&table=1")
    for node in ("L10.resid_post", "L14.resid_pre"):
        assert app.page.get_by_test_id(f"row-{node}").count() == 1
    assert "Layer 10" in app.text("flow-readout")
    assert "Layer 14" in app.text("flow-readout")
    app.page.get_by_test_id("set-flow-layers").click()
    app.page.get_by_test_id("layer-10").click()
    app.page.get_by_test_id("layer-15").click()
    app.settled()
    assert "fl=14,15" in address(app)
    assert app.page.get_by_test_id("row-L14.resid_post").count() == 1
    assert app.page.get_by_test_id("row-L15.resid_pre").count() == 0
    app.page.get_by_test_id("best-layer").wait_for(timeout=ANSWER)


def test_a_box_and_a_band_say_in_words_what_they_are(app: App):
    opened(app, f"{FLOW}&fl=14")
    head = hovered(app, 0.385, r"head \d of layer 14: what it writes")
    for said in ("norm", "entropy", "direct effect on ␣Tokyo", "#"):
        assert said in head
    app.page.keyboard.down("Shift")
    app.page.mouse.move(5, 5)
    app.page.wait_for_timeout(200)
    assert app.page.evaluate(PEEK).startswith("head")
    app.page.keyboard.up("Shift")
    band = hovered(app, 0.45, r"the residual stream before layer 14 → ")
    assert "past the attention, unchanged" in band


def test_what_is_shown_is_chosen_by_number_by_share_and_by_hand(app: App):
    opened(app, f"{FLOW}&fl=14&table=1")
    neurons = app.page.locator("[data-testid^='row-L14.N']:not([data-testid$=key])")
    assert neurons.count() == 25
    app.page.get_by_test_id("set-flow-shown").click()
    app.page.get_by_test_id("flow-top_neurons").fill("3")
    app.settled()
    assert neurons.count() == 10
    app.page.get_by_test_id("choice-hand").check()
    app.page.get_by_test_id("flow-include").fill("L14.N5, L14.H1")
    app.page.keyboard.press("Enter")
    app.settled()
    assert [row.get_attribute("data-testid") for row in neurons.all()] == ["row-L14.N5"]
    assert app.page.get_by_test_id("row-L14.H1").count() == 1
    assert app.page.get_by_test_id("row-L14.H0").count() == 0
    assert "fby=hand" in address(app)
    assert "fin=L14.N5,L14.H1" in address(app)
    app.page.keyboard.press("Escape")
    app.page.get_by_test_id("flow-reset").click()
    app.settled()
    assert neurons.count() == 25


def test_hidden_kinds_and_other_colours_change_the_picture_and_ask_nothing(app: App):
    opened(app, f"{FLOW}&fl=14")
    asked: list[str] = []
    app.page.on("request", lambda request: asked.append(request.url))
    seen = [picture(app)]
    app.page.get_by_test_id("set-flow-hidden").click()
    app.page.get_by_test_id("show-neurons").uncheck()
    app.page.keyboard.press("Escape")
    seen.append(picture(app))
    app.page.get_by_test_id("set-flow-colours").click()
    app.page.get_by_test_id("palette-visit").check()
    seen.append(picture(app))
    app.page.get_by_test_id("colour-by-entropy").check()
    app.page.keyboard.press("Escape")
    seen.append(picture(app))
    assert len(set(seen)) == 4
    assert not [url for url in asked if "/api/flow" in url]
    assert "fhide=neurons&fcol=entropy&fpal=visit" in address(app)


def test_a_target_of_several_tokens_counts_by_its_first_or_as_a_whole(app: App):
    opened(app, "v=1&view=flow&fl=14&p=The+capital+of+Argentina+is&t=+Buenos+Aires")
    assert "2 tokens" in app.text("flow-readout")
    app.page.get_by_test_id("set-flow-target").click()
    app.page.get_by_test_id("target-mode-whole").check()
    app.settled()
    assert "fof=whole" in address(app)
    assert "␣Buenos␣Aires" in app.text("legend")


# ---------------------------------------------------------------- focus, keyboard, pages


def test_focus_dims_the_others_and_opens_the_page(app: App):
    opened(app, f"{FLOW}&fl=14")
    plain = picture(app)
    opened(app, f"{FLOW}&fl=14&fat=L14.H2")
    assert picture(app) != plain
    assert app.text("flow-selected").startswith("head 2 of layer 14")
    app.page.keyboard.press("Escape")
    assert app.page.get_by_test_id("flow-selected").count() == 0
    assert picture(app) == plain
    opened(app, f"{FLOW}&fl=14&fat=L14.H2")
    app.page.get_by_test_id("flow-page").click()
    app.page.get_by_test_id("view-component").wait_for()
    assert "node=L14.H2" in address(app)


def test_the_keyboard_walks_from_box_to_box_opens_and_cuts(app: App):
    opened(app, f"{FLOW}&fl=14")
    canvas = app.page.get_by_test_id("flow-canvas")
    canvas.focus()
    visited = []
    for _ in range(8):
        app.page.keyboard.press("ArrowRight")
        app.page.wait_for_timeout(30)
        visited.append(canvas.get_attribute("data-cursor"))
    assert visited[0] == "L14.resid_pre"
    assert "L14.attn_in" in visited
    assert len(set(visited)) >= 6
    assert app.page.get_by_test_id("flow-node").text_content()
    while not re.fullmatch(r"L14\.H\d", canvas.get_attribute("data-cursor")):
        app.page.keyboard.press("ArrowLeft")
        app.page.wait_for_timeout(30)
    head = canvas.get_attribute("data-cursor")
    app.page.keyboard.press("Enter")
    app.page.get_by_test_id("drawer").wait_for()
    assert f"node={head}" in address(app)
    canvas.focus()
    app.page.keyboard.press("x")
    app.settled()
    assert f"e={head};zero;p={LAST}" in address(app)


# ---------------------------------------------------------------- cuts


def test_a_cut_head_is_measured_as_the_engine_measures_it(app: App, small_demo):
    opened(app, f"{FLOW}&fl=14&table=1")
    head = strongest_head(app, 14)
    app.page.get_by_test_id(f"cut-{head}").click()
    app.settled()
    assert f"e={head};zero;p={LAST}" in address(app)
    assert head in app.text("edit-0")
    row = app.page.get_by_test_id("effect")
    attributed, measured = (
        float(row.get_by_test_id(name).get_attribute("data-value"))
        for name in ("attributed", "measured")
    )
    printed = run_python(app, small_demo, "attributed={c.attributed} change={c.logit_change}")
    found = re.search(r"attributed=(\S+) change=(\S+)", printed)
    assert found, printed
    assert attributed == pytest.approx(float(found[1]), abs=1e-4)
    assert measured == pytest.approx(float(found[2]), abs=1e-4)


def run_python(app: App, small_demo: Model, words: str) -> str:
    """Run the Python that the app copies; print its cuts in these words."""
    script = app.copied_python()
    measured = re.search(r"^print\((ue\.measure_cuts\(.*\))\)$", script, re.MULTILINE)
    assert measured, script
    script += f"for c in {measured[1]}.cuts: print(f'{words}')\n"
    return printed_by(script, small_demo)


def test_bands_and_values_are_cut_too_and_taken_back(app: App):
    opened(app, f"{FLOW}&fl=14&fat=L14.resid_pre>L14.resid_mid")
    app.page.keyboard.press("x")
    app.settled()
    assert f"e=L14.resid_pre>L14.resid_mid;cut;p={LAST}" in address(app)
    assert "cut" in app.text("edit-0")
    assert app.page.get_by_test_id("effect").count() == 1
    app.page.get_by_test_id("edit-0").locator(".edit-body").click()
    assert "residual stream" in app.text("cut-note")
    app.page.keyboard.press("Escape")
    app.page.get_by_test_id("cut-L14.resid_pre>L14.resid_mid").click()
    app.settled()
    assert "e=" not in address(app)
    app.page.get_by_test_id("flow-effects").wait_for(state="detached")


def test_several_cuts_are_measured_alone_and_together_beside_the_baseline(app: App):
    opened(app, f"{FLOW}&fl=14&e=L14.H2;zero;p={LAST}&e=L14.H3@{LAST}<4;zero&e=L14.N100;scale;2")
    assert app.page.get_by_test_id("effect").count() == 3
    assert "nothing in this graph" in app.page.get_by_test_id("effect").nth(2).inner_text()
    assert app.page.get_by_test_id("effect-all").count() == 1
    both = picture(app)
    app.page.keyboard.down(" ")
    assert picture(app) != both
    app.page.keyboard.up(" ")
    assert picture(app) == both


# ---------------------------------------------------------------- taking it along


def test_the_address_reopens_the_same_graph(app: App, context):
    fragment = f"{FLOW}&e=L14.H2;zero;p={LAST}&fl=10,14&fv=1&ft=5&fb=2&fat=L14.H1"
    opened(app, fragment)
    seen, said = picture(app), app.text("flow-readout")
    assert address(app) == fragment
    other = App(context.new_page(), app.address)
    opened(other, fragment)
    assert picture(other) == seen
    assert other.text("flow-readout") == said


def test_numbers_and_pictures_are_saved(app: App, tmp_path: Path):
    opened(app, f"{FLOW}&fl=14")

    def saved(item: str) -> Path:
        app.page.get_by_test_id("save").click()
        with app.page.expect_download() as download:
            app.page.get_by_role("menuitem", name=item).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        return file

    lines = list(csv.DictReader(saved("CSV").read_text(encoding="utf-8-sig").splitlines()))
    assert {line["what"] for line in lines} == {"node", "link"}
    answer = json.loads(saved("JSON").read_text(encoding="utf-8"))["answer"]
    assert len(lines) == len(answer["baseline"]["nodes"]) + len(answer["baseline"]["links"])
    drawing = ElementTree.fromstring(saved("SVG").read_text(encoding="utf-8"))
    assert drawing.tag.endswith("svg")
    assert saved("PNG").read_bytes().startswith(b"\x89PNG")


# ---------------------------------------------------------------- what cannot be


def test_an_error_keeps_the_last_graph_and_says_what_is_wrong(app: App):
    opened(app, f"{FLOW}&fl=14")
    app.page.evaluate("location.hash += '&fin=L14.N99999'")
    app.page.get_by_test_id("error").wait_for(timeout=ANSWER)
    assert "99999" in app.text("error")
    assert "kept" in app.text("error")
    assert app.page.get_by_test_id("flow-canvas").count() == 1


def test_experts_say_why_they_are_not_taken_apart(app: App, tmp_path: Path, model_of):
    with served(model_of("mixtral"), cache_dir=str(tmp_path)) as app.address:
        opened(app, "v=1&view=flow&p=the+cat+sat&fl=0")
        assert "not taken apart" in app.text("flow-readout")
        assert "expert" in app.text("flow-readout")
        assert len(picture(app)) > 5_000


def test_a_model_that_no_lens_reads_says_why(app: App, tmp_path: Path):
    tiny_model("bert").base_model.save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)
    with served(ue.load(tmp_path), cache_dir=str(tmp_path / "cache")) as app.address:
        app.open("v=1&view=flow&p=the+cat+sat")
        assert "no language-model head" in app.text("no-flow")


# ---------------------------------------------------------------- for everyone


def test_axe_finds_nothing(app: App):
    cut = f"{FLOW}&fl=14&fat=L14.H2&e=L14.H2;zero;p={LAST}"
    opened(app, cut)
    app.assert_accessible()
    opened(app, f"{cut}&table=1")
    app.assert_accessible("view-flow")
    for name in ("layers", "shown", "hidden", "colours", "target"):
        app.page.get_by_test_id(f"set-flow-{name}").click()
        app.page.get_by_test_id(f"menu-flow-{name}").wait_for()
        app.assert_accessible(f"menu-flow-{name}")
        app.page.keyboard.press("Escape")


def test_the_graph_is_usable_in_a_narrow_window(app: App):
    app.page.set_viewport_size({"width": 900, "height": 700})
    opened(app, f"{FLOW}&fl=14")
    assert app.page.evaluate("document.documentElement.scrollWidth") <= 900
    box = app.page.get_by_test_id("flow-canvas").bounding_box()
    assert box["height"] >= 300
