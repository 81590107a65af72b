"""A value has one colour, on the app's canvas and in a figure; text on it is readable."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.io
import pytest

from unembed.errors import InputError
from unembed.figures.colours import (
    CIVIDIS,
    DARK,
    ENTRIES,
    LIGHT,
    TOKENS,
    VIRIDIS,
    choose,
    look,
    look_up_table,
    luminance,
    parse,
    wants_dark_text,
)

WEB = Path(__file__).parents[2] / "web/src"
MAPS = {"cividis": CIVIDIS, "viridis": VIRIDIS, "light": LIGHT.diverging, "dark": DARK.diverging}


def app_tokens(selector: str) -> dict[str, str]:
    source = (WEB / "shared/styles/tokens.css").read_text(encoding="utf-8")
    block = source.split(selector + " {", 1)[1].split("\n}", 1)[0]
    pairs = re.findall(r"--([\w-]+):\s*([^;]+);", block)
    return {name: " ".join(value.split()) for name, value in pairs}


def test_the_app_draws_with_the_same_table():
    source = (WEB / "draw/lut.ts").read_text(encoding="utf-8")
    assert "unembed/figures/colours.json" in source
    assert not re.search(r"'#?[0-9a-f]{6}'", source)  # and has no maps of its own


@pytest.mark.parametrize(
    ("theme", "selector"), [("light", ":root"), ("dark", ":root[data-theme='dark']")]
)
def test_the_colours_of_the_interface_are_the_apps(theme, selector):
    theirs = app_tokens(selector)
    assert {name: theirs[name] for name in TOKENS[theme]} == TOKENS[theme]


def test_the_fonts_are_the_apps():
    theirs = app_tokens(":root")
    assert {name: theirs[name] for name in TOKENS["fonts"]} == TOKENS["fonts"]


@pytest.mark.parametrize("anchors", MAPS.values(), ids=MAPS)
def test_a_table_goes_straight_from_anchor_to_anchor(anchors):
    bytes_of = np.array([parse(anchor) for anchor in anchors], dtype=float)
    at = np.linspace(0, 1, ENTRIES)
    places = np.linspace(0, 1, len(anchors))
    wanted = np.stack([np.interp(at, places, channel) for channel in bytes_of.T], axis=1)
    assert np.abs(np.array(look_up_table(anchors)) - wanted).max() <= 0.5 + 1e-9
    assert look(anchors, -1) == parse(anchors[0])
    assert look(anchors, 7) == parse(anchors[-1])


@pytest.mark.parametrize("anchors", MAPS.values(), ids=MAPS)
def test_text_is_readable_on_every_colour(anchors):
    for colour in look_up_table(anchors):
        text = TOKENS["cell_text"]["dark" if wants_dark_text(colour) else "light"]
        low, high = sorted([luminance(colour), luminance(parse(text))])
        assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, AA


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["text", "text-2"])
def test_labels_are_readable_on_the_ground(theme, name):
    low, high = sorted(luminance(parse(TOKENS[theme][part])) for part in (name, "ground"))
    assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize("anchors", [CIVIDIS, VIRIDIS], ids=["cividis", "viridis"])
def test_brighter_is_more_to_every_eye(anchors):
    lights = [luminance(colour) for colour in look_up_table(anchors)]
    assert all(a <= b + 2e-3 for a, b in itertools.pairwise(lights))


def test_colours_are_chosen_by_name_or_follow_plotlys_template(monkeypatch):
    mine = replace(LIGHT, sequential=VIRIDIS)
    assert choose(mine) is mine
    assert (choose("light"), choose("dark"), choose(None)) == (LIGHT, DARK, LIGHT)
    monkeypatch.setattr(plotly.io.templates, "default", "plotly_dark")
    assert choose(None) is DARK
    with pytest.raises(InputError, match="'puce'") as caught:
        choose("puce")
    assert caught.value.legal == "light, dark, a Colours"
