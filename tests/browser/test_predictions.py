"""The Predictions view: layers taken apart, nodes switched, continuations, the Python of it all."""

from __future__ import annotations

import re

from playwright.sync_api import Locator

from .conftest import ANSWER, App, printed_by

TOKYO = "p=The+capital+of+Japan+is+the+city+of"
LAST = f"v=1&{TOKYO}&t=+Tokyo&open=17"
NEURON = "L17.N345"  # one of the ten that write most in the last layer


def parts(app: App, branch: str, layer: int = 17) -> Locator:
    """Rows of what attention or the feed-forward of a layer added."""
    place = app.page.get_by_test_id(f"{branch}-{layer}")
    place.locator("tbody tr").first.wait_for(timeout=ANSWER)
    return place.locator("tbody tr")


def shares(app: App, branch: str) -> list[float]:
    texts = parts(app, branch).locator("td.share").all_inner_texts()
    return [float(text.replace("−", "-").rstrip("% \u2009")) for text in texts]


def continued(app: App, side: str) -> str:
    """The text that was generated, its white space visible."""
    tokens = app.page.get_by_test_id(f"generated-{side}").locator(".token")
    return "".join(tokens.all_inner_texts())


# ---------------------------------------------------------------- layers


def test_each_layer_names_the_head_and_the_neuron_that_wrote_most(app):
    app.open(f"v=1&{TOKYO}")
    app.page.get_by_test_id("open-L17.mlp").get_by_text("N1259").wait_for(timeout=ANSWER)
    assert re.fullmatch(r"H[0-3]", app.text("open-L17.attn"))
    assert app.page.get_by_test_id("parts-17").count() == 0


def test_an_opened_layer_lists_tokens_and_parts_that_sum_to_what_was_added(app):
    app.open(f"v=1&{TOKYO}&t=+Tokyo")
    app.page.get_by_test_id("toggle-17").click()
    neurons = parts(app, "neurons")
    assert neurons.count() == 11  # ten, and the rest: this model has no biases
    assert neurons.last.locator("th").inner_text() == "the rest"
    assert abs(sum(shares(app, "neurons")) - 100) < 1.5
    assert abs(sum(shares(app, "heads")) - 100) < 1.5
    assert app.text("state-L17.resid_post").count("␣") >= 9
    assert "#1" in app.text("state-L17.resid_mid")
    assert "open=17" in app.page.url
    app.page.get_by_test_id("parts-shown").select_option("5")
    app.page.locator("[data-testid=neurons-17] tbody tr").nth(6).wait_for(state="detached")
    assert neurons.count() == 6


def test_all_layers_open_at_once_and_are_drawn_as_they_come_into_sight(app):
    app.open(f"v=1&{TOKYO}")
    app.page.get_by_test_id("open-all").click()
    app.settled()
    assert "open=all" in app.page.url
    app.page.locator("[data-testid^=parts-]").nth(17).wait_for(state="attached")
    parts(app, "neurons")
    assert app.page.get_by_test_id("neurons-0").count() == 0
    app.page.get_by_test_id("parts-0").scroll_into_view_if_needed()
    parts(app, "neurons", 0)
    app.page.keyboard.press("Shift+L")
    assert app.page.locator("[data-testid^=parts-1]").count() == 0


def test_any_token_becomes_the_target_with_one_click(app):
    app.open(f"v=1&{TOKYO}")
    app.page.get_by_test_id("next-token").get_by_role("button", name="␣Kyoto").click()
    app.settled()
    assert app.page.get_by_test_id("target").input_value() == "␣Kyoto"
    assert "␣Kyoto" in app.text("next-facts")


# ---------------------------------------------------------------- switches


def test_one_click_switches_a_neuron_off_and_another_restores_the_baseline(app):
    app.open(LAST)
    parts(app, "neurons")
    before = app.text("next-token")
    off = app.page.get_by_test_id(f"off-{NEURON}")
    off.click()
    app.settled()
    assert f"{NEURON}\noff" in app.text("edit-0").replace("\n\n", "\n")
    row = app.page.get_by_test_id(f"part-{NEURON}").inner_text()
    assert "≤" in row  # among the largest of the baseline, not of the edited run
    assert app.page.get_by_test_id("heads-17").get_by_text("the same in both runs").is_visible()
    assert "→" in app.text("next-token")  # ranks that moved
    assert off.get_attribute("aria-pressed") == "true"
    off.click()
    app.settled()
    assert app.page.get_by_test_id("edit-0").count() == 0
    assert app.text("next-token") == before


def test_a_neuron_can_be_set_scaled_and_switched_as_lm_debugger_does(app):
    app.open(LAST)
    parts(app, "neurons")
    app.page.get_by_test_id(f"more-{NEURON}").click()
    editor = app.page.get_by_test_id("node-editor")
    editor.get_by_test_id(f"lm-debugger-on-{NEURON}").click()
    app.settled()
    assert "LM-Debugger on" in app.text("edit-0")
    assert float(app.text("kl")) > 0
    editor.get_by_test_id(f"lm-debugger-off-{NEURON}").click()  # in place of the other
    editor.get_by_label("Operation").select_option("add")
    editor.get_by_label("Value").fill("-1.5")
    editor.get_by_label("Stage").select_option("pre")
    editor.get_by_role("button", name="only 8").click()
    editor.get_by_test_id("edit-submit").click()
    app.settled()
    assert "LM-Debugger off" in app.text("edit-0")
    card = " ".join(app.text("edit-1").split())
    assert "+ −1.5" in card
    assert "before activation" in card
    assert "@ 8" in card
    assert app.page.get_by_test_id("error").count() == 0


