"""A flow graph as a figure and a page: every number said, in words, and drawn to scale."""

from __future__ import annotations

import html as markup
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import InputError
from unembed.figures.colours import parse
from unembed.figures.diagram.parts import css
from unembed.figures.diagram.places import LINE
from unembed.figures.files import file_name
from unembed.figures.flow import html, plot
from unembed.figures.flow.figure import LINK_ALPHA
from unembed.figures.flow.legend import Widths, group_of
from unembed.figures.flow.words import link_words, node_words, percent, sum_words
from unembed.figures.flow_palettes import load_palette, see_through
from unembed.models.tiny import tiny_model, tiny_tokenizer

from ..latents.test_families import attached
from .browser import Opened
from .flow_example import VOCAB, flow_example

GRAPHS = {
    "one layer": {},
    "visit's sizes": {"options": FlowOptions()},
    "joined layers and a gap": {"layers": (14, 15, 17)},
    "a large residual stream": {"residual": 8000.0},
    "no biases": {"options": FlowOptions(n_heads=1, attn_bias=False, mlp_bias=False)},
}


@pytest.fixture(params=GRAPHS, scope="module")
def graph(request):
    return flow_example(**GRAPHS[request.param])


# ------------------------------------------------------------------ the figure


def test_every_node_and_link_is_drawn_in_its_colour(graph):
    figure = plot(graph, colours="dark")
    palette = load_palette("unembed", "dark")
    shapes = [shape for shape in figure.layout.shapes if shape.xref is None]
    bands = [shape for shape in shapes if shape.type == "path"]
    boxes = [shape for shape in shapes if shape.type == "rect"]
    assert (len(boxes), len(bands)) == (len(graph.nodes), len(graph.links))
    for node, box in zip(graph.nodes, boxes, strict=True):
        score = node.readings[0].target
        assert score is not None
        assert box.fillcolor == palette.rank(score.rank, VOCAB)
    for link, band in zip(graph.links, bands, strict=True):
        wanted = palette.link(link.colour, link.colour_value, VOCAB)
        assert band.fillcolor == css(see_through(wanted, LINK_ALPHA))


def test_a_size_is_a_pixel_and_no_box_covers_another(graph):
    figure = plot(graph)
    width, height = figure.layout.width, figure.layout.height
    margin = figure.layout.margin
    assert figure.layout.xaxis.range == (0, width - margin.l - margin.r)
    assert figure.layout.yaxis.range == (pytest.approx(height - margin.t - margin.b), 0)
    boxes = [one for one in figure.layout.shapes if one.xref is None and one.type == "rect"]
    widths = Widths(graph)
    passing = {node.id: [0.0, 0.0] for node in graph.nodes}
    for link in graph.links:
        passing[link.source][0] += max(1.0, widths.pixels(link))
        passing[link.target][1] += max(1.0, widths.pixels(link))
    columns: dict[int, list[tuple[float, float]]] = {}
    for node, box in zip(graph.nodes, boxes, strict=True):
        assert box.y1 - box.y0 == pytest.approx(max(passing[node.id]))
        assert 0 <= box.y0 < box.y1 <= figure.layout.yaxis.range[0]
        columns.setdefault(node.column, []).append((box.y0, box.y1))
    for column in columns.values():
        for above, below in pairwise(sorted(column)):
            assert above[1] <= below[0]
            assert sum(below) / 2 - sum(above) / 2 >= LINE


def test_bands_end_in_their_boxes(graph):
    figure = plot(graph)
    shapes = [one for one in figure.layout.shapes if one.xref is None]
    boxes = dict(zip([node.id for node in graph.nodes],
                     [one for one in shapes if one.type == "rect"], strict=True))  # fmt: skip
    bands = [one for one in shapes if one.type == "path"]
    for link, band in zip(graph.links, bands, strict=True):
        points = [
            tuple(map(float, one.split(","))) for one in re.findall(r"[-\d.]+,[-\d.]+", band.path)
        ]
        (x0, top), (x1, high), (_, low), (_, bottom) = points[0], points[3], points[4], points[7]
        source, target = boxes[link.source], boxes[link.target]
        assert (x0, x1) == (pytest.approx(source.x1, abs=0.01), pytest.approx(target.x0, abs=0.01))
        assert source.y0 - 0.02 <= top < bottom <= source.y1 + 0.02
        assert target.y0 - 0.02 <= high < low <= target.y1 + 0.02


