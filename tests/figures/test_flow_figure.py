"""A flow graph as a figure and a page: every number said, in words, and drawn to scale."""

from __future__ import annotations

import html as markup
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import unembed as ue
from unembed.analyses.flow.options import FlowOptions
from unembed.errors import InputError
from unembed.figures.files import file_name
from unembed.figures.flow.figure import html, plot
from unembed.figures.flow.legend import Widths, group_of, width_words
from unembed.figures.flow.words import link_words, node_words, percent, sum_words
from unembed.figures.flow_palettes import load_palette
from unembed.figures.sankey_layout import LABEL
from unembed.figures.text import cut
from unembed.models.tiny import tiny_model, tiny_tokenizer

from .. import chromium
from .flow_example import VOCAB, flow_example

MOST_PAINT = 20_000  # ms, of a page of 5 MB on a busy machine

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
    trace, palette = figure.data[0], load_palette("unembed", "dark")
    n, m = len(graph.nodes), len(graph.links)
    assert (len(trace.node.label), len(trace.link.value)) == (n + 2, m + 1)
    at = {node.id: place for place, node in enumerate(graph.nodes)}
    for place, node in enumerate(graph.nodes):
        score = node.readings[0].target
        assert score is not None
        assert trace.node.color[place] == palette.rank(score.rank, VOCAB)
    for place, link in enumerate(graph.links):
        ends = trace.link.source[place], trace.link.target[place]
        assert ends == (at[link.source], at[link.target])


def test_boxes_can_be_coloured_by_entropy_and_attention():
    graph, palette = flow_example(), load_palette("visit", "light")
    by_entropy = plot(graph, colour_by="entropy", palette="visit", colours="light").data[0]
    by_attention = plot(graph, colour_by="attention", palette="visit", colours="light").data[0]
    for place, node in enumerate(graph.nodes):
        entropy = node.readings[0].entropy
        assert by_entropy.node.color[place] == palette.entropy(entropy, VOCAB)
        wanted = palette.plain if node.attention is None else palette.attention(node.attention)
        assert by_attention.node.color[place] == wanted


def test_a_graph_without_a_target_has_plain_boxes():
    graph = flow_example(target=False)
    plain = load_palette("unembed", "light").plain
    assert set(plot(graph, colours="light").data[0].node.color[:-2]) == {plain}
    assert "no target" in html(graph)


def test_columns_go_from_left_to_right_and_streams_stand_on_top(graph):
    trace = plot(graph).data[0]
    places = {node.id: (trace.node.x[at], trace.node.y[at]) for at, node in enumerate(graph.nodes)}
    for link in graph.links:
        assert places[link.source][0] < places[link.target][0]
    tops = [y for name, (_, y) in places.items() if ".resid_" in name]
    others = [y for name, (_, y) in places.items() if ".resid_" not in name]
    assert max(tops) < min(others) + 0.2
    assert all(0 < y < 1 for _, y in places.values())


@pytest.mark.parametrize("family", ["gpt2", "gptj", "cohere", "mixtral", "olmo2"])
@pytest.mark.parametrize(
    "options", [{}, {"rest": True}, {"merge_neurons": True, "merge_values": True}]
)
def test_graphs_of_every_kind_of_block_are_drawn_whole(family, options):
    model = ue.load(tiny_model(family), tokenizer=tiny_tokenizer())
    run = model.run("The cat sat", ue.flow_capture(model, [0, 2]))
    graph = ue.flow_graph(run, [0, 2], top_neurons=5, bottom_neurons=3, **options)
    trace = graph.plot().data[0]
    assert len(trace.node.label) == len(graph.nodes) + 2
    assert "Flow through layers 0 and 2" in graph.to_html()
    if any(node.kind == "resid_mid" for node in graph.nodes):
        return
    heights = {node.id: trace.node.y[at] for at, node in enumerate(graph.nodes)}
    attention = [y for name, y in heights.items() if ".H" in name or ".z" in name]
    neurons = [y for name, y in heights.items() if ".N" in name or ".neurons" in name]
    assert max(attention) < min(neurons)


