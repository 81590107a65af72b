"""`unembed component`: where a node acts, and its page as a file."""

from __future__ import annotations

import json

import unembed as ue

PROMPT = "The cat sat"


def test_where_it_acts_and_its_page(cli, source, tmp_path):
    asked = ("component", source, PROMPT, "--target", "L0.N3", "--downstream", "2")
    status, said, told = cli(*asked, "--html", str(tmp_path / "page.html"))
    assert status == 0
    model = ue.load(source)
    run = model.run(PROMPT, ue.component_capture(model, "L0.N3"))
    found = ue.component(run, "L0.N3", downstream=2)
    assert "Where it acts" in said
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "page.html" in told
    assert "From the weights" in page
    for one in found.downstream:
        row = next(
            line for line in said.splitlines() if f"{one.node}, by its {one.through}" in line
        )
        assert f"{one.effect:+.3g}" in row
        assert f"{one.effect:+.3g} of {one.value:.3g}" in page
    status, said, _ = cli(*asked, "--json")
    assert [one["node"] for one in json.loads(said)["downstream"]] == [
        one.node for one in found.downstream
    ]
    assert cli(*asked, "--html", str(tmp_path / "none" / "page.html"))[0] == 2