def test_boxes_can_be_coloured_by_entropy_and_attention():
    graph, palette = flow_example(), load_palette("visit", "light")
    by_entropy = plot(graph, colour_by="entropy", palette="visit", colours="light").data[0]
    by_attention = plot(graph, colour_by="attention", palette="visit", colours="light").data[0]
    for place, node in enumerate(graph.nodes):
        entropy = node.readings[0].entropy
        assert by_entropy.marker.color[place] == palette.entropy(entropy, VOCAB)
        wanted = palette.plain if node.attention is None else palette.attention(node.attention)
        assert by_attention.marker.color[place] == wanted


def test_columns_go_from_left_to_right_and_streams_stand_on_top(graph):
    trace = plot(graph).data[0]
    places = {node.id: (trace.x[at], trace.y[at]) for at, node in enumerate(graph.nodes)}
    for link in graph.links:
        assert places[link.source][0] < places[link.target][0]
    tops = [y for name, (_, y) in places.items() if ".resid_" in name]
    others = [y for name, (_, y) in places.items() if ".resid_" not in name]
    assert max(tops) < min(others) + 150


@pytest.mark.drawing
@pytest.mark.parametrize("family", ["gpt2", "gptj", "cohere", "mixtral", "olmo2"])
@pytest.mark.parametrize(
    "options", [{}, {"rest": True}, {"merge_neurons": True, "merge_values": True}]
)
def test_graphs_of_every_kind_of_block_are_drawn_whole(family, options):
    model = ue.load(tiny_model(family), tokenizer=tiny_tokenizer())
    run = model.run("The cat sat", ue.flow_capture(model, [0, 2]))
    graph = ue.flow_graph(run, [0, 2], top_neurons=5, bottom_neurons=3, **options)
    trace = graph.plot().data[0]
    assert len(trace.text) == len(graph.nodes)
    assert "Flow through layers 0 and 2" in graph.to_html()
    if any(node.kind == "resid_mid" for node in graph.nodes):
        return
    heights = {node.id: trace.y[at] for at, node in enumerate(graph.nodes)}
    attention = [y for name, y in heights.items() if ".H" in name or ".z" in name]
    neurons = [y for name, y in heights.items() if ".N" in name or ".neurons" in name]
    assert max(attention) < min(neurons)


def test_latents_have_a_place_of_their_own_and_sums_in_words():
    plain = ue.load(tiny_model("gptj"), tokenizer=tiny_tokenizer())
    model = attached(plain, "L1.mlp_in>L1.mlp_out", "L1.resid_post")
    run = model.run("The cat sat", ue.flow_capture(model, [1]))
    graph = ue.flow_graph(run, [1], rest=True, top_neurons=2)
    trace = graph.plot().data[0]
    heights = {node.id: trace.y[at] for at, node in enumerate(graph.nodes)}
    above = [heights[node.id] for node in graph.nodes if ".H" in node.id]
    latents = [heights[node.id] for node in graph.nodes if node.site == "L1.mlp_out"]
    assert len(latents) == 5  # two, the others, the bias and the error
    assert max(above) < min(latents)  # of the feed-forward below the attention
    of_branch, of_stream = [sum_words(row) for row in graph.sums if row.site]
    assert of_branch.startswith("Layer 1, feed-forward: adds a vector of norm ")
    assert "; 2 of 4 active latents of L1.mlp_out are " in of_branch
    assert of_stream.startswith("Layer 1, L1.resid_post: a vector of norm ")
    for said in (of_branch, of_stream):
        parts = re.findall(r"([-−]?[0-9.]+)% of it", said)
        assert len(parts) == 4
        assert sum(float(one.replace("−", "-")) for one in parts) == pytest.approx(100, abs=0.3)


def test_about_1100_px_for_a_layer_and_900_high():
    layout = plot(flow_example(options=FlowOptions())).layout
    assert 1000 <= layout.width <= 1300
    assert 750 <= layout.height <= 1200
    three = plot(flow_example((14, 15, 17))).layout
    assert 3 * 1000 <= three.width <= 3 * 1300


