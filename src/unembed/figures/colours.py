"""The colours of figures, the same table as the app's. Knows no figure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import plotly.graph_objects as go
import plotly.io

from unembed.errors import InputError

Theme = Literal["light", "dark"]
Rgb = tuple[int, int, int]

ENTRIES = 256  # of the app's look-up tables


def tokens() -> dict[str, Any]:
    """The shared table."""
    source = files("unembed.figures").joinpath("colours.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(source)
    return found


TOKENS = tokens()
CIVIDIS: tuple[str, ...] = tuple(TOKENS["maps"]["cividis"])
VIRIDIS: tuple[str, ...] = tuple(TOKENS["maps"]["viridis"])
SANS: str = TOKENS["fonts"]["sans"]
MONO: str = TOKENS["fonts"]["mono"]


@dataclass(frozen=True)
class Colours:
    """What a figure is painted with: a theme, and two colour maps as evenly spaced anchors.

    `dataclasses.replace(LIGHT, sequential=VIRIDIS)` is the light theme with another map. Dark is
    low; both maps that come with Unembed are even in lightness and safe for colour blindness.
    """

    theme: Theme
    sequential: tuple[str, ...]
    diverging: tuple[str, ...]

    def anchors(self, kind: Literal["sequential", "diverging"]) -> tuple[str, ...]:
        """One of the two maps."""
        return self.sequential if kind == "sequential" else self.diverging

    def __getitem__(self, name: str) -> str:
        """A colour of the interface: "ground", "text", "line" ..."""
        value: str = TOKENS[self.theme][name]
        return value


LIGHT = Colours("light", CIVIDIS, tuple(TOKENS["diverging"]["light"]))
DARK = Colours("dark", CIVIDIS, tuple(TOKENS["diverging"]["dark"]))


def choose(colours: Colours | str | None) -> Colours:
    """The colours that a caller named; None follows Plotly's default template.

    Raises:
        InputError: another name than "light" and "dark".
    """
    if isinstance(colours, Colours):
        return colours
    if colours is None:
        return DARK if "dark" in str(plotly.io.templates.default) else LIGHT
    if colours not in get_args(Theme):
        raise InputError(
            f'colours is {colours!r}; write "light", "dark", or a Colours',
            field="colours",
            value=colours,
            legal="light, dark, a Colours",
        )
    return LIGHT if colours == "light" else DARK


# ------------------------------------------------------------------ colours of cells


def parse(colour: str) -> Rgb:
    """The bytes of "#rrggbb"."""
    value = int(colour.removeprefix("#"), 16)
    return value >> 16, (value >> 8) & 255, value & 255


@cache
def look_up_table(anchors: tuple[str, ...]) -> tuple[Rgb, ...]:
    """256 colours through evenly spaced anchors, rounded as the app rounds them."""
    colours = [parse(anchor) for anchor in anchors]
    table = []
    for entry in range(ENTRIES):
        at = entry / (ENTRIES - 1) * (len(colours) - 1)
        left = min(int(at), len(colours) - 2)
        low, high = colours[left], colours[left + 1]
        red, green, blue = (
            math.floor(a + (b - a) * (at - left) + 0.5) for a, b in zip(low, high, strict=True)
        )
        table.append((red, green, blue))
    return tuple(table)


def look(anchors: tuple[str, ...], share: float) -> Rgb:
    """The colour of a number in [0, 1]; what is outside takes the nearer end."""
    entry = math.floor(min(1.0, max(0.0, share)) * (ENTRIES - 1) + 0.5)
    return look_up_table(anchors)[entry]


def luminance(colour: Rgb) -> float:
    """Relative luminance in [0, 1] (WCAG 2.2)."""
    red, green, blue = (
        channel / 12.92 if channel <= 0.03928 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (byte / 255 for byte in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def wants_dark_text(colour: Rgb) -> bool:
    """Black text has the better contrast on this colour."""
    return luminance(colour) > 0.179


# ------------------------------------------------------------------ themes


def template(colours: Colours) -> go.layout.Template:
    """A theme as a Plotly template: everything that differs between light and dark."""
    axis = {
        "color": colours["text-2"],
        "gridcolor": colours["line"],
        "linecolor": colours["line-mid"],
        "zeroline": False,
        "showgrid": False,
    }
    return go.layout.Template(
        layout={
            "paper_bgcolor": colours["ground"],
            "plot_bgcolor": colours["ground"],
            "font": {"family": SANS, "size": 12, "color": colours["text"]},
            "xaxis": {**axis, "tickfont": {"color": colours["text"]}},
            "yaxis": {**axis, "tickfont": {"color": colours["text-2"]}},
            "coloraxis": {"colorbar": {"outlinecolor": colours["line-mid"]}},
            "annotationdefaults": {"font": {"color": colours["text-2"]}},
            "hoverlabel": {
                "bgcolor": colours["raised"],
                "bordercolor": colours["line-strong"],
                "font": {"family": MONO, "size": 11, "color": colours["text"]},
                "align": "left",
            },
            "modebar": {
                "bgcolor": "rgba(0,0,0,0)",
                "color": colours["line-strong"],
                "activecolor": colours["accent"],
            },
        }
    )
