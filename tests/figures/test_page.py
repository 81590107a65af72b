"""A page that stands alone: everything in it, nothing of it markup, nothing asked of a network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs

from unembed.errors import InputError
from unembed.figures.colours import DARK
from unembed.figures.lens.kinds import CELLS, KINDS
from unembed.figures.page import Panel, standalone

from .conftest import lens_of


class Reader(HTMLParser):
    """Elements, attributes and the text of each, script data apart."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.data = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        tag, attributes = self.elements[-1] if self.elements else ("", {})
        if attributes.get("id") == "data" and tag == "script":
            self.data += data
        elif tag not in ("script", "style"):
            self.texts.append(data)


def page_of(**changes) -> str:
    return standalone(
        go.Figure(go.Heatmap(z=[[1]])),
        **{"title": "A title", "description": "Said.", "provenance": {"model": "tiny"}} | changes,
    )


def test_the_page_names_no_address_but_in_plotlys_own_script():
    page = lens_of(3, 5).to_html().replace(get_plotlyjs(), "")
    assert not re.search(r"(https?:)?//[a-z]", page.replace("http://www.w3.org/2000/svg", ""))
    for tag, attributes in Reader(page).elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not {"src", "href", "action"} & set(attributes)


def test_a_policy_forbids_every_request():
    metas = [attributes for tag, attributes in Reader(page_of()).elements if tag == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:|\*|'self'|connect-src", policy)


def test_text_is_never_markup():
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & \u2028"
    plain, odd = (
        Reader(
            standalone(
                [Panel(text, go.Figure(go.Heatmap(z=[[1]], hovertext=[[text]])), text)] * 2,
                title=text,
                description=[text],
                provenance={text: text},
            )
        )
        for text in ("plain", evil)
    )
    assert [tag for tag, _ in odd.elements] == [tag for tag, _ in plain.elements]
    assert "<" not in odd.data
    assert json.loads(odd.data)["title"] == evil
    assert evil in "".join(odd.texts)


def test_every_kind_is_on_the_page_and_hovers_are_there_once():
    lens = lens_of(3, 4)
    read = Reader(lens.to_html("rank"))
    given = json.loads(read.data)
    assert len(given["panels"]) == len(KINDS)
    assert given["shown"] == KINDS.index("rank")
    assert [panel["data"][0].get("hovertext") for panel in given["panels"]] == [None] * len(KINDS)
    assert given["hovers"] == [list(row) for row in lens.plot().data[0].hovertext]
    buttons = [attributes for tag, attributes in read.elements if "data-panel" in attributes]
    assert [button["aria-pressed"] == "true" for button in buttons] == [
        kind == "rank" for kind in KINDS
    ]
    shown = {text.strip() for text in read.texts}
    assert {cell.name for cell in CELLS.values()} <= shown


def test_the_page_says_what_was_computed_how_and_from_what():
    lens = lens_of(3, 4)
    read = Reader(lens.to_html("kl"))
    meanings = [panel["meaning"] for panel in json.loads(read.data)["panels"]]
    assert "KL(final ‖ row) = Σ p_final · ln(p_final / p_row), in nats" in meanings[4]
    text = "".join(read.texts)
    assert "Logit lens of by <hand> & eye" in text
    assert "float64" in text
    assert ", ".join(map(str, lens.prompt_ids)) in text


def test_hovers_that_differ_stay_with_their_figures():
    figures = [go.Figure(go.Heatmap(z=[[1]], hovertext=[[text]])) for text in "ab"]
    read = Reader(page_of_panels(figures))
    given = json.loads(read.data)
    assert given["hovers"] is None
    assert [panel["data"][0]["hovertext"] for panel in given["panels"]] == [[["a"]], [["b"]]]


def page_of_panels(figures) -> str:
    panels = [Panel(str(place), figure) for place, figure in enumerate(figures)]
    return standalone(panels, title="t", description="d", provenance={})


def test_the_theme_is_the_readers_unless_one_was_chosen():
    assert set(json.loads(Reader(page_of()).data)["templates"]) == {"light", "dark"}
    chosen = page_of(colours=DARK)
    assert set(json.loads(Reader(chosen).data)["templates"]) == {"dark"}
    assert "prefers-color-scheme: dark) {" not in chosen.replace(get_plotlyjs(), "")


def test_a_figure_alone_has_no_buttons_to_switch():
    assert not [a for _, a in Reader(page_of()).elements if "data-panel" in a]


def test_the_page_is_written_where_it_is_told(tmp_path):
    path = tmp_path / "lens.html"
    page = lens_of(1, 1).to_html(path=path)
    assert path.read_text(encoding="utf-8") == page
    with pytest.raises(InputError, match="is a folder"):
        lens_of(1, 1).to_html(path=tmp_path)


def test_the_same_lens_gives_the_same_page():
    assert lens_of(2, 3).to_html() == lens_of(2, 3).to_html()
