"""Text and numbers as figures show them: escaped, isolated, cut to a room. Knows no figure."""

from __future__ import annotations

import html
import math
import unicodedata

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
NONE = "–"

_ACCENTS = frozenset(map(chr, [*range(0x300, 0x370), *range(0xFE00, 0xFE10)]))


def escape(text: str) -> str:
    """Text that Plotly draws as it is.

    Plotly takes a subset of HTML for markup, decodes entities, and, where MathJax is loaded, sets
    what stands between two dollar signs as a formula.
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def isolate(text: str) -> str:
    """Right-to-left text that leaves what stands beside it in place; other text as it is."""
    if any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text):
        return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"
    return text


def width(text: str) -> int:
    """Columns that a text takes at the most in a monospaced font.

    Wide characters take two. Accents take none; the vowel signs of other scripts count, as they
    stand side by side wherever a font lacks them.
    """
    return sum(map(_width, text))


def _width(character: str) -> int:
    if unicodedata.category(character) == "Cf" or character in _ACCENTS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def cut(text: str, room: int) -> str:
    """The text where it fits into so many columns, else its start and an ellipsis."""
    if width(text) <= room:
        return text
    kept, used = "", 1
    for character in text:
        used += _width(character)
        if used > room:
            break
        kept += character
    return kept + "…" if room > 0 else ""


# ------------------------------------------------------------------ numbers


def probability(value: float) -> str:
    """ "0.413", "3e−5", "<1e−9": at most five characters."""
    if not math.isfinite(value):
        return number(value)
    if value >= 0.0005:
        return f"{value:.3f}"
    if 0 < value < 1e-9:
        return "<1e−9"
    return "0" if value == 0 else _exponent(value)


def _exponent(value: float) -> str:
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}".replace("-", "−")


def number(value: float, digits: int = 2) -> str:
    """A number with so many decimals, a real minus sign, ∞, and a dash for none."""
    if math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    shown = f"{value:.{digits}f}"
    if float(shown) == 0:
        shown = shown.removeprefix("-")
    return shown.replace("-", "−")


def short(value: float) -> str:
    """ "0.3", "12.9", "−417": a quantity whose hundredths say nothing, at most five characters
    below ten thousand."""
    return number(value, 1 if abs(value) < 99.95 else 0)


def rank(value: float) -> str:
    """ "1", "42,817"; a dash for none."""
    return f"{int(value):,}" if value >= 1 else NONE


def short_rank(value: float) -> str:
    """ "1", "999", "1.2k", "43k", "1.5M": at most four characters."""
    if not value >= 1:
        return NONE
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            share = value / size
            digits = f"{share:.1f}".removesuffix(".0") if share < 9.95 else f"{share:.0f}"
            return digits + unit
    return f"{value:.0f}"
