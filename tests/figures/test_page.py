"""A page that stands alone: everything in it, nothing of it markup, nothing asked of a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from unembed.errors import CapabilityError, InputError
from unembed.figures import drawing
from unembed.figures.colours import DARK
from unembed.figures.drawing import Drawing, module, plain
from unembed.figures.lens.kinds import CELLS, KINDS
from unembed.figures.page import in_script, standalone

from .conftest import lens_of
from .flow_example import flow_example

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(1)> & <!-- \u2028"


class Reader(HTMLParser):
    """Elements, attributes and the text of each, scripts apart."""

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
        if attributes.get("id") == "unembed-data":
            self.data += data
        elif tag not in ("script", "style"):
            self.texts.append(data)


def page_of(text: str = "plain", **changes) -> str:
    given = Drawing("lens", {"title": text}, {"tokens": [text]})
    words = {"title": text, "description": [text], "provenance": {text: text}, "legend": [text]}
    return standalone(given, **words | changes)


@pytest.mark.drawing
@pytest.mark.parametrize("result", [lens_of(3, 5), flow_example()], ids=["lens", "flow"])
def test_the_page_names_no_address(result):
    page = result.to_html().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://", page)
    for tag, attributes in Reader(page).elements:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert not {"src", "href", "action"} & set(attributes)


@pytest.mark.drawing
def test_a_policy_runs_the_module_alone_and_forbids_every_request():
    page = page_of()
    metas = [attributes for tag, attributes in Reader(page).elements if tag == "meta"]
    policy = next(m["content"] for m in metas if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:|\*|'self'|connect-src", policy)
    script = page.split('<script type="module">')[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


@pytest.mark.drawing
def test_text_is_never_markup():
    plainly, odd = Reader(page_of()), Reader(page_of(EVIL))
    assert [tag for tag, _ in odd.elements] == [tag for tag, _ in plainly.elements]
    assert "<" not in odd.data
    assert json.loads(odd.data)["options"]["title"] == EVIL
    assert json.loads(odd.data)["result"]["data"]["tokens"] == [EVIL]
    assert EVIL in "".join(odd.texts)


@pytest.mark.drawing
def test_a_script_neither_ends_its_element_nor_hides_the_page():
    written = in_script("a = '</script>'; b = /<\\/SCRIPT/; c = '</ScRiPt'; d = '<!-- x';")
    assert not re.search("</script|<!--", written, re.IGNORECASE)
    assert written == "a = '<\\/script>'; b = /<\\/SCRIPT/; c = '<\\/ScRiPt'; d = '<\\!-- x';"
    assert in_script(module()).count("</script") == 0


@pytest.mark.drawing
def test_every_kind_is_on_the_page():
    given = json.loads(Reader(lens_of(3, 4).to_html("rank")).data)
    assert given["kind"] == "lens"
    assert [one["kind"] for one in given["options"]["kinds"]] == list(KINDS)
    assert [one["name"] for one in given["options"]["kinds"]] == [
        CELLS[kind].name for kind in KINDS
    ]
    assert given["options"]["kind"] == "rank"


@pytest.mark.drawing
def test_the_page_says_what_was_computed_how_and_from_what():
    lens = lens_of(3, 4)
    read = Reader(lens.to_html("kl"))
    meanings = [one["meaning"] for one in json.loads(read.data)["options"]["kinds"]]
    assert "KL(final ‖ row) = Σ p_final · ln(p_final / p_row), in nats" in meanings[4]
    text = "".join(read.texts)
    assert "Logit lens of by <hand> & eye" in text
    assert "float64" in text
    assert ", ".join(map(str, lens.prompt_ids)) in text


def restored(written: dict) -> object:
    """As the module reads it, by hand."""

    def read(value):
        if isinstance(value, list):
            return [read(one) for one in value]
        if isinstance(value, dict):
            if "$" in value:
                return written["tokens"][value["$"]]
            return {name: read(one) for name, one in value.items()}
        return value

    return read(written["data"])


@pytest.mark.parametrize("result", [lens_of(3, 5), flow_example()], ids=["lens", "flow"])
def test_the_data_is_the_results_with_every_token_once(result):
    whole = result.to_dict()
    written = plain(whole)
    assert len({json.dumps(one) for one in written["tokens"]}) == len(written["tokens"])

    def alike(found, wanted):
        if isinstance(wanted, dict):
            there = {name: one for name, one in wanted.items() if one is not None}
            assert found.keys() == there.keys()
            return all(alike(found[name], one) for name, one in there.items())
        if isinstance(wanted, (list, tuple)):
            return len(found) == len(wanted) and all(map(alike, found, wanted))
        return found == (pytest.approx(wanted, rel=1e-8) if isinstance(wanted, float) else wanted)

    assert alike(restored(written), whole)


@pytest.mark.drawing
def test_what_json_has_no_number_for_is_null(awkward):
    given = json.loads(Reader(awkward.to_html()).data)["result"]["data"]
    assert given["kl"][0][:2] == [None, None]
    assert given["logit"][1][3] is None


@pytest.mark.drawing
def test_the_theme_is_the_readers_unless_one_was_chosen():
    page = lens_of(1, 1).to_html()
    assert "@media screen and (prefers-color-scheme: dark)" in page
    assert json.loads(Reader(page).data)["options"]["theme"] is None
    chosen = lens_of(1, 1).to_html(colours=DARK)
    assert "@media screen and (prefers-color-scheme: dark)" not in chosen
    assert json.loads(Reader(chosen).data)["options"]["theme"] == "dark"


@pytest.mark.drawing
def test_the_page_is_written_where_it_is_told(tmp_path):
    path = tmp_path / "lens.html"
    page = lens_of(1, 1).to_html(path=path)
    assert path.read_text(encoding="utf-8") == page
    with pytest.raises(InputError, match="is a folder"):
        lens_of(1, 1).to_html(path=tmp_path)


@pytest.mark.drawing
def test_the_same_lens_gives_the_same_page():
    assert lens_of(2, 3).to_html() == lens_of(2, 3).to_html()


@pytest.mark.drawing
@pytest.mark.parametrize("result", [lens_of(18, 9, k=10), flow_example()], ids=["lens", "flow"])
def test_pages_are_small(result):
    assert len(result.to_html().encode()) <= 400_000


def test_a_checkout_without_the_module_says_how_to_build_it(monkeypatch, tmp_path):
    monkeypatch.setattr(drawing, "MODULE", tmp_path / "unembed-draw.js")
    with pytest.raises(CapabilityError, match="not built") as caught:
        lens_of(1, 1).to_html()
    assert caught.value.fix is not None
    assert "make web" in caught.value.fix
