"""Pages of many nodes are those of each node, and a file of them is text that nothing runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
import torch

import unembed as ue
from unembed.errors import InputError
from unembed.index.live import live_page
from unembed.latents.autoencoder import Weights
from unembed.latents.description import Description
from unembed.latents.load import places


@pytest.fixture(scope="module")
def pages(corpus):
    """Of a head, neurons and latents."""
    model = corpus.model
    d, site = model.anatomy.d_model, places("L2.resid_post")[0]
    drawn = torch.Generator().manual_seed(1)
    enc, dec = torch.randn(2, 12, d, generator=drawn)
    says = Description("made <up>", "sae", "relu", d, d, 12, reads=site, writes=site)
    model.attach(ue.Sae(says, Weights(enc.T, dec, torch.zeros(12), torch.zeros(d))), verify=False)
    try:
        nodes = ["L2.F0-3", "L1.H2", "L1.N5", "L1.N6"]
        found = ue.node_pages(corpus, nodes, top=2, each=1, random=1)
        one = ue.find_examples(corpus, "L2.F2", top=2, each=1, random=1)[0]
        yield found, dec, one, [live_page(model, "L2.F2"), live_page(model, "L1.N6")]
    finally:
        model.detach()


def test_pages_of_many_are_those_of_each(pages):
    found, dec, one, live = pages
    names = ["L2.F0", "L2.F1", "L2.F2", "L2.F3", "L1.H2", "L1.N5", "L1.N6"]
    assert [page.node for page in found.items] == names
    by_name = dict(zip(names, found.items, strict=True))
    latent, head, neuron = by_name["L2.F2"], by_name["L1.H2"], by_name["L1.N6"]
    for page, alone in zip((latent, neuron), live, strict=True):
        for name in ("promoted", "suppressed", "key_promotes"):
            some, those = getattr(page.vector, name), getattr(alone, name)
            assert [score.token.id for score in some] == [score.token.id for score in those]
            assert [x.score for x in some] == pytest.approx([x.score for x in those], rel=1e-5)
    assert (head.vector, head.near) == (None, ())
    cosines = torch.nn.functional.cosine_similarity(dec, dec[2], dim=-1)
    best = cosines.topk(6)
    assert [near.node for near in latent.near] == [f"L2.F{at}" for at in best.indices[1:].tolist()]
    assert [x.cosine for x in latent.near] == pytest.approx(best.values[1:].tolist(), abs=1e-5)
    assert [x.row for x in latent.examples.items] == [x.row for x in one.items]
    assert [x.values for x in latent.examples.items] == [
        pytest.approx(x.values, abs=1e-4) for x in one.items
    ]
    assert [x.node for x in latent.examples.alike] == [x.node for x in one.alike]


class Read(HTMLParser):
    """The elements that are in a page, its text, and whether each is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], set(), ""

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs)
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_file_has_everything_and_runs_nothing(pages, tmp_path):
    found = pages[0]
    found.to_html(path=tmp_path / "nodes.html")
    page = Read()
    page.feed((tmp_path / "nodes.html").read_text("utf-8"))
    assert page.open == []
    assert not page.seen & {"script", "link", "img", "iframe", "object"}
    assert "up>" not in page.seen
    assert "made <up>" in page.text
    for item in found.items:
        assert page.text.count(item.node) >= 2
        for example in item.examples.items:
            assert example.text in page.text
    looks = [one for item in found.items for one in item.examples.items if one.attended is not None]
    marked = re.findall(r'class="[^"]*\ba"', (tmp_path / "nodes.html").read_text("utf-8"))
    assert len(marked) >= len(looks) > 0
    with pytest.raises(InputError, match="no folder"):
        found.to_html(path=tmp_path / "none" / "nodes.html")


def test_nodes_that_are_none_or_too_many_are_refused(corpus):
    with pytest.raises(InputError, match="names none"):
        ue.node_pages(corpus, [])
    with pytest.raises(InputError, match="names 10,001"):
        ue.node_pages(corpus, "L1.N0-999999999")