def test_widths_have_one_scale_where_that_can_be_read():
    graph = flow_example(options=FlowOptions(), residual=195.0)
    widths = Widths(graph)
    assert len(set(widths.scales.values())) == 1
    ratios = {round(widths.pixels(link) / link.width, 9) for link in graph.links}
    assert len(ratios) == 1


def test_widths_have_a_scale_each_where_one_would_leave_hairs():
    graph = flow_example(options=FlowOptions(), residual=8000.0)
    widths = Widths(graph)
    assert len(set(widths.scales.values())) > 1
    for link in graph.links:
        assert widths.pixels(link) == pytest.approx(link.width * widths.scales[group_of(link)])
    assert max(widths.pixels(link) for link in graph.links) <= 150 + 1e-9
    least = [widths.pixels(link) for link in graph.links if link.kind == "neuron_key"]
    assert min(least) >= 3


@pytest.mark.parametrize(
    ("options", "field"),
    [({"colour_by": "mood"}, "colour_by"), ({"palette": "neon"}, "palette"),
     ({"colours": "puce"}, "colours")],
)  # fmt: skip
def test_what_is_not_there_is_named(options, field):
    for draw in (plot, html):
        with pytest.raises(InputError) as caught:
            draw(flow_example(), **options)
        assert caught.value.field == field


# ------------------------------------------------------------------ words


def test_a_hover_says_everything_that_is_known(graph):
    for node in graph.nodes:
        said = node_words(graph, node)
        assert said.startswith(f"{node.title}\n{node.id}")
        for reading in node.readings:
            for one in reading.tokens:
                assert f"#{one.token.id}" in said
                assert percent(one.probability) in said
            assert reading.target is not None
            assert f"rank {reading.target.rank:,} of 50,257" in said
            assert f"entropy {reading.entropy:.2f} nats" in said
        assert f"norm {node.readings[0].norm:.3f}".rstrip("0")[:8] in said
        assert ("attention score" in said) == (node.attention is not None)
        assert ("activation" in said) == (node.activation is not None)
        assert ("direct effect on the logit of ␣Tokyo" in said) == (node.attributed is not None)
        assert ("takes probability from" in said) == (node.sign < 0)


def test_a_link_says_what_passes_and_how_wide_it_is(graph):
    for link in graph.links:
        said = link_words(graph, link)
        if link.colour == "hidden":
            assert said == ""
            continue
        assert f"from {graph.node(link.source).title}" in said
        assert f"to {graph.node(link.target).title}" in said
        assert ("attention score" in said) == (link.attention is not None)
        assert ("of what is added" in said) == (link.share is not None)
        assert re.search(r"width [\d.]+$", said)


def test_nothing_of_the_old_hovers_is_left(graph):
    said = [node_words(graph, one) for one in graph.nodes]
    everything = "\n".join([*said, *(link_words(graph, one) for one in graph.links)])
    assert "TWh" not in everything
    assert "None" not in everything
    assert "nan" not in everything
    for line in everything.replace("</script>", "").splitlines():
        if "#" not in line:  # tokens may have brackets of their own
            assert line.count("(") == line.count(")")


def test_shares_and_small_probabilities_are_percentages():
    assert percent(0.87889) == "87.889%"
    assert percent(3e-7) == "<0.001%"
    assert percent(0.0) == "0.000%"
    assert percent(-0.02, 1) == "−2.0%"
    said = [sum_words(row) for row in flow_example().sums]
    assert "the heads shown are 91.0% of it, the rows of W_O shown 62.0% of it" in said[0]
    row = replace(flow_example().sums[1], shown=None, rest=None, reason="it is made of experts")
    assert sum_words(row).endswith("Not taken apart: it is made of experts.")


# ------------------------------------------------------------------ the page


def test_a_name_is_one_that_every_system_takes():
    assert file_name('Flow of "a/b": <c> | d?*\\') == "Flow of a b c d"
    assert file_name("../../etc") == "etc"
    assert file_name("東京 ␣x") == "東京 x"
    assert file_name("???") == "figure"
    assert len(file_name("x" * 500)) == 100