def test_about_1100_px_for_a_layer_and_900_high():
    layout = plot(flow_example(options=FlowOptions())).layout
    assert 1000 <= layout.width <= 1300
    assert 850 <= layout.height <= 1000
    three = plot(flow_example((14, 15, 17))).layout
    assert 3 * 1000 <= three.width <= 3 * 1300


def test_widths_have_one_scale_where_that_can_be_read():
    graph = flow_example(options=FlowOptions(), residual=195.0)
    widths = Widths(graph)
    assert widths.one_scale
    ratios = {round(widths.pixels(link) / link.width, 9) for link in graph.links}
    assert len(ratios) == 1
    assert f"One pixel is a width of {1 / ratios.pop():.2g}." in width_words(graph, widths)


def test_widths_have_a_scale_each_where_one_would_leave_hairs():
    graph = flow_example(options=FlowOptions(), residual=8000.0)
    widths = Widths(graph)
    assert not widths.one_scale
    for link in graph.links:
        assert widths.pixels(link) == pytest.approx(link.width * widths.scales[group_of(link)])
    assert max(widths.pixels(link) for link in graph.links) <= 150 + 1e-9
    least = [widths.pixels(link) for link in graph.links if link.kind == "neuron_key"]
    assert min(least) >= 3
    assert "in residual streams" in width_words(graph, widths)


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


def test_the_page_has_the_legend_in_words_and_where_numbers_come_from():
    page = html(flow_example(options=FlowOptions()), palette="visit")
    text = markup.unescape(page)
    for words in ("Boxes: the rank of ␣Tokyo", "50,257, linear", "0, certain, to 10.8 nats",
                  "attention score, 0 to 1", "negative activation", "through a norm", "Biases",
                  "One pixel is a width of", "by <hand> & eye", "Tokyo Tower' is 2 tokens",
                  "the neurons shown 44.0% of it", "Read at position 7"):  # fmt: skip
        assert words in text


