"""The app as a person meets it: a prompt, what every layer predicts, what an edit changes."""

from __future__ import annotations

import re

import pytest

from .conftest import ANSWER, TOKEN, App, served, serving

TOKYO = "The capital of Japan is the city of"
MARY = "When Mary and John went to the store, John gave a drink to"


def probability_of_first(app: App) -> float:
    numbers = [cell for cell in app.row("next-token", 0) if re.fullmatch(r"0\.\d+", cell)]
    return float(numbers[0])


def test_the_demo_model_says_tokyo(app):
    """All of it, as a person starts it; the other tests are of a page with fewer tokens."""
    with serving("demo", "--no-browser") as app.address:
        app.open()
        app.run(TOKYO, " Tokyo")
        assert app.row("next-token", 0)[0] == "␣Tokyo"
        assert probability_of_first(app) == pytest.approx(0.330, abs=0.001)
        assert "␣Tokyo" in app.text("layer-17")
        assert "#1" in app.text("layer-17")  # the target's rank


def test_the_demo_model_gives_the_drink_to_mary(app):
    app.open()
    app.run(MARY)
    assert app.row("next-token", 0)[0] == "␣Mary"
    assert probability_of_first(app) > 0.8


@pytest.mark.parametrize("node", ["L9.H2", "L17.N345"])
def test_zeroing_a_head_or_neuron_shows_the_change_beside_the_baseline(app, node):
    app.open()
    app.run(TOKYO, " Tokyo")
    before = app.text("next-token")
    app.page.get_by_test_id("quick-target").fill(node)
    app.page.get_by_test_id("quick-zero").click()
    app.settled()
    assert node in app.text("edit-0")
    after = app.text("next-token")
    assert after != before
    assert "baseline" in after.lower()
    assert "edited" in after.lower()
    assert float(re.search(r"[\d.e-]+", app.text("kl").split("=")[-1])[0]) > 0
    app.page.get_by_test_id("edit-0").get_by_role("switch").click()
    app.settled()
    assert app.text("next-token") == before


def test_reloading_the_address_reproduces_the_page(app):
    app.open()
    app.run(TOKYO, " Tokyo")
    app.page.get_by_test_id("quick-target").fill("L9.H2")
    app.page.get_by_test_id("quick-zero").click()
    app.page.get_by_test_id("token-4").click()
    app.settled()
    _named(app)
    seen = [app.text(part) for part in ("strip", "edits", "next-token", "layers")]
    link = app.page.url
    app.page.reload()
    app.settled()
    app.page.get_by_test_id("token-8").wait_for()  # the strip is filled once it has a width
    _named(app)
    assert app.page.url == link
    assert [app.text(part) for part in ("strip", "edits", "next-token", "layers")] == seen
    assert "v=1" in link
    assert "token" not in link.partition("#")[2]


def _named(app):
    """What wrote most in every layer is known: it is asked for after the rest."""
    unknown = app.page.get_by_test_id("layers").get_by_label("not known yet")
    unknown.first.wait_for(state="detached", timeout=ANSWER)


def test_a_link_opens_in_another_tab_without_asking_for_the_token(app, context, address):
    app.open("v=1&p=The+cat+sat+on+the")
    other = context.new_page()
    other.goto(app.page.url)
    other.get_by_test_id("next-token").wait_for()
    assert other.get_by_test_id("next-token").inner_text() == app.text("next-token")


def test_back_and_forward_walk_through_the_states(app):
    app.open()
    app.run(TOKYO)
    app.page.get_by_test_id("tab-lens").click()
    app.page.get_by_test_id("view-lens").wait_for()
    app.page.go_back()
    app.page.get_by_test_id("view-predictions").wait_for()
    app.page.go_forward()
    app.page.get_by_test_id("view-lens").wait_for()
    app.settled()


