"""The page of one component stands alone, and says what the answer says."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

import unembed as ue
from unembed.errors import InputError
from unembed.index.live import live_page

from .test_page import EVIL, Reader

PROMPT = "the cat sat on the mat"


def component(model, node, position=-1):
    run = model.run(PROMPT, ue.component_capture(model, node, position))
    return ue.component(run, node, position, top_k=4, downstream=2)


@pytest.mark.parametrize("node", ["L1.H2", "L1.N3", "L0.mlp", "embed"])
def test_it_says_what_the_answer_says_and_asks_for_nothing(node, model_of, tmp_path):
    model = model_of("gpt2")
    found = component(model, node, 2)
    vector = live_page(model, node) if "N" in node else None
    page = found.to_html(vector, model="a model", path=tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text("utf-8") == page
    read = Reader(page)
    names = [name for name, _ in read.elements]
    assert "script" not in names
    assert not {"src", "href"} & {key for _, pairs in read.elements for key in pairs}
    assert "default-src 'none'" in page
    said = unescape(re.sub(r"<[^>]+>", " ", page))
    for one in (*found.promotes, *found.suppresses):
        assert one.token.label in said
        assert f'title="{one.logit:.4g}"' in page
    for acted in found.downstream:
        assert acted.node in said
        assert f"{acted.effect:+.3g} of {acted.value:.3g}" in said
    shaded = [pairs for name, pairs in read.elements if name == "i"]
    assert len(shaded) == len(found.tokens)
    assert [at for at, pairs in enumerate(shaded) if "m" in (pairs["class"] or "").split()] == [2]
    strongest = max(range(len(found.tokens)), key=lambda at: abs(found.activation[at]))
    assert re.search("[np]8", shaded[strongest]["class"] or "")
    if vector is not None:
        assert all(one.token.label in said for one in vector.promoted[:12])


def test_nothing_that_was_typed_is_markup(model_of):
    found = component(model_of("gpt2"), "L1.H2")
    token = replace(found.tokens[0], text=EVIL, label=EVIL)
    page = replace(found, tokens=(token, *found.tokens[1:])).to_html(model=EVIL, title=EVIL)
    assert "<script" not in page
    assert "<img" not in page
    assert "alert(1)" in page


def test_an_old_page_stays_where_the_new_one_cannot_be_written(model_of, tmp_path):
    found = component(model_of("gpt2"), "L1.H2")
    with pytest.raises(InputError):
        found.to_html(path=tmp_path / "none" / "page.html")
    with pytest.raises(InputError, match="colours"):
        found.to_html(colours="beige")


def test_values_that_are_zero_are_no_colour(model_of):
    model = model_of("gpt2")
    run = model.run(PROMPT, ue.component_capture(model, "L1.H2"), [ue.zero("L1.H2")])
    page = ue.component(run, "L1.H2").to_html()
    assert not re.search('class="[np][0-9]', page)
