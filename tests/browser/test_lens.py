"""The lens in the app: what a cell shows, and what can be asked of it."""

from __future__ import annotations

from .lens_page import LENS, TABLE, address, cells, menu, middle, rows, said

# ---------------------------------------------------------------- what a cell shows


KINDS = {
    "top": "own top token",
    "probability": "probability of ␣Tokyo",
    "logit": "logit of ␣Tokyo",
    "rank": "rank of ␣Tokyo",
    "kl": "KL(final ‖ this)",
    "entropy": "entropy",
}


def test_each_kind_has_its_own_scale(app):
    app.open(f"{LENS}&t=+Tokyo")
    for kind, legend in KINDS.items():
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
    app.page.get_by_test_id("card").wait_for()
    peek = app.text("card")
    assert "logit" in peek
    assert "#1" in peek
    assert "KL from final" in peek
    assert "entropy" in peek
    first, score = peek.splitlines(), app.page.locator(".card-score").inner_text()
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
    assert middle(app, "outcomes")[1] < middle(app, "strip")[1]
    app.page.get_by_test_id("flip").click()
    assert middle(app, "outcomes")[1] > middle(app, "strip")[1]
    assert "flip=1" in address(app)


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


def test_a_decoder_may_be_the_modules_of_a_suffix(app):
    app.open(f"{TABLE}&dec=layers.17.mlp,final_layernorm,lm_head&sub=1&step=6")
    assert said(app, "decoder").endswith("last feed-forward")
    by_modules = [cells(app, row) for row in rows(app)]
    assert "dec=layers.17.mlp,final_layernorm,lm_head" in address(app)
    menu(app, "decoder")
    app.page.get_by_test_id("decoder-last_mlp").check()
    app.settled()
    assert [cells(app, row) for row in rows(app)] == by_modules


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
