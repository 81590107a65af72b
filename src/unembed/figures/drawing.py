"""Results as the app's drawings take them: plain data, options, and the module that draws.

The module is built from web/src/draw; pages carry it and notebooks load it. Knows no result.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from unembed.errors import CapabilityError
from unembed.figures.colours import Colours

MODULE = Path(__file__).parent / "static" / "unembed-draw.js"
DIGITS = 9  # of numbers: as many as tell any two of single precision apart
_TOKEN = {"id", "text", "label", "special"}


@dataclass(frozen=True)
class Drawing:
    """What the module draws: "lens" or "flow", its options, and the result's `to_dict`."""

    kind: str
    options: Mapping[str, Any]
    result: Mapping[str, Any]

    def to_json(self) -> str:
        """As the module reads it; see web/src/draw/index.ts."""
        drawn = {"kind": self.kind, "options": self.options, "result": plain(self.result)}
        return json.dumps(drawn, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def module() -> str:
    """The source of the module that draws.

    Raises:
        CapabilityError: it was not built, as in a source checkout where `make web` never ran.
    """
    return _read(MODULE)


@cache
def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CapabilityError(
            f"pages and widgets need the drawing module, which is not built: {path} is missing",
            value=str(path),
            fix="in a source checkout: make web",
        ) from None


def plain(data: Any) -> dict[str, Any]:
    """Plain data with every token written once, and numbers in the digits that they have.

    `{"$": 3}` stands for the fourth token. What JSON has no number for is null in a list; a name
    without a value is left out.
    """
    tokens: dict[tuple[Any, ...], int] = {}
    return {"data": _plain(data, tokens), "tokens": [_token(one) for one in tokens]}


def _plain(value: Any, tokens: dict[tuple[Any, ...], int]) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        if value.keys() == _TOKEN:
            key = tuple(value[name] for name in sorted(_TOKEN))
            return {"$": tokens.setdefault(key, len(tokens))}
        found = {name: _plain(one, tokens) for name, one in value.items()}
        return {name: one for name, one in found.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(one, tokens) for one in value]
    return value


def _token(key: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(sorted(_TOKEN), key, strict=True))


def colour_options(colours: Colours | None) -> dict[str, Any]:
    """The theme, and the maps; None: as the reader's surroundings are."""
    if colours is None:
        return {"theme": None}
    maps = {"sequential": colours.sequential, "diverging": colours.diverging}
    return {"theme": colours.theme, "maps": maps}
