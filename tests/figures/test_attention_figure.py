"""Attention as figures and pages: every number is the result's, and what is left out is said."""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch

import unembed as ue
from unembed.analyses.attention.result import PROMPTS
from unembed.errors import InputError, TooLargeError
from unembed.figures.attention import figure
from unembed.figures.attention.packing import packed
from unembed.figures.colours import DARK

from .attention_example import attention_of
from .conftest import AWKWARD

LIMIT = 400_000  # bytes of a page


def cells_of(drawn) -> np.ndarray:
    """What a figure's colours stand for: the squares undone, empty as 0."""
    cells = np.array(
        [[np.nan if one is None else one for one in row] for row in drawn.data[0].z], dtype=float
    )
    return np.nan_to_num(np.copysign(cells**2, cells))


def unpacked(one: dict) -> np.ndarray:
    """As the page's module reads it, number by number."""
    raw = base64.b64decode(one["data"])
    halves = iter(struct.unpack(f"<{len(raw) // 2}e", raw))
    shape = one["shape"]
    rows = [
        [next(halves) * one["unit"] for _ in range(length)] + [0.0] * (shape[-1] - length)
        for length in one["lengths"]
    ]
    assert next(halves, None) is None
    return np.array(rows).reshape(shape)


def page_data(result, *choices, **options) -> dict:
    page = result.to_html(*choices, **options)
    return json.loads(page.split('id="unembed-data">')[1].split("</script>")[0])


# ------------------------------------------------------------------ figures


@pytest.mark.parametrize("options", [{}, {"signed": True}, {"causal": False}])
@pytest.mark.parametrize("head", [None, "L5.H0"])
def test_every_cell_of_the_figure_is_its_number(options, head):
    result = attention_of(**options)
    wanted = result.combined if head is None else result.head(head)
    found = cells_of(result.plot(head))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-12)


def test_a_pair_that_is_0_has_no_colour_and_its_hover_says_0():
    drawn = attention_of().plot()
    assert drawn.data[0].z[0][1] is None
    assert "looks at" in drawn.data[0].hovertext[0][1]
    assert drawn.data[0].hovertext[0][1].endswith(": 0")


def test_hovers_name_both_tokens_and_the_number_and_are_no_markup():
    result = attention_of(tokens=4)
    said = attention_of(tokens=4).plot("L4.H1").data[0].hovertext[2][1]
    assert "&lt;/script&gt; at 2 looks at &lt;b&gt; at 1" in said
    assert f"{float(result.values[1, 2, 1]):.4g}" in said


def test_signs_are_centred_and_shares_begin_at_0():
    axis = attention_of(signed=True).plot().layout.coloraxis
    assert axis.cmin == -axis.cmax
    axis = attention_of().plot().layout.coloraxis
    assert (axis.cmin, axis.cmax) == (0, float(attention_of().combined.max()) ** 0.5)


def test_queries_go_down_and_those_that_were_not_asked_are_not_there():
    drawn = attention_of(tokens=8, queries=(2, 7)).plot()
    assert np.shape(drawn.data[0].z) == (2, 8)
    rows = drawn.layout.yaxis
    assert rows.range[0] > rows.range[1]
    shown = [one.split()[-1].strip("\u2069") for one in rows.ticktext]
    assert shown[::-1] == ["2", "7"]


def test_a_difference_is_edited_minus_baseline():
    both = ue.AttentionComparison(attention_of(seed=1), attention_of(seed=2))
    wanted = both.edited.combined - both.baseline.combined
    np.testing.assert_allclose(cells_of(both.plot()), wanted.numpy(), rtol=1e-9, atol=1e-15)
    assert "Change of the share of attention" in both.plot().layout.title.text
    one = cells_of(both.plot("L4.H1", mode="baseline"))
    np.testing.assert_allclose(one, both.baseline.head("L4.H1").numpy(), rtol=1e-12)


def test_what_cannot_be_drawn_is_refused_in_a_sentence(monkeypatch):
    result = attention_of()
    for field, refused in {
        "head": lambda: result.plot("L9.H9"),
        "layout": lambda: result.to_html(layout="spiral"),
        "colours": lambda: result.plot(colours="neon"),
        "mode": lambda: ue.AttentionComparison(result).plot(mode="flicker"),
    }.items():
        with pytest.raises(InputError) as caught:
            refused()
        assert caught.value.field == field
    longer = ue.AttentionComparison(result, attention_of(tokens=7))
    with pytest.raises(InputError, match="as many heads, queries and keys"):
        longer.plot()
    monkeypatch.setattr(figure, "MOST_CELLS", 30)
    with pytest.raises(TooLargeError, match="36 pairs"):
        result.plot()


