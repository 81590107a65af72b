"""What the guide of the lens says about the demo model is so."""

from __future__ import annotations

import pytest

from unembed.analyses.lens.grid import logit_lens

PROMPT = "The capital of Japan is the city of"


@pytest.fixture
def demo(demo_model):
    return demo_model


def score(found, row):
    at = found.rows.index(row)
    return round(float(found.probability[at, -1]), 2), int(found.rank[at, -1])


@pytest.mark.demo
def test_the_demo_model_knows_tokyo_from_block_12_on(demo):
    found = logit_lens(demo, PROMPT, target=" Tokyo", positions=-1)
    assert score(found, "L11.resid_post")[1] == 252
    assert score(found, "L12.resid_post") == (0.63, 1)
    assert score(found, "L17.resid_post") == (0.33, 1)


@pytest.mark.demo
def test_the_rest_of_the_model_finds_tokyo_in_a_state_that_does_not_say_it_yet(demo):
    options = {"target": " Tokyo", "positions": -1, "layer_step": 7}
    plain = logit_lens(demo, PROMPT, **options)
    deep = logit_lens(demo, PROMPT, decoder="L9", **options)
    assert score(plain, "L7.resid_post")[1] == 30_590
    assert score(deep, "L7.resid_post") == (0.2, 1)


@pytest.mark.demo
def test_the_state_before_the_last_block_and_that_block_are_the_model(demo):
    found = logit_lens(demo, PROMPT, decoder="last_block", layer_step=16, include_embedding=False)
    assert found.rows == ("L0.resid_post", "L16.resid_post", "L17.resid_post")
    assert abs(found.kl[1]).max() < 1e-5
    assert (found.top_ids[1, :, 0] == found.top_ids[2, :, 0]).all()


@pytest.mark.demo
def test_a_rare_word_seen_before_rises_late(demo):
    text = (
        "Sometimes, when people say plasma, they mean a state of matter. "
        "Other times, when people say plasma"
    )
    found = logit_lens(demo, text, follow="next", positions=-2)
    assert found.token(int(found.next_ids[0])).text == " plasma"
    ranks = found.rank[:, 0].tolist()
    assert min(ranks[:11]) > 200
    assert ranks[-7:] == [1] * 7


@pytest.mark.demo
def test_positions_up_to_the_end_of_the_text_and_beyond(demo):
    text = "This is an example. You can probably think of a more fun text to use than this one."
    n = len(demo.tokenize(text))
    for decoder in ("final_norm", "last_block", "last_mlp"):
        found = logit_lens(
            demo, text, positions=slice(0, 45), decoder=decoder, layer_step=16, subblocks=True
        )
        assert found.positions == tuple(range(n))
        assert (found.rank[-1] == 1).all()
        assert not found.kl[-1].any()