def test_the_lens_shows_every_layer_and_moves_the_selection(app):
    app.open(f"v=1&view=lens&p={TOKYO.replace(' ', '+')}")
    canvas = app.page.get_by_test_id("lens-canvas")
    box = canvas.bounding_box()
    assert box["height"] > 18 * 8
    colours = canvas.evaluate(
        "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    )
    assert colours > 8
    assert "␣Tokyo" in app.text("lens-cell")
    grid = app.page.get_by_test_id("lens-grid")
    grid.focus()
    app.page.keyboard.press("ArrowLeft")
    app.page.keyboard.press("ArrowDown")
    app.settled()
    assert "pos=7" in app.page.url
    assert "row=L16" in app.page.url
    canvas.click(position={"x": box["width"] * 0.35, "y": box["height"] * 0.5})
    app.settled()
    assert "pos=7" not in app.page.url


def test_the_lens_has_a_table_with_the_same_numbers(app):
    app.open(f"v=1&view=lens&table=1&p={TOKYO.replace(' ', '+')}")
    table = app.text("lens-table")
    assert "␣Tokyo" in table
    assert "L17" in table
    assert "embed" in table


def test_hovering_a_cell_lists_ten_tokens(app):
    app.open(f"v=1&view=lens&p={TOKYO.replace(' ', '+')}")
    canvas = app.page.get_by_test_id("lens-canvas")
    box = canvas.bounding_box()
    canvas.hover(position={"x": box["width"] - 40, "y": 12})
    peek = app.page.get_by_test_id("card")
    peek.wait_for()
    assert peek.inner_text().count("␣") >= 8


def test_the_drawer_says_what_a_node_promotes(app):
    app.open(f"v=1&p={TOKYO.replace(' ', '+')}&node=L9.H2")
    app.page.get_by_test_id("promotes").wait_for()
    assert "L9.H2" in app.text("drawer")
    app.page.get_by_test_id("drawer").get_by_test_id("off-L9.H2").click()
    app.settled()
    assert "L9.H2" in app.text("edit-0")


def test_generating_continues_the_text(app):
    app.open()
    app.page.get_by_test_id("prompt").fill(TOKYO)
    app.page.get_by_test_id("generate").click()
    app.page.get_by_test_id("generated-baseline").wait_for(timeout=90_000)
    app.settled()
    assert "Tokyo" in app.text("generated-baseline").replace("␣", " ")


# ---------------------------------------------------------------- what goes wrong


def test_without_the_token_nothing_is_shown_but_the_question(app, address):
    app.page.goto(f"{address}/#v=1&p=secret")
    app.page.get_by_test_id("access").wait_for()
    app.page.get_by_test_id("access-token").fill("not-the-right-token-0000")
    app.page.keyboard.press("Enter")
    app.page.wait_for_timeout(300)
    assert app.page.get_by_test_id("access").is_visible()
    app.page.get_by_test_id("access-token").fill(TOKEN)
    app.page.keyboard.press("Enter")
    app.page.get_by_test_id("next-token").wait_for()


def test_a_prompt_that_is_too_long_says_so_and_keeps_the_last_picture(app):
    app.open()
    app.run(TOKYO)
    app.run("word " * 5000)
    error = app.text("error")
    assert "4096" in error.replace(",", "")
    assert "␣Tokyo" in app.text("next-token")


def test_a_target_of_several_tokens_is_explained(app):
    app.open()
    app.run(TOKYO, "several words of text")
    assert "token" in app.text("error")


def test_a_damaged_address_opens_with_a_notice(app):
    app.open("v=1&p=The+cat&e=L99.H2;zero&pos=zzz&nonsense=1")
    assert app.page.get_by_test_id("address-problems").is_visible()


def test_odd_prompts_work(app):
    app.open()
    for prompt in ("🙂🙃", "שלום עולם", " ", "\n\n\t", "<bos>", "\u200b"):
        with app.page.expect_response("**/api/predictions") as answer:
            app.run(prompt)
        assert answer.value.ok, prompt
        assert app.row("next-token", 0)[0]
        assert app.page.get_by_test_id("error").count() == 0


def test_a_long_computation_can_be_cancelled(app):
    app.open()
    app.page.get_by_test_id("prompt").fill("The cat sat on the mat. " * 150)
    app.page.get_by_test_id("run").click()
    cancel = app.page.get_by_test_id("cancel")
    cancel.wait_for(timeout=60_000)
    words = app.page.locator(".view-bar .status-text")
    words.evaluate("one => { one.textContent = 'a stage that is told at length '.repeat(20) }")
    place = cancel.bounding_box()  # in sight, whatever is said
    assert place
    assert 1000 < place["x"] < 1280 - place["width"]
    cancel.click()
    cancel.wait_for(state="detached", timeout=20_000)
    app.run(TOKYO)
    assert app.row("next-token", 0)[0] == "␣Tokyo"


def test_a_prompt_of_4096_tokens_works_and_its_lens_says_what_it_costs(app, long_model):
    with served(long_model) as app.address:
        app.open()
        app.page.get_by_test_id("prompt").fill("a" + " a" * 4095)
        app.page.get_by_text("4,096 tokens of 4,096").wait_for()
        app.page.get_by_test_id("run").click()
        app.settled()
        assert app.row("next-token", 0)[0]
        app.page.get_by_test_id("tab-lens").click()
        app.page.get_by_test_id("lens-cost").wait_for()
