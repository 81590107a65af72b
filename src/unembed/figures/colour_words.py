"""Colours as people write them: CSS names, #hex, rgb() and rgba(). Knows no figure."""

from __future__ import annotations

import re

import webcolors

from unembed.errors import InputError

LEGAL = 'a CSS name ("darkcyan"), "#rrggbb", "rgb(0, 128, 255)" or "rgba(0, 128, 255, 0.3)"'
_CALL = re.compile(r"rgba?\(([^()]*)\)", re.IGNORECASE)
_HEX = re.compile(r"#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE)


def parse_colour(text: object, field: str) -> str:
    """ "#rrggbb", or "#rrggbbaa" where the colour lets through; raises InputError.

    Args:
        field: what the error names.
    """
    word = text.strip() if isinstance(text, str) else ""
    found = _hex(word) or _call(word) or _name(word)
    if found is None:
        raise InputError(
            f"{field} is {text!r}, which is no colour; write {LEGAL}",
            field=field,
            value=text,
            legal=LEGAL,
        )
    return found


def _hex(word: str) -> str | None:
    if not _HEX.fullmatch(word):
        return None
    digits = word[1:].lower()
    return "#" + ("".join(2 * digit for digit in digits) if len(digits) < 5 else digits)


def _name(word: str) -> str | None:
    try:
        return str(webcolors.name_to_hex(word))
    except ValueError:
        return None


def _call(word: str) -> str | None:
    match = _CALL.fullmatch(word)
    parts = [part for part in re.split(r"[\s,/]+", match[1].strip()) if part] if match else []
    if len(parts) not in (3, 4):
        return None
    try:
        red, green, blue = (_byte(part) for part in parts[:3])
        alpha = _share(parts[3]) if len(parts) == 4 else 1.0
    except ValueError:
        return None
    if not 0 <= alpha <= 1 or not all(0 <= one <= 255 for one in (red, green, blue)):
        return None
    solid: str = webcolors.rgb_to_hex((red, green, blue))
    return solid if alpha == 1 else f"{solid}{int(255 * alpha + 0.5):02x}"


def _byte(part: str) -> int:
    """A channel: 0 to 255, or a percentage."""
    return round(255 * _share(part)) if part.endswith("%") else int(part)


def _share(part: str) -> float:
    return float(part.removesuffix("%")) / 100 if part.endswith("%") else float(part)