def test_keys_of_another_text_have_their_own_names():
    source = attention_of(tokens=6)
    crossing = replace(source, part="cross", key_tokens=AWKWARD[8:14])
    drawn = crossing.plot()
    assert AWKWARD[8].label in drawn.layout.xaxis.ticktext[0]
    assert f"{AWKWARD[9].label} at 1" in drawn.data[0].hovertext[2][1]


def test_a_long_prompt_is_a_figure_that_fits_a_window():
    drawn = attention_of(heads=1, tokens=300).plot()
    assert drawn.layout.height < 1200
    assert drawn.data[0].hovertext is None


# ------------------------------------------------------------------ packing


@pytest.mark.parametrize("size", [1.0, 1e-7, 1e7])
@pytest.mark.parametrize("options", [{}, {"signed": True}, {"causal": False}])
def test_packed_numbers_keep_three_digits_whatever_their_size(options, size):
    values = attention_of(**options).values * size
    np.testing.assert_allclose(unpacked(packed(values)), values.numpy(), rtol=2**-11)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (2, 3)])
def test_nothing_and_zeros_are_packed_too(shape):
    assert np.array_equal(unpacked(packed(torch.zeros(shape))), np.zeros(shape))


# ------------------------------------------------------------------ pages


@pytest.mark.drawing
@pytest.mark.parametrize("options", [{}, {"signed": True}, {"sink": True, "queries": (1, 4, 5)}])
def test_the_page_has_the_numbers_of_the_result(options):
    result = attention_of(**options)
    data = page_data(result)["result"]["data"]
    side = data["baseline"]
    assert data["heads"] == list(result.heads)
    assert side["queries"] == list(result.queries)
    for name in ("values", "combined", "sink", "edge_values"):
        wanted = getattr(result, name)
        if wanted is not None:
            np.testing.assert_allclose(unpacked(side[name]), wanted.numpy(), rtol=2**-11)
    words = {
        name: struct.unpack(f"<{len(result.edge_keys)}H", base64.b64decode(side[f"edge_{name}"]))
        for name in ("rows", "keys")
    }
    assert [result.queries[row] for row in words["rows"]] == result.edge_queries.tolist()
    assert list(words["keys"]) == result.edge_keys.tolist()
    assert side["edge_count"] == len(result.edge_keys)


@pytest.mark.drawing
def test_a_page_of_both_runs_has_both():
    both = ue.AttentionComparison(attention_of(seed=1), attention_of(seed=2))
    given = page_data(both, "L5.H0", mode="difference", colours=DARK)
    assert given["kind"] == "attention"
    shown = {name: given["options"][name] for name in ("head", "mode", "layout", "theme")}
    assert shown == {"head": "L5.H0", "mode": "difference", "layout": "both", "theme": "dark"}
    for side, result in both.sides.items():
        found = unpacked(given["result"]["data"][side]["combined"])
        np.testing.assert_allclose(found, result.combined.numpy(), rtol=2**-11)


@pytest.mark.drawing
@pytest.mark.parametrize(
    ("heads", "tokens", "missing"),
    [(12, 90, ""), (12, 250, "single heads"), (12, 1024, "weaker ones"), (26, 500, "the maps")],
)
def test_a_page_is_small_and_says_what_it_has_no_room_for(heads, tokens, missing):
    page = attention_of(heads, tokens).to_html()
    assert len(page.encode()) <= LIMIT
    assert missing in page
    assert ("Left out, since the page would be too large" in page) == bool(missing)


@pytest.mark.drawing
@pytest.mark.drawing
def test_a_page_of_two_prompts_names_them_and_has_the_queries_of_each():
    both = ue.AttentionComparison(attention_of(), attention_of(tokens=7), PROMPTS)
    data = page_data(both)["result"]["data"]
    assert data["names"] == {"baseline": "this prompt", "edited": "other prompt"}
    for side, one in both.sides.items():
        assert data[side]["queries"] == list(one.queries)
        assert len(data[side]["tokens"]) == len(one.tokens)


def test_a_page_of_both_runs_is_small_too():
    both = ue.AttentionComparison(attention_of(12, 200), attention_of(12, 200, seed=1))
    assert len(both.to_html().encode()) <= LIMIT


@pytest.mark.drawing
def test_the_widget_is_what_the_page_has():
    result = attention_of()
    assert json.loads(result.widget("L4.H1").drawn) == page_data(result, "L4.H1")
