"""A flow diagram: every box and band in its place, in pixels that mean something, as text."""

from __future__ import annotations

import html
import json
from itertools import pairwise

import numpy as np
import pytest

from unembed.errors import InputError
from unembed.figures.colours import DARK, LIGHT, parse
from unembed.figures.flow_palettes import (
    HIDDEN,
    Palette,
    load_palette,
    palette_names,
    palette_on,
    table,
)
from unembed.figures.sankey import Band, Box, Diagram, Key, css, sankey
from unembed.figures.sankey_layout import LABEL, Flow, Piece, place

NAMES = palette_names()
THEMES = ("light", "dark")
VOCABS = (2, 97, 50_257, 262_144)


def diagram(boxes=None, bands=None, **changes) -> Diagram:
    """A start on top, two boxes below, an end on top."""
    boxes = boxes or [
        Box("start", "start\nmore", "#112233", 0, lane=0),
        Box("one", "one", "#112233", 1),
        Box("two", "two", "#112233", 1),
        Box("end", "end", "#112233", 2, lane=0),
    ]
    bands = bands or [
        Band(0, 3, 100.0, "#11223344", "past"),
        Band(0, 1, 40.0, "#445566", "in"),
        Band(0, 2, 20.0, "#445566", "in"),
        Band(1, 3, 10.0, "#445566", "out"),
        Band(2, 3, 5.0, "#445566", "out"),
    ]
    return Diagram(
        **{
            "title": "A <b>title</b> & $x$",
            "boxes": boxes,
            "bands": bands,
            "room": [100.0] * (1 + max(box.column for box in boxes)),
            "captions": [(0, "in"), (1, "<i>\nmore")],
            "headings": [(0, "Layer & 0")],
            "legend": [Key("map", ("#000000", "#ffffff"), ("0", "1")), Key("plain", ("#ff0000",))],
        }
        | changes
    )


