"""The lens in the app: everything that can be asked of it, and what is done with the answer."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page

from .conftest import App, printed_by

TOKYO = "p=The+capital+of+Japan+is+the+city+of"
LENS = f"v=1&view=lens&{TOKYO}"
TABLE = f"{LENS}&table=1"
# 161 tokens with <bos>
LONG = f"v=1&view=lens&p={'+'.join(['a', *['dog'] * 159])}&step=12&emb=0"


def menu(app: App, name: str) -> None:
    """Open one of the menus of the quiet line."""
    app.page.get_by_test_id(f"set-{name}").click()
    app.page.get_by_test_id(f"menu-{name}").wait_for()


def said(app: App, name: str) -> str:
    """What the quiet line says of a choice."""
    return " ".join(app.text(f"set-{name}").split())


def rows(app: App) -> list[str]:
    """Names of the rows, top to bottom, from the table view."""
    heads = app.page.get_by_test_id("lens-table").locator("tbody th")
    return heads.all_inner_texts()


def cells(app: App, name: str) -> list[str]:
    """Texts of one row of the table view."""
    table = app.page.get_by_test_id("lens-table")
    row = table.locator("tbody tr").nth(rows(app).index(name))
    return [" ".join(text.split()) for text in row.locator("td").all_inner_texts()]


def address(app: App) -> str:
    # asked of the page: what the driver knows of the address comes a moment later
    return unquote(app.page.evaluate("location.hash").removeprefix("#"))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def middle(app: App, test_id: str) -> tuple[float, float]:
    box = app.page.get_by_test_id(test_id).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


# ---------------------------------------------------------------- what a cell shows


@pytest.mark.parametrize(
    ("kind", "legend"),
    [
        ("top", "own top token"),
        ("probability", "probability of ␣Tokyo"),
        ("logit", "logit of ␣Tokyo"),
        ("rank", "rank of ␣Tokyo"),
        ("kl", "KL(final ‖ this)"),
        ("entropy", "entropy"),
    ],
)
def test_each_kind_has_its_own_scale(app, kind, legend):
    app.open(f"{LENS}&t=+Tokyo")
    app.page.get_by_test_id("kind").locator(f"input[value={kind}]").check()
    assert legend in app.text("legend")
    assert ("kind=" + kind in address(app)) == (kind != "probability")


def test_a_cell_says_its_token_or_its_number(app):
    app.open(f"{LENS}&kind=rank")
    picture = "c => c.toDataURL()"
    canvas = app.page.get_by_test_id("lens-canvas")
    before = canvas.evaluate(picture)
    app.page.get_by_test_id("text").locator("input[value=value]").check()
    app.page.wait_for_timeout(100)
    assert canvas.evaluate(picture) != before
    assert "text=value" in address(app)


def test_ranks_count_from_one_and_the_last_row_is_the_answer(app):
    app.open(f"{TABLE}&kind=rank")
    assert all(cell.endswith(" 1") for cell in cells(app, "L17"))


def test_the_divergence_of_the_last_row_from_itself_is_zero(app):
    app.open(f"{TABLE}&kind=kl")
    assert all(cell.endswith(" 0.00") for cell in cells(app, "L17"))


def test_probabilities_can_be_clipped_before_the_divergence_is_taken(app):
    app.open(f"{TABLE}&kind=kl&step=12")
    exact = cells(app, "L0")
    app.page.locator(".formula-button").click()
    app.page.get_by_test_id("clipped").check()
    app.settled()
    assert "clip=1" in address(app)
    clipped = cells(app, "L0")
    assert clipped != exact
    # a tenth of a uniform distribution of 262,144 tokens: no ratio exceeds ln(2,621,440)
    assert all(float(cell.split()[-1]) < 14.8 for cell in clipped)
    assert all(cell.endswith(" 0.00") for cell in cells(app, "L17"))


def test_the_pop_up_lists_logits_and_rates_the_target(app):
    app.open(f"{LENS}&t=+Tokyo")
    x, _ = middle(app, "token-8")
    canvas = app.page.get_by_test_id("lens-canvas").bounding_box()
    app.page.mouse.move(x, canvas["y"] + 12)
    app.page.get_by_test_id("peek").wait_for()
    peek = app.text("peek")
    assert "logit" in peek
    assert "#1" in peek
    assert "KL from final" in peek
    assert "entropy" in peek
    first, score = peek.splitlines(), app.page.locator(".peek-score").inner_text()
    assert "␣Tokyo" in score
    assert any("0.3" in line or "0.4" in line or "0.5" in line for line in first)


# ---------------------------------------------------------------- rows


def test_rows_can_be_every_nth_block(app):
    app.open(TABLE)
    assert rows(app) == [*[f"L{layer}" for layer in range(17, -1, -1)], "embed"]
    menu(app, "rows")
    app.page.get_by_test_id("step").locator("input[value='6']").check()
    app.settled()
    assert rows(app) == ["L17", "L12", "L6", "L0", "embed"]
    assert "every 6th block" in said(app, "rows")


def test_the_embedding_row_can_be_left_out_and_rows_within_blocks_added(app):
    app.open(f"{TABLE}&step=12")
    menu(app, "rows")
    app.page.get_by_test_id("embedding").uncheck()
    app.page.get_by_test_id("subblocks").check()
    app.settled()
    assert rows(app) == ["L17", "L17 attn", "L12", "L12 attn", "L0", "L0 attn"]
    assert "emb=0" in address(app)
    assert "sub=1" in address(app)


def test_links_from_before_still_open(app):
    app.open(f"{TABLE}&sub=1&colour=entropy")
    assert "L3 attn" in rows(app)
    assert app.page.get_by_test_id("kind").locator("input[value=entropy]").is_checked()
    assert app.page.get_by_test_id("address-problems").count() == 0


def test_the_grid_can_be_turned_round(app):
    app.open(LENS)
    assert middle(app, "outcome")[1] < middle(app, "strip")[1]
    app.page.get_by_test_id("flip").click()
    assert middle(app, "outcome")[1] > middle(app, "strip")[1]
    assert "flip=1" in address(app)


# ---------------------------------------------------------------- positions


def test_positions_can_be_typed(app):
    app.open(TABLE)
    whole = cells(app, "L9")
    menu(app, "positions")
    app.page.get_by_test_id("lens-positions").fill("2-4, -1")
    app.page.keyboard.press("Enter")
    app.settled()
    assert cells(app, "L9") == [*whole[2:5], whole[8]]
    assert "at=2-4,8" in address(app)
    assert "4 of 9" in said(app, "positions")
    app.page.get_by_test_id("all-positions").click()
    app.settled()
    assert cells(app, "L9") == whole


def test_what_is_no_position_of_the_prompt_is_said_before_it_is_asked(app):
    app.open(LENS)
    menu(app, "positions")
    for text, complaint in (("75-100", "positions 0–8"), ("x", "no position")):
        app.page.get_by_test_id("lens-positions").fill(text)
        assert complaint in app.text("menu-positions")
    app.page.keyboard.press("Enter")
    assert "at=" not in address(app)


def test_a_drag_over_the_strip_chooses_positions(app):
    app.open(LENS)
    drag(app.page, middle(app, "token-2"), middle(app, "token-5"))
    app.settled()
    assert "at=2-5" in address(app)
    assert "pos=5" in address(app)
    assert app.page.get_by_test_id("token-1").get_attribute("aria-label").endswith("not read")
    assert app.page.get_by_test_id("outcome-4").is_visible()
    assert app.page.get_by_test_id("outcome-6").count() == 0


def test_shift_chooses_positions_by_pointer_and_by_keyboard(app):
    app.open(LENS)
    app.page.get_by_test_id("token-3").click()
    app.page.get_by_test_id("token-6").click(modifiers=["Shift"])
    app.settled()
    assert "at=3-6" in address(app)
    app.page.get_by_test_id("strip").focus()
    app.page.keyboard.press("Shift+ArrowLeft")
    app.settled()
    assert "at=3-5" in address(app)
    app.page.keyboard.press("Shift+ArrowRight")
    app.settled()
    assert "at=3-6" in address(app)


def test_a_position_that_is_not_read_can_be_chosen_and_says_so(app):
    app.open(f"{LENS}&at=2-4&pos=7")
    assert "Position 7 is not read" in app.text("unread")
    assert "not among those" in app.text("lens-cell")
    app.page.get_by_test_id("unread").get_by_role("button").click()
    app.settled()
    assert "at=2-4,7" in address(app)
    assert "position 7" in app.text("lens-cell")
    assert app.page.get_by_test_id("unread").count() == 0


def test_a_range_of_a_long_prompt_opens_in_sight(app):
    app.open(f"{LONG}&at=75-100&pos=80")
    assert "75–100 of 161" in said(app, "positions")
    box = app.page.get_by_test_id("strip").bounding_box()
    x, _ = middle(app, "token-80")
    assert box["x"] < x < box["x"] + box["width"]


def test_a_new_prompt_is_read_whole(app):
    app.open(f"{LENS}&at=2-4")
    app.run("The cat sat on the mat")
    assert "at=" not in address(app)
    assert "all 7" in said(app, "positions")


# ---------------------------------------------------------------- what reads a row


def test_the_last_block_makes_of_the_row_before_it_what_the_model_says(app):
    app.open(f"{TABLE}&kind=kl")
    assert cells(app, "L16") != cells(app, "L17")
    menu(app, "decoder")
    app.page.get_by_test_id("decoder-last_block").check()
    app.settled()
    assert cells(app, "L16") == cells(app, "L17")
    assert "dec=last_block" in address(app)
    assert "1 block for each of 18 rows" in app.text("decoder-cost")


def test_a_decoder_can_begin_at_any_block_or_its_feed_forward(app):
    app.open(f"{TABLE}&sub=1&step=6")
    menu(app, "decoder")
    app.page.get_by_test_id("decoder-from").check()
    app.page.get_by_test_id("decoder-layer").select_option("12")
    app.settled()
    assert rows(app)[:3] == ["L17", "L6", "L6 attn"]
    app.page.get_by_test_id("decoder-part").locator("input[value=mlp]").check()
    app.settled()
    assert "dec=L12.mlp" in address(app)
    assert rows(app)[:3] == ["L17", "L12 attn", "L6"]
    assert "from L12 feed-forward" in said(app, "decoder")


def test_a_decoder_that_the_model_has_not_is_an_error_beside_the_last_picture(app):
    app.open(LENS)
    app.page.goto(f"{app.address}/#{LENS}&dec=L99")
    app.settled()
    assert "99" in app.text("error")
    assert "␣Tokyo" in app.text("lens-cell")


# ---------------------------------------------------------------- what is scored


def test_the_true_next_token_can_be_followed_and_the_last_has_none(app):
    app.open(f"{TABLE}&kind=rank")
    menu(app, "scored")
    app.page.get_by_test_id("follow-next").check()
    app.settled()
    last = cells(app, "L17")
    assert last[-1].endswith("–")
    assert last[4].endswith(" 1")  # " Japan" is followed by " is", which the model says, too
    assert "of=next" in address(app)


def test_the_token_itself_can_be_followed(app):
    app.open(f"{TABLE}&kind=rank&of=input")
    assert all(cell.endswith(" 1") for cell in cells(app, "embed")[1:])
    assert "token itself" in said(app, "scored")


def test_typing_a_target_scores_it(app):
    app.open(f"{LENS}&of=next")
    app.page.get_by_test_id("target").fill(" Tokyo")
    app.page.get_by_test_id("target").press("Enter")
    app.settled()
    assert "of=" not in address(app).replace("capital+of", "").replace("city+of", "")
    assert "probability of ␣Tokyo" in app.text("legend")


def test_the_other_axis_says_where_the_text_goes_on_as_the_model_does(app):
    app.open(LENS)
    assert app.text("outcome-4").split() == ["✓", "␣is"]
    assert "␣is" in app.text("token-5")
    assert "✓" not in app.text("outcome-8")
    assert "␣Tokyo" in app.text("outcome-8")


# ---------------------------------------------------------------- zoom


def column_at(app: App, x: float) -> float:
    """Which token lies at a place of the window, from the scroll and the width of the grid."""
    return app.page.get_by_test_id("lens-grid").evaluate(
        "(grid, x) => { const space = grid.firstElementChild.getBoundingClientRect();"
        " return (x - space.left - 72) / ((space.width - 72) / 161); }",
        x,
    )


def test_ctrl_and_the_wheel_zoom_about_the_pointer(app):
    app.open(f"{LONG}&pos=80")
    box = app.page.get_by_test_id("lens-canvas").bounding_box()
    x, y = box["x"] + 500, box["y"] + 20
    app.page.mouse.move(x, y)
    before = column_at(app, x)
    app.page.keyboard.down("Control")
    for _ in range(3):
        app.page.mouse.wheel(0, 40)
        app.page.wait_for_timeout(40)
    app.page.keyboard.up("Control")
    app.page.wait_for_timeout(400)
    assert column_at(app, x) == pytest.approx(before, abs=0.1)
    width = float(address(app).partition("&w=")[2])
    assert 10 < width < 50


def test_the_keyboard_zooms_and_shows_the_whole_prompt(app):
    app.open(f"{LONG}&pos=80")
    app.page.keyboard.press("+")
    app.page.wait_for_timeout(400)
    assert "w=96" in address(app)
    app.page.keyboard.press("-")
    app.page.keyboard.press("-")
    app.page.wait_for_timeout(400)
    assert "w=48" in address(app)
    app.page.keyboard.press("0")
    app.page.wait_for_timeout(400)
    assert "&w=" not in address(app)
    app.page.keyboard.press("0")
    app.page.wait_for_timeout(400)
    grid = app.page.get_by_test_id("lens-grid")
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")
    app.page.reload()
    app.settled()
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")


def test_a_drag_pans_and_a_click_chooses(app):
    app.open(f"{LONG}&pos=80")
    box = app.page.get_by_test_id("lens-canvas").bounding_box()
    grid = app.page.get_by_test_id("lens-grid")
    before = grid.evaluate("grid => grid.scrollLeft")
    drag(app.page, (box["x"] + 500, box["y"] + 20), (box["x"] + 300, box["y"] + 20))
    app.page.wait_for_timeout(100)
    assert grid.evaluate("grid => grid.scrollLeft") == pytest.approx(before + 200, abs=2)
    assert app.page.get_by_test_id("strip").evaluate("box => box.scrollLeft") == pytest.approx(
        before + 200, abs=2
    )
    assert "pos=80" in address(app)
    app.page.mouse.click(box["x"] + 500, box["y"] + 20)
    assert "pos=80" not in address(app)


# ---------------------------------------------------------------- taking it along


def saved(app: App, item: str, folder: Path) -> Path:
    app.page.get_by_test_id("save").click()
    with app.page.expect_download() as download:
        app.page.get_by_role("menuitem", name=item).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_the_grid_is_saved_as_numbers(app, tmp_path):
    app.open(f"{LENS}&at=6-8&step=12&of=next&e=L9.H2;zero")
    with saved(app, "CSV", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 4 * 3  # sides, rows, positions
    final = [line for line in lines if line["row"] == "L17.resid_post"]
    assert {line["kl_to_final_nats"] for line in final} == {"0"}
    assert [line["rank"] for line in lines if line["position"] == "8"] == [""] * 8
    answer = json.loads(saved(app, "JSON", tmp_path).read_text(encoding="utf-8"))
    assert answer["shape"] == [4, 3]
    assert answer["description"]["positions"] == [6, 7, 8]
    assert answer["baseline"]["probability"][2] is None


def test_the_grid_is_saved_as_a_picture(app, tmp_path):
    app.open(f"{LENS}&at=6-8&kind=kl&text=value")
    svg = ElementTree.parse(saved(app, "SVG", tmp_path)).getroot()
    texts = ["".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    shown = "".join(texts)
    for part in ("L17", "embed", "␣Tokyo", "␣city", "KL(final ‖ this)", "0.00"):
        assert part in shown
    png = saved(app, "PNG", tmp_path).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) > 5_000


def test_the_copied_python_computes_the_same(app, context, demo_model):
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    app.open(f"{LENS}&at=5-8&step=12&emb=0&dec=last_block&t=+Tokyo&e=L9.H2;zero&kind=kl")
    app.page.get_by_test_id("save").click()
    app.page.get_by_role("menuitem", name="Python").click()
    app.page.get_by_test_id("toast").wait_for()
    code = app.page.evaluate("() => navigator.clipboard.readText()")
    code += "print([f'{value:.2f}' for value in lens.kl[0].tolist()])\n"
    code += "print(lens.rows, lens.positions, lens.decoder, lens.target)\n"
    printed = printed_by(code, demo_model)
    app.page.get_by_test_id("as-table").click()
    app.page.get_by_test_id("mode").locator("input[value=edited]").check()
    shown = [cell.split()[-1] for cell in cells(app, "L0")]
    assert str(shown) in printed
    assert "('L0.resid_post', 'L12.resid_post', 'L17.resid_post') (5, 6, 7, 8)" in printed


# ---------------------------------------------------------------- large grids


def test_a_large_grid_counts_what_is_chosen_before_it_starts(app):
    app.open()
    prompt = "+".join(["a"] * 900)
    app.page.goto(f"{app.address}/#v=1&view=lens&p={prompt}")
    cost = app.page.get_by_test_id("lens-cost")
    cost.wait_for()
    assert "19 rows" in cost.inner_text()
    menu(app, "rows")
    app.page.get_by_test_id("subblocks").check()
    cost.get_by_text("37 rows").wait_for()
    app.page.keyboard.press("Escape")
    menu(app, "decoder")
    app.page.get_by_test_id("decoder-last_block").check()
    cost.get_by_text("passes of the prompt through the decoder").wait_for()
    app.page.keyboard.press("Escape")
    menu(app, "positions")
    app.page.get_by_test_id("lens-positions").fill("0-3")
    app.page.keyboard.press("Enter")
    cost.wait_for(state="detached")
    app.settled()
    assert "0–3 of 901" in said(app, "positions")
