"""What is drawn of a lens is what the lens says."""

from __future__ import annotations

import html
import json
import math
import re

import numpy as np
import pytest
import torch

from unembed.errors import InputError
from unembed.figures.lens import figure as lens_figure
from unembed.figures.lens import kinds as lens_kinds
from unembed.figures.lens.kinds import KINDS
from unembed.figures.text import isolate

from .conftest import AWKWARD, lens_of
from .test_heatmap import texts


def drawn(figure) -> np.ndarray:
    return np.array(json.loads(figure.to_json())["data"][0]["z"], dtype=float)


def wanted(lens, kind: str) -> torch.Tensor:
    return lens.top_probabilities[..., 0] if kind == "top" else getattr(lens, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_drawn_value_is_the_results(lens, kind):
    found = drawn(lens.plot(kind))
    if kind == "rank":
        found = np.nan_to_num(10**found, nan=0)
    np.testing.assert_allclose(found, wanted(lens, kind).double().numpy(), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_awkward_tokens_and_numbers_are_drawn(awkward, kind):
    figure = awkward.plot(kind, text="token")
    scale = lens_kinds.scale(awkward, kind)
    exact = wanted(awkward, kind).double().numpy().copy()
    exact = np.where(np.isposinf(exact), scale.high, np.where(np.isneginf(exact), scale.low, exact))
    if kind == "rank":
        exact = np.log10(exact, out=np.full(exact.shape, np.nan), where=exact > 0)
    np.testing.assert_allclose(drawn(figure), exact, rtol=1e-12)
    shown = texts(figure)
    assert len(shown) == awkward.rank.numel()
    label = {token.id: isolate(token.label) for token in AWKWARD}
    for (row, column), (text, _) in shown.items():
        best = label[int(awkward.top_ids[row, column, 0])]
        assert best == text or best.startswith(text[:-1].removesuffix("\u2069"))


def test_the_last_row_is_on_top_and_the_axes_name_inputs_and_final_tokens(lens):
    layout = lens.plot().layout
    names = [lens_figure.row_label(row) for row in lens.rows]
    assert list(layout.yaxis.ticktext) == names[::-1]
    finals = [lens.token(token).label for token in lens.top_ids[-1, :, 0].tolist()]
    pairs = ((layout.xaxis, [token.label for token in lens.tokens]), (layout.xaxis2, finals))
    for axis, labels in pairs:
        for tick, label in zip(axis.ticktext, labels, strict=True):
            assert label in html.unescape(tick)


def test_a_mark_says_where_the_final_token_is_the_true_next_one():
    lens = lens_of(3, 40)
    hits = lens.top_ids[-1, :, 0] == lens.next_ids
    assert hits.any()
    assert not hits[-1]  # the prompt's end has no next token
    ticks = lens.plot().layout.xaxis2.ticktext
    assert ["✓" in tick for tick in ticks] == hits.tolist()


def test_positions_stand_beside_the_inputs(lens):
    for tick, position in zip(lens.plot().layout.xaxis.ticktext, lens.positions, strict=True):
        assert re.search(rf">\s*{position}</span>", tick)


def test_a_hover_tells_everything_of_its_cell(lens):
    hovers = lens.plot("kl").data[0].hovertext
    for row, column in ((0, 0), (-1, -1)):
        text = html.unescape(hovers[row][column])
        assert f"{lens.rows[row]} · position {lens.positions[column]}" in text
        assert f"#{lens.tokens[column].id}" in text
        assert f"KL(final ‖ row) {float(lens.kl[row, column]):.2f} nats" in text
        assert f"entropy {float(lens.entropy[row, column]):.2f} nats" in text
        if int(lens.rank[row, column]) > 0:
            assert f"rank {int(lens.rank[row, column]):,}" in text
            assert f"{float(lens.logit[row, column]):.2f}".replace("-", "−") in text
        else:
            assert "none here" in text
        for place in range(lens.top_ids.shape[-1]):
            token = lens.token(int(lens.top_ids[row, column, place]))
            logit = f"{float(lens.top_logits[row, column, place]):.2f}".replace("-", "−")
            assert f"{logit}  {token.label} #{token.id}" in text


def test_a_hover_lists_ten_tokens_and_says_how_many_more():
    text = lens_of(1, 1, k=14).plot().data[0].hovertext[0][0]
    assert text.count(" #") == 2 + 10  # input, final top
    assert text.endswith("and 4 more in the result")


def test_markup_in_tokens_reaches_no_part_of_the_figure(awkward):
    figure = json.dumps(awkward.plot("top", text="token").to_plotly_json(), default=str)
    assert not re.search(r"<(?!b>|/b>|br>|span style=|/span>)", figure.replace('\\"', '"'))
    assert "$" not in figure


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_of_a_cell_is_its_token_or_its_value(kind):
    lens = lens_of(4, 6)
    token = {token.id: token.label for token in AWKWARD}
    found = texts(lens.plot(kind))
    best = token[int(lens.top_ids[1, 2, 0])]
    if kind in ("top", "probability", "logit"):
        assert found[1, 2][0][:6].strip("\u2068") == best[:6]
    else:
        assert found == texts(lens.plot(kind, text="value"))
    assert not texts(lens.plot(kind, text="none"))


def test_values_in_cells_are_whole_or_not_there():
    lens = lens_of(5, 60)
    lens.kl[0, :] = 1083.94
    for kind in KINDS:
        assert not any("…" in text for text, _ in texts(lens.plot(kind, text="value")).values())


def test_turned_round_the_inputs_are_on_top():
    layout = lens_of(3, 3).plot(top_down=True).layout
    assert layout.yaxis.range[0] > layout.yaxis.range[1]
    assert layout.xaxis.side == "top"


def test_a_large_grid_is_a_picture_with_hovers():
    figure = lens_of(48, 200).plot("rank")
    assert not texts(figure)
    assert np.array(figure.data[0].hovertext).shape == (48, 200)
    assert figure.layout.width < 2600


def test_what_is_scored_is_said(lens):
    title = lens.plot("rank").layout.title.text
    wanted = {"next": "the true next token", "input": "the token at the position itself"}
    if lens.target is not None:
        assert f"Rank of {lens.target.label}" in title
    else:
        assert wanted.get(lens.follow, "each position's final top token") in title


def test_a_title_of_ones_own_is_text():
    assert lens_of(1, 1).plot(title="a <b>").layout.title.text == "<b>a &lt;b&gt;</b>"


@pytest.mark.parametrize(
    ("options", "legal"),
    [
        ({"kind": "probs"}, "top, logit, probability, rank, kl, entropy"),
        ({"text": "both"}, "auto, token, value, none"),
        ({"colours": "puce"}, "light, dark, a Colours"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(options, legal):
    lens = lens_of(1, 1)
    for make in (lens.plot, lens.to_html):
        with pytest.raises(InputError) as caught:
            make(**options)
        assert caught.value.field == next(iter(options))
        assert caught.value.legal == legal


# ------------------------------------------------------------------ scales


def test_probabilities_span_zero_to_one_and_ranks_one_to_the_vocabulary():
    lens = lens_of(4, 9)
    for kind in ("top", "probability"):
        scale = lens_kinds.scale(lens, kind)
        assert (scale.low, scale.high, scale.bright) == (0, 1, "high")
    scale = lens_kinds.scale(lens, "rank")
    assert (scale.low, scale.high, scale.bright, scale.log) == (1, 16, "low", True)
    scale = lens_kinds.scale(lens, "entropy")
    assert (scale.low, scale.high, scale.bright) == (0, math.log(16), "low")


def test_logits_span_their_fifth_to_ninety_fifth_percentile():
    lens = lens_of(7, 31)
    scale = lens_kinds.scale(lens, "logit")
    assert [scale.low, scale.high] == pytest.approx(np.percentile(lens.logit, [5, 95]).tolist())
    assert all(scale.low <= at <= scale.high for at, _ in scale.ticks)


def test_one_far_row_does_not_flatten_the_logits_of_the_others():
    lens = lens_of(10, 20)
    low, high = float(lens.logit.min()), float(lens.logit.max())
    lens.logit[0] = 1000
    scale = lens_kinds.scale(lens, "logit")
    assert low <= scale.low < scale.high < high + 2 * (high - low)


def test_one_far_row_does_not_flatten_the_divergences_of_the_others():
    lens = lens_of(8, 20)
    usual = float(lens.kl[1:].max())
    lens.kl[0] = 1000
    lens.kl[1, 1] = math.inf
    scale = lens_kinds.scale(lens, "kl")
    assert 0.5 * usual < scale.high < 3 * usual
    assert (scale.low, scale.bright) == (0, "low")


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
@pytest.mark.parametrize("kind", ["logit", "probability", "kl", "entropy"])
def test_a_grid_of_one_value_has_a_scale(kind, value):
    lens = lens_of(2, 3)
    getattr(lens, kind)[:] = value
    scale = lens_kinds.scale(lens, kind)
    assert math.isfinite(scale.low)
    assert math.isfinite(scale.high)
    assert scale.low < scale.high
    assert scale.ticks