# ------------------------------------------------------------------ palettes


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", NAMES)
def test_every_palette_has_a_colour_for_everything(name, theme):
    palette = load_palette(name, theme)
    for vocab in VOCABS:
        for rank in {1, 2, vocab // 2 or 1, vocab}:
            parse(palette.rank(rank, vocab))
        for nats in (0.0, 1.0, np.log(vocab), 1e9):
            parse(palette.entropy(nats, vocab))
    for score in (0.0, 0.3, 1.0, 1.0001):
        parse(palette.attention(score))
    assert palette.rank(1, 50_257) == palette.rank_stops[0]
    assert palette.rank(50_257, 50_257) == palette.rank_stops[-1]


def test_visits_ranks_are_matplotlibs_colours():
    """LinearSegmentedColormap.from_list(...)(rank / V): entry int(256 x) of 256, by hand."""
    stops = table()["visit"]["dark"]["rank"]
    assert len(stops) == 70
    channels = np.array([parse(stop) for stop in stops], dtype=float)
    palette, vocab = load_palette("visit", "dark"), 50_257
    for rank in (*range(1, vocab, 487), vocab):
        entry = min(int(256 * rank / vocab), 255)
        at = entry / 255
        wanted = [np.interp(at, np.linspace(0, 1, 70), channel) for channel in channels.T]
        found = parse(palette.rank(rank, vocab))
        assert np.abs(np.array(found) - wanted).max() <= 0.5 + 1e-9
    assert palette.rank(18, vocab) == palette.rank(196, vocab) == "#00ff00"
    assert palette.rank(197, vocab) != "#00ff00"
    assert palette.rank(int(0.95 * vocab), vocab) == "#8b0000"


def test_visits_entropies_are_of_30_bits_and_ours_of_the_vocabulary():
    visit, ours = load_palette("visit", "dark"), load_palette("unembed", "dark")
    assert visit.entropy_share(15 * np.log(2), 50_257) == pytest.approx(0.5)
    assert ours.entropy_share(np.log(50_257), 50_257) == pytest.approx(1.0)
    assert ours.entropy(0.0, 50_257) == ours.entropy_stops[0]


@pytest.mark.parametrize("theme", THEMES)
def test_our_ranks_are_logarithmic_and_turn_at_the_end(theme):
    palette, vocab = load_palette("unembed", theme), 50_257
    colours = [palette.rank(rank, vocab) for rank in (1, 3, 10, 30, 100)]
    assert len(set(colours)) == 5
    plain = palette.rank(vocab // 2, vocab)
    assert plain == palette.rank(vocab // 4, vocab)
    red, _, blue = parse(palette.rank(vocab, vocab))
    assert red > blue  # orange: what the vector speaks against


def seen(colour: str) -> np.ndarray:
    """As an eye without green cones sees it (Viénot, Brettel and Mollon, 1999)."""
    linear = (np.array(parse(colour[:7])) / 255) ** 2.2
    to_lms = np.array(
        [[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]]
    )
    blind = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    back = np.linalg.inv(to_lms) @ blind @ to_lms @ linear
    return 255 * np.clip(back, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("theme", THEMES)
def test_our_opposites_differ_to_every_eye(theme):
    palette = load_palette("unembed", theme)
    for one, other in [
        (palette.positive, palette.negative),
        (palette.rank(1, 50_257), palette.rank(50_257, 50_257)),
        (palette.rank(1, 50_257), palette.rank(25_000, 50_257)),
        (palette.attention(0), palette.attention(1)),
    ]:
        assert np.abs(seen(one) - seen(other)).max() > 60


def test_links_have_the_colour_that_they_say():
    palette = load_palette("unembed", "light")
    assert palette.link("entropy", 2.0, 97) == palette.entropy(2.0, 97)
    assert palette.link("attention", 0.5, 97) == palette.attention(0.5)
    assert palette.link("sign", -0.1, 97) == palette.negative
    assert palette.link("sign", 0.1, 97) == palette.positive
    assert palette.link("norm", None, 97) == palette.norm
    assert palette.link("residual_mlp", None, 97) == palette.residual_mlp
    assert palette.link("entropy", None, 97) == palette.plain
    assert palette.link("hidden", None, 97) == HIDDEN


def test_a_palette_is_named_or_given():
    mine = load_palette("visit", "light")
    assert isinstance(mine, Palette)
    assert palette_on(mine, "dark") is mine
    assert palette_on({"light": mine, "dark": mine}, "dark") is mine
    assert palette_on("unembed", "dark") == load_palette("unembed", "dark")
    with pytest.raises(InputError, match="'neon'") as caught:
        palette_on("neon", "light")
    assert caught.value.field == "palette"
    assert caught.value.legal == "unembed, visit, visit-2"


# ------------------------------------------------------------------ the layout


def test_boxes_are_as_high_as_what_passes_and_stand_apart():
    pieces = [Piece(0, 0), *[Piece(1)] * 40, Piece(2, 0)]
    flows = [Flow(0, 41, 90.0)]
    flows += [Flow(0, 1 + at, 1.0 + at % 7) for at in range(40)]
    flows += [Flow(1 + at, 41, 12.0) for at in range(40)]
    placed = place(pieces, flows, 300.0)
    assert placed.heights[1:41] == (12.0,) * 40
    assert placed.heights[41] == 90 + 40 * 12
    below = sorted(
        (middle - height / 2, middle + height / 2, middle)
        for middle, height in zip(placed.middles[1:41], placed.heights[1:41], strict=True)
    )
    assert below[0][0] >= 90.0
    assert below[-1][1] <= placed.height + 1e-9
    for above, under in pairwise(below):
        assert above[1] < under[0]
        assert under[2] - above[2] >= LABEL - 1e-9


def test_lanes_do_not_share_a_height():
    pieces = [Piece(0, 0), *[Piece(1, 1)] * 4, *[Piece(1, 2)] * 8, Piece(2, 2), Piece(3, 0)]
    flows = [Flow(0, 14, 30.0), *(Flow(0, box, 9.0) for box in range(1, 13)), Flow(5, 13, 9.0)]
    flows += [Flow(13, 14, 5.0)]
    placed = place(pieces, flows, 500.0)
    lowest = max(placed.middles[1:5]) + 4.5
    assert placed.height == 500.0
    assert min(placed.middles[1:5]) - 4.5 > 30.0
    assert lowest < min(placed.middles[5:14]) - 4.5
    assert placed.middles[13] == pytest.approx(placed.middles[5])


def test_a_box_stands_beside_what_it_is_joined_to():
    pieces = [Piece(0), Piece(0), *[Piece(1)] * 6]
    flows = [Flow(at // 3, 2 + at, 5.0) for at in range(6)]
    placed = place(pieces, flows, 600.0)
    assert placed.middles[0] == pytest.approx(placed.middles[3])
    assert placed.middles[1] == pytest.approx(placed.middles[6])


# ------------------------------------------------------------------ the figure


def test_every_box_and_band_is_in_the_figure_and_the_ballast_out_of_sight():
    trace = sankey(diagram(), LIGHT).data[0]
    assert trace.node.label[:4] == ("start", "one", "two", "end")
    assert trace.link.value[:5] == (100.0, 40.0, 20.0, 10.0, 5.0)
    assert trace.link.color[0] == "rgba(17,34,51,0.267)"
    assert trace.node.customdata[0] == "<b>start</b><br>more"
    assert (len(trace.node.label), len(trace.link.value)) == (6, 6)
    assert min(trace.node.x[4:]) > 1
    assert trace.node.color[4:] == (HIDDEN, HIDDEN)
    assert all(0 < x < 1 for x in trace.node.x[:4])


def test_nothing_is_markup_or_a_formula():
    boxes = [Box("<b>$x$", "<script>\n&lt;", "#000000", 0), Box("&amp;", "", "#000000", 1)]
    figure = sankey(diagram(boxes, [Band(0, 1, 3.0, "#000000", "<a>")]), DARK)
    trace = figure.data[0]
    assert trace.node.label[0] == "&lt;b&gt;&#36;x&#36;"
    assert trace.node.customdata[:2] == ("<b>&lt;script&gt;</b><br>&amp;lt;", "")
    assert trace.link.customdata[0] == "<b>&lt;a&gt;</b>"
    assert html.unescape(figure.layout.title.text) == "A <b>title</b> & $x$"
    texts = [note.text for note in figure.layout.annotations]
    assert "&lt;i&gt;<br>more" in texts
    assert "<b>Layer &amp; 0</b>" in texts
    json.loads(figure.to_json())


def test_a_box_that_nothing_joins_is_left_out_and_moves_no_other():
    boxes = [
        Box("alone", "", "#000000", 0),
        Box("a", "", "#000000", 1),
        Box("b", "", "#000000", 3),
    ]
    trace = sankey(diagram(boxes, [Band(1, 2, 3.0, "#000000", "")]), LIGHT).data[0]
    assert trace.node.label[:2] == ("a", "b")
    assert trace.link.source[0] == 0
    assert trace.node.x[1] - trace.node.x[0] == pytest.approx(2 / 4)


def test_a_long_label_is_cut_to_its_room():
    boxes = [Box("x" * 40, "", "#000000", 0, room=6), Box("東京東京東京", "", "#000000", 1, room=6)]
    trace = sankey(diagram(boxes, [Band(0, 1, 3.0, "#000000", "")]), LIGHT).data[0]
    assert trace.node.label[:2] == ("xxxxx…", "東京…")


def test_a_diagram_without_a_band_is_refused():
    with pytest.raises(InputError, match="nothing to draw"):
        sankey(diagram(bands=[Band(0, 1, 0.0, "#000000", "")]), LIGHT)


def test_colours_that_let_through_are_written_as_plotly_reads_them():
    assert css("#0000ff80") == "rgba(0,0,255,0.502)"
    assert css("#0000ff") == "#0000ff"
    assert css(HIDDEN) == HIDDEN