@pytest.mark.drawing
def test_the_page_has_the_legend_in_words_and_where_numbers_come_from():
    page = html(flow_example(options=FlowOptions()), palette="visit")
    text = markup.unescape(page)
    for words in ("Boxes: the rank of ␣Tokyo", "50,257, linear", "0, certain, to 10.8 nats",
                  "attention score, 0 to 1", "negative activation", "through a norm", "biases",
                  "share one scale", "by <hand> & eye", "Tokyo Tower' is 2 tokens",
                  "the neurons shown 44.0% of it", "Read at position 7"):  # fmt: skip
        assert words in text


@pytest.mark.drawing
def test_the_page_is_written_where_it_is_told(tmp_path):
    path = tmp_path / "flow.html"
    assert html(flow_example(), path=path) == path.read_text(encoding="utf-8")


@pytest.fixture
def open_flow(window, tmp_path):
    opened: list[Opened] = []

    def open_(graph, theme="light", width=1280, **options) -> Opened:
        path = tmp_path / "flow.html"
        html(graph, path=path, **options)
        opened.append(Opened(window, path, theme, width))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def first_box(opened: Opened) -> tuple[int, int]:
    """A place in the box of the first node, which is the leftmost, px from the canvas's corner."""
    places = [(x, y) for x in range(2, 400, 6) for y in range(44, 500, 6)]
    seen = zip(places, opened.pixels("flow-canvas", places), strict=True)
    x, y = next(place for place, pixel in seen if pixel != (0, 0, 0))
    return x + 4, y + 5


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1920)])
def test_a_box_tells_its_numbers_to_the_pointer_and_to_the_keyboard(open_flow, theme, width):
    graph = flow_example()
    opened = open_flow(graph, theme, width)
    canvas = opened.part("flow-canvas")
    canvas.focus()
    opened.page.keyboard.press("ArrowRight")
    first = graph.nodes[0]
    assert canvas.get_attribute("data-cursor") == first.id
    assert opened.part("flow-node").inner_text().startswith(first.title)
    opened.page.keyboard.press("ArrowRight")
    second = graph.node(canvas.get_attribute("data-cursor") or "")
    assert second.id in {link.target for link in graph.links if link.source == first.id}
    opened.part("card").wait_for(state="visible")
    said = opened.part("card").inner_text()
    own = second.readings[0]
    assert second.title in said
    for one in own.tokens:
        assert one.token.label[:20].strip() in said
    assert f"{own.entropy:.2f} nats" in said
    opened.page.keyboard.press("Escape")
    opened.part("card").wait_for(state="hidden")
    said = opened.point_at("flow-canvas", *first_box(opened))
    assert first.title in said
    card = opened.box("card")
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= width


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colourings_and_themes_are_switched(open_flow, theme):
    graph = flow_example()
    opened = open_flow(graph, theme)
    palette = load_palette("unembed", theme)
    own = graph.nodes[0].readings[0]
    assert own.target is not None
    wanted = {
        "Entropy": palette.entropy(own.entropy, VOCAB),
        "Attention": None,
        "Rank of the target": palette.rank(own.target.rank, VOCAB),
    }
    place = first_box(opened)
    for name, colour in wanted.items():
        opened.page.get_by_role("button", name=name, exact=True).click()
        [found] = opened.pixels("flow-canvas", [place])
        if colour is not None:
            assert max(abs(a - b) for a, b in zip(found, parse(colour), strict=True)) <= 1
    swatch = opened.page.locator(".flow-swatch").first.evaluate("one => one.style.background")
    assert swatch == "rgb({}, {}, {})".format(*parse(palette.positive))


@pytest.mark.browser
def test_a_palette_of_ones_own_is_drawn(open_flow):
    graph = flow_example()
    mine = replace(load_palette("unembed", "light"), rank_stops=("#ff00ff",))
    opened = open_flow(graph, palette=mine)
    place = first_box(opened)
    assert opened.pixels("flow-canvas", [place]) == [(255, 0, 255)]