def test_the_page_is_written_where_it_is_told(tmp_path):
    path = tmp_path / "flow.html"
    assert html(flow_example(), path=path) == path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_flow(browser, tmp_path):
    contexts, complaints = [], []

    def open_(graph, theme="light", width=1280, **options) -> Page:
        path = tmp_path / "flow.html"
        html(graph, path=path, **options)
        context = browser.new_context(
            viewport={"width": width, "height": 1000}, color_scheme=theme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        page.locator("#figure[data-drawn]").wait_for(timeout=MOST_PAINT)
        return page

    yield open_
    assert complaints == []
    for context in contexts:
        context.close()


def boxes(page: Page) -> list[dict[str, float]]:
    """Rectangles of the nodes in px of the window, in the graph's order; the ballast is away."""
    return page.locator("#figure .sankey-node").evaluate_all(
        "all => all.map(one => [one.__data__.index,"
        " one.querySelector('rect').getBoundingClientRect()])"
        ".sort((a, b) => a[0] - b[0]).map(([, box]) => box.toJSON())"
    )


def fill(page: Page, index: int) -> bytes:
    """Red, green and blue of a node."""
    found = page.locator("#figure .sankey-node").evaluate_all(
        "(all, index) => all.find(one => one.__data__.index === index)"
        ".querySelector('rect').style.fill",
        index,
    )
    return bytes(map(int, re.findall(r"\d+", found)[:3]))


@pytest.mark.browser
@pytest.mark.parametrize("name", GRAPHS)
def test_a_size_is_a_pixel_and_no_box_covers_another(open_flow, name):
    graph = flow_example(**GRAPHS[name])
    page = open_flow(graph)
    page.wait_for_timeout(700)  # Plotly moves boxes to their places
    drawn = boxes(page)[: len(graph.nodes)]
    widths = Widths(graph)
    coming = {node.id: [0.0, 0.0] for node in graph.nodes}
    for link in graph.links:
        coming[link.source][0] += max(1.0, widths.pixels(link))
        coming[link.target][1] += max(1.0, widths.pixels(link))
    for node, box in zip(graph.nodes, drawn, strict=True):
        assert box["height"] == pytest.approx(max(coming[node.id]), abs=0.6)
    columns: dict[int, list[dict[str, float]]] = {}
    for node, box in zip(graph.nodes, drawn, strict=True):
        columns.setdefault(node.column, []).append(box)
    for column in columns.values():
        column.sort(key=lambda box: box["top"])
        for above, below in pairwise(column):
            assert above["bottom"] <= below["top"] + 0.1
            apart = (below["top"] + below["bottom"] - above["top"] - above["bottom"]) / 2
            assert apart >= LABEL - 0.5


@pytest.mark.browser
def test_labels_are_tokens_as_they_are(open_flow):
    graph = flow_example(options=FlowOptions(), seed=3)
    page = open_flow(graph)
    found = page.locator("#figure .sankey-node text").all_text_contents()
    wanted = [cut(node.label, 10) for node in graph.nodes if node.kind == "neuron"]
    plain = [text.replace("\u2068", "").replace("\u2069", "") for text in found]
    assert [text for text in wanted if text not in plain] == []
    assert page.locator("#figure img").count() == 0


@pytest.mark.browser
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1920)])
def test_a_box_and_a_link_tell_their_numbers(open_flow, theme, width):
    graph = flow_example()
    page = open_flow(graph, theme, width)
    page.wait_for_timeout(700)
    at = next(place for place, node in enumerate(graph.nodes) if node.id == "L14.H1")
    box = boxes(page)[at]
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    peek = page.locator("#peek")
    peek.wait_for(state="visible")
    assert peek.text_content() == node_words(graph, graph.node("L14.H1"))
    stream = boxes(page)[0]
    page.mouse.move(stream["right"] + 200, stream["y"] + 20)
    page.locator("#peek", has_text="past the attention").wait_for(state="visible")
    assert peek.text_content() == link_words(graph, graph.link("L14.resid_pre", "L14.resid_mid"))
    frame = peek.bounding_box()
    assert frame
    assert frame["x"] >= 0
    assert frame["x"] + frame["width"] <= width


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colourings_and_themes_are_switched(open_flow, theme):
    graph = flow_example()
    page = open_flow(graph, theme)
    palette = load_palette("unembed", theme)
    for name, by in [
        ("Entropy", "entropy"),
        ("Attention", "attention"),
        ("Rank of the target", "rank"),
    ]:
        page.get_by_role("button", name=name).click()
        wanted = plot(graph, colour_by=by, colours=theme).data[0].node.color[5]
        assert fill(page, 5) == bytes.fromhex(wanted[1:])
    swatch = page.locator(".swatch:not(.map)").first.evaluate(
        "one => getComputedStyle(one).backgroundImage"
    )
    red, green, blue = bytes.fromhex(palette.positive[1:])
    assert f"rgb({red}, {green}, {blue})" in swatch


@pytest.mark.browser
def test_a_box_can_be_moved(open_flow):
    graph = flow_example()
    page = open_flow(graph)
    page.wait_for_timeout(700)
    at = next(place for place, node in enumerate(graph.nodes) if node.kind == "head")
    box = boxes(page)[at]
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 45, box["y"] + box["height"] / 2 + 30, steps=6)
    page.mouse.up()
    moved = boxes(page)[at]
    assert moved["x"] - box["x"] == pytest.approx(40, abs=8)
    assert moved["y"] - box["y"] == pytest.approx(30, abs=8)


@pytest.mark.browser
@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_figure_can_be_saved_under_a_name_that_is_safe(open_flow, form):
    page = open_flow(flow_example(), title='Flow of "a/b": <c>')
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Save {form.upper()}").click()
    assert download.value.suggested_filename == f"Flow of a b c.{form}"
    data = Path(download.value.path()).read_bytes()
    assert data.startswith(b"\x89PNG" if form == "png" else b"<svg")


def test_the_data_of_a_page_is_json_for_both_themes():
    page = html(flow_example())
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    panels = json.loads(found[1])["panels"]
    assert len(panels) == 3
    assert all(panel["dark"]["data"][0]["type"] == "sankey" for panel in panels)
    chosen = html(flow_example(), colours="dark")
    assert '"dark": {"data"' not in chosen
