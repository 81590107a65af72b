"""The colours of a flow graph, as numbers and words become them. Knows no graph and no figure.

`flow_palettes.json` is the app's table too, so that a box has one colour on its canvas and in a
figure.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from unembed.errors import InputError
from unembed.figures.colours import ENTRIES, Theme, look_up_table

HIDDEN = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Palette:
    """One palette on one ground. Colours are "#rrggbb", or "#rrggbbaa" where they let through."""

    rank_stops: tuple[str, ...]  # evenly spaced, best rank first
    attention_stops: tuple[str, ...]  # from 0 to 1
    entropy_stops: tuple[str, ...]  # from certain to undecided
    rank_scale: Literal["linear", "log"]
    entropy_bits: float | None  # what the last stop stands for; None: log2 of the vocabulary
    positive: str
    negative: str
    norm: str
    bias: str
    residual_attn: str
    residual_mlp: str
    plain: str

    def rank(self, rank: int, vocab: int) -> str:
        """Of a rank from 1 (the most likely) to `vocab`.

        "linear" is VISIT's: the entry int(256 · rank / vocab) of a table of 256, its last for the
        last rank. "log" is ln(rank) / ln(vocab), so that ranks 1, 10 and 100 differ.
        """
        if self.rank_scale == "linear":
            return _entry(self.rank_stops, ENTRIES * rank // vocab)
        return _look(self.rank_stops, math.log(rank) / math.log(vocab) if vocab > 1 else 0.0)

    def attention(self, score: float) -> str:
        """Of an attention score from 0 to 1."""
        return _look(self.attention_stops, score)

    def entropy(self, nats: float, vocab: int) -> str:
        """Of an entropy in nats, from 0 to ln(vocab), or to what `entropy_bits` says."""
        return _look(self.entropy_stops, self.entropy_share(nats, vocab))

    def entropy_share(self, nats: float, vocab: int) -> float:
        """Where on its map an entropy lies; above 1 it has the last colour."""
        bits = self.entropy_bits or math.log2(max(vocab, 2))
        return nats / math.log(2) / bits

    def sign(self, value: float) -> str:
        """Of an activation; zero counts as positive."""
        return self.negative if value < 0 else self.positive

    def link(self, colour: str, value: float | None, vocab: int) -> str:
        """Of a link whose colour says `colour`: "entropy", "attention", "sign" with its value, or
        one of the palette's plain colours by name; "hidden" cannot be seen."""
        if colour == "hidden":
            return HIDDEN
        if colour in _VALUED and value is not None and not math.isnan(value):
            if colour == "entropy":
                return self.entropy(value, vocab)
            return self.attention(value) if colour == "attention" else self.sign(value)
        named: str = getattr(self, colour, self.plain) if colour in _NAMED else self.plain
        return named


_VALUED = ("entropy", "attention", "sign")
_NAMED = ("norm", "bias", "residual_attn", "residual_mlp")


@cache
def table() -> Mapping[str, Any]:
    """Every palette by name and theme, as the file has it."""
    source = files("unembed.figures").joinpath("flow_palettes.json")
    found: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    return found


def palette_names() -> tuple[str, ...]:
    """The palettes that come with Unembed, the default first."""
    return tuple(table())


@cache
def load_palette(name: str, theme: Theme) -> Palette:
    """A palette by name, for a light or a dark ground. Raises InputError for another name."""
    if name not in table():
        raise InputError(
            f"palette is {name!r}; write one of {', '.join(palette_names())}",
            field="palette",
            value=name,
            legal=", ".join(palette_names()),
        )
    row: dict[str, Any] = dict(table()[name][theme])
    for kind in ("rank", "attention", "entropy"):
        row[f"{kind}_stops"] = tuple(row.pop(kind))
    return Palette(**row)


PaletteChoice = str | Palette | Mapping[Theme, Palette]


def palette_on(choice: PaletteChoice, theme: Theme) -> Palette:
    """A palette by name, one for each ground, or one for both; raises InputError for its name."""
    if isinstance(choice, Palette):
        return choice
    return load_palette(choice, theme) if isinstance(choice, str) else choice[theme]


def see_through(colour: str, alpha: float) -> str:
    """ "#rrggbb" as "#rrggbbaa"; a colour that has its own alpha keeps it."""
    return f"{colour}{round(255 * alpha):02x}" if len(colour) == 7 else colour


def _look(stops: tuple[str, ...], share: float) -> str:
    """The colour of a number in [0, 1]; what is outside takes the nearer end."""
    return _entry(stops, math.floor(min(1.0, max(0.0, share)) * (ENTRIES - 1) + 0.5))


def _entry(stops: tuple[str, ...], entry: int) -> str:
    red, green, blue = look_up_table(_stops(stops))[min(max(entry, 0), ENTRIES - 1)]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _stops(stops: tuple[str, ...]) -> tuple[str, ...]:
    """A map of one stop is that colour everywhere."""
    return stops * 2 if len(stops) == 1 else stops