def test_typed_names_are_switched_on_and_the_tray_turns_all_of_them_out(app):
    app.open(LAST)
    app.page.get_by_test_id("quick-target").fill("L12D512")
    app.page.get_by_test_id("quick-on").click()
    app.page.get_by_test_id("quick-target").fill("l9.h2")
    app.page.get_by_test_id("quick-zero").click()
    app.settled()
    assert "L12.N512" in app.text("edit-0")
    assert "L9.H2" in app.text("edit-1")
    app.page.get_by_test_id("all-edits").click()
    app.settled()
    assert app.page.get_by_test_id("kl").count() == 0
    assert app.page.get_by_test_id("edit-1").is_visible()


def test_the_keyboard_walks_over_the_parts_and_switches_them(app):
    app.open(LAST)
    parts(app, "neurons")
    keys = app.page.keyboard
    app.page.locator("[data-testid=neurons-17] [data-node]").first.focus()
    keys.press("ArrowDown")
    keys.press("x")
    app.settled()
    assert app.text("edit-0").split()[1] == "off"
    keys.press("i")
    app.settled()
    assert app.text("edit-0").split()[1] == "on"
    keys.press("e")
    app.page.get_by_test_id("node-editor").wait_for()
    keys.press("Escape")
    app.page.get_by_test_id("node-editor").wait_for(state="hidden")


def test_axe_finds_nothing_in_an_opened_layer(app):
    app.open(f"{LAST}&e={NEURON};zero&e=L9.H2;scale;2;off&gen=3,0,0")
    parts(app, "neurons")
    app.page.get_by_test_id(f"more-{NEURON}").click()
    app.page.get_by_test_id("node-editor").wait_for()
    app.assert_accessible()


# ---------------------------------------------------------------- continuations


def test_continuations_grow_side_by_side_and_can_be_taken_into_the_prompt(app):
    app.open(f"v=1&{TOKYO}&e={NEURON};zero&gen=5,0,0")
    app.page.get_by_test_id("insert-edited").wait_for()
    app.settled()
    assert continued(app, "baseline").startswith("␣Tokyo")
    assert continued(app, "edited") != continued(app, "baseline")
    assert "5 of 5 tokens" in app.text("continuation")
    app.page.get_by_test_id("insert-baseline").click()
    app.settled()
    prompt = app.page.get_by_test_id("prompt").input_value()
    assert prompt.startswith("The capital of Japan is the city of Tokyo")


def test_a_long_continuation_shows_its_tokens_as_they_come_and_can_be_stopped(app):
    app.open(f"v=1&{TOKYO}")
    app.page.goto(f"{app.address}/#v=1&{TOKYO}&gen=200,0,0")
    made = app.page.locator("[data-testid=generated-baseline] .token")
    made.nth(3).wait_for(timeout=ANSWER)
    app.page.locator("[data-testid=continuation] [data-testid=cancel]").click()
    app.settled()
    kept = made.count()
    assert 4 <= kept < 200
    assert "stopped" in app.text("continuation")
    assert app.page.get_by_test_id("insert-baseline").is_disabled()


def test_the_same_seed_draws_the_same_text(app):
    texts = []
    for seed in (1, 2, 1):
        app.open(f"v=1&{TOKYO}&gen=8,1.5,{seed}&pos={seed}")
        app.page.get_by_test_id("insert-baseline").wait_for()
        app.settled()
        texts.append(continued(app, "baseline"))
    assert texts[0] == texts[2] != texts[1]


# ---------------------------------------------------------------- Python


def test_the_copied_python_reproduces_the_page(app, small_demo):
    app.open(
        f"{LAST}&k=5&e={NEURON};zero&e=L12.N512;on;p=4-8&e=L9.N3;lmd_on&e=L9.H2;scale;2&gen=4,0,0"
    )
    parts(app, "neurons")
    code = app.copied_python()
    code += "print([f'{one.probability:.3f}' for one in edited.top(k=3, position=8)])\n"
    code += "rated = found.edited.layers[-1].resid_post.target\n"
    code += "print(f'{rated.probability:.3f}', model.generate(prompt, 4, edits=edits).text)\n"
    printed = printed_by(code, small_demo)
    edited = app.page.get_by_test_id("next-token").locator("tbody tr td:nth-of-type(3)")
    likeliest = sorted(edited.all_inner_texts()[:5], key=float, reverse=True)[:3]
    assert str(likeliest) in printed
    assert continued(app, "edited").replace("␣", " ") in printed
    target = app.page.locator("[data-testid='state-L17.resid_post'] .token-facts.edited .number")
    assert f"{target.first.inner_text()} {continued(app, 'edited').replace('␣', ' ')}" in printed
