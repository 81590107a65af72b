"""A flow diagram: every box and band in its place, in pixels that mean something, as text."""

from __future__ import annotations

import html
import json
from itertools import pairwise

import numpy as np
import pytest

from unembed.errors import InputError
from unembed.figures.colours import DARK, LIGHT, parse
from unembed.figures.diagram.figure import diagram_figure
from unembed.figures.diagram.parts import Band, Box, Diagram, Key, css
from unembed.figures.diagram.places import LINE, box_sizes, places
from unembed.figures.flow_palettes import (
    HIDDEN,
    Palette,
    load_palette,
    palette_names,
    palette_on,
    table,
)

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
    boxes = [
        Box("", "", "#000000", 0, lane=0),
        *[Box("", "", "#000000", 1)] * 40,
        Box("", "", "#000000", 2, lane=0),
    ]
    bands = [Band(0, 41, 90.0, "#000000", "")]
    bands += [Band(0, 1 + at, 1.0 + at % 7, "#000000", "") for at in range(40)]
    bands += [Band(1 + at, 41, 12.0, "#000000", "") for at in range(40)]
    sizes = box_sizes(len(boxes), bands)
    middles, height = places(boxes, bands, sizes)
    assert sizes[1:41] == [12.0] * 40
    assert sizes[41] == 90 + 40 * 12
    below = sorted(
        (middle - size / 2, middle + size / 2, middle)
        for middle, size in zip(middles[1:41], sizes[1:41], strict=True)
    )
    assert below[0][0] >= 90.0
    assert below[-1][1] <= height
    for above, under in pairwise(below):
        assert above[1] < under[0]
        assert under[2] - above[2] >= LINE


def test_lanes_do_not_share_a_height():
    boxes = [
        Box("", "", "#000000", 0, lane=0),
        *[Box("", "", "#000000", 1, lane=1)] * 4,
        *[Box("", "", "#000000", 1, lane=2)] * 8,
        Box("", "", "#000000", 2, lane=0),
    ]
    bands = [Band(0, 13, 30.0, "#000000", "")]
    bands += [Band(0, box, 9.0, "#000000", "") for box in range(1, 13)]
    middles, _ = places(boxes, bands, box_sizes(len(boxes), bands))
    assert min(middles[1:5]) - 4.5 > 30.0
    assert max(middles[1:5]) + 4.5 < min(middles[5:13]) - 4.5


# ------------------------------------------------------------------ the figure


def test_every_box_and_band_is_in_the_figure():
    figure = diagram_figure(diagram(), LIGHT)
    boxes, bands = figure.data
    assert boxes.text == ("start", "one", "two", "end")
    assert boxes.hovertext[0] == "<b>start</b><br>more"
    assert len(bands.hovertext) == 5
    drawn = [shape for shape in figure.layout.shapes if shape.xref is None]
    assert [shape.type for shape in drawn] == ["path"] * 5 + ["rect"] * 4
    assert drawn[0].fillcolor == "rgba(17,34,51,0.267)"
    heights = [shape.y1 - shape.y0 for shape in drawn[5:]]
    assert heights == pytest.approx([160.0, 40.0, 20.0, 115.0])


def test_nothing_is_markup_or_a_formula():
    boxes = [Box("<b>$x$", "<script>\n&lt;", "#000000", 0), Box("&amp;", "", "#000000", 1)]
    figure = diagram_figure(diagram(boxes, [Band(0, 1, 3.0, "#000000", "<a>")]), DARK)
    labels, bands = figure.data
    assert labels.text[0] == "&lt;b&gt;&#36;x&#36;"
    assert labels.hovertext == ("<b>&lt;script&gt;</b><br>&amp;lt;", "")
    assert bands.hovertext[0] == "<b>&lt;a&gt;</b>"
    assert html.unescape(figure.layout.title.text) == "A <b>title</b> & $x$"
    texts = [note.text for note in figure.layout.annotations]
    assert "&lt;i&gt;<br>more" in texts
    assert "<b>Layer &amp; 0</b>" in texts
    json.loads(figure.to_json())


def test_a_long_label_is_cut_to_its_room():
    boxes = [Box("x" * 40, "", "#000000", 0, room=6), Box("東京東京東京", "", "#000000", 1, room=6)]
    labels = diagram_figure(diagram(boxes, [Band(0, 1, 3.0, "#000000", "")]), LIGHT).data[0]
    assert labels.text == ("xxxxx…", "東京…")


def test_a_diagram_without_a_band_is_refused():
    with pytest.raises(InputError, match="nothing to draw"):
        diagram_figure(diagram(bands=[Band(0, 1, 0.0, "#000000", "")]), LIGHT)


def test_colours_that_let_through_are_written_as_plotly_reads_them():
    assert css("#0000ff80") == "rgba(0,0,255,0.502)"
    assert css("#0000ff") == "#0000ff"
    assert css(HIDDEN) == HIDDEN