@pytest.mark.browser
def test_a_box_can_be_moved_and_put_back(open_flow):
    opened = open_flow(flow_example(), palette=replace(
        load_palette("unembed", "light"), rank_stops=("#ff00ff",)))  # fmt: skip
    box = opened.box("flow-canvas")
    place = first_box(opened)
    seen = [place]
    before = opened.pixels("flow-canvas", seen)
    x, y = box["x"] + place[0], box["y"] + place[1]
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    opened.page.mouse.move(x + 200, y + 300, steps=6)
    opened.page.mouse.up()
    opened.page.wait_for_timeout(200)
    assert opened.pixels("flow-canvas", seen) != before
    opened.page.get_by_role("button", name="fit").click()
    assert opened.pixels("flow-canvas", seen) == before


@pytest.mark.browser
def test_the_wheel_zooms_only_once_the_graph_has_the_keyboard(open_flow):
    opened = open_flow(flow_example())
    canvas = opened.part("flow-canvas")
    box = opened.box("flow-canvas")
    shot = canvas.screenshot()
    opened.page.mouse.move(box["x"] + 600, box["y"] + 20)
    opened.page.mouse.wheel(0, -80)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("scrollY") == 0  # nothing above to scroll to
    assert canvas.screenshot() == shot
    canvas.focus()
    opened.page.mouse.wheel(0, -80)
    opened.page.wait_for_timeout(300)
    assert canvas.screenshot() != shot


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1920)])
def test_nothing_is_wrong_for_assistive_technology(open_flow, theme, width):
    graph = flow_example()
    opened = open_flow(graph, theme, width)
    assert opened.problems() == []
    opened.page.get_by_role("button", name="Table").click()
    assert opened.problems() == []
    rows = opened.part("flow-table").first.locator("tbody th").all_inner_texts()
    assert [row.split()[0] for row in rows] == [node.id for node in graph.nodes]
    assert opened.page.locator("img").count() == 0


@pytest.mark.browser
def test_a_colour_of_the_legend_hides_what_has_it(open_flow):
    graph = flow_example()
    opened = open_flow(graph)
    opened.page.get_by_role("button", name="active", exact=True).click()
    opened.page.get_by_role("button", name="Table").click()
    rows = opened.part("flow-table").first.locator("tbody th").all_inner_texts()
    kept = [node.id for node in graph.nodes if node.kind not in ("neuron", "neuron_key")]
    assert [row.split()[0] for row in rows] == kept


@pytest.mark.browser
def test_the_legend_keeps_the_keyboard_on_what_it_has_pressed(open_flow):
    opened = open_flow(flow_example())
    key = opened.page.get_by_role("button", name="active", exact=True)
    key.focus()
    for shown in ("false", "true"):
        opened.page.keyboard.press("Enter")
        assert key.get_attribute("aria-pressed") == shown
        assert key.evaluate("one => one.getRootNode().activeElement === one")


@pytest.mark.browser
def test_the_page_lists_the_keys_that_it_binds_and_no_others(open_flow):
    opened = open_flow(flow_example())
    keys = opened.part("hint").locator("kbd").all_inner_texts()
    assert keys == ["Shift (hold)", "↑ ↓ ← →", "Enter", "+", "−", "0", "Esc"]
    canvas = opened.part("flow-canvas")
    canvas.focus()
    opened.page.keyboard.press("ArrowRight")
    press = "(box, key) => box.dispatchEvent(new KeyboardEvent('keydown', {key, cancelable: true}))"
    for key in ("x", "ContextMenu"):  # of the app, which has cuts and a menu
        assert canvas.evaluate(press, key), "someone took it"


@pytest.mark.browser
@pytest.mark.parametrize("form", ["png", "svg", "csv"])
def test_the_figure_can_be_saved_under_a_name_that_is_safe(open_flow, form):
    opened = open_flow(flow_example(), title='Flow of "a/b": <c>')
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name=f"Save {form.upper()}").click()
    assert download.value.suggested_filename == f"Flow of a b c.{form}"
    starts = {"png": b"\x89PNG", "svg": b"<svg", "csv": b"\xef\xbb\xbfside,what"}
    assert Path(download.value.path()).read_bytes().startswith(starts[form])
