"""What a name of a node or site becomes: a typed target, and the key of its activation.

Torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from unembed.engine.nodes import (
    CROSS,
    DIGITS,
    KINDS,
    PAIR_SITES,
    SITE,
    SITE_WORDS,
    SOURCE_SITES,
    NodeKind,
)


class SiteKey(NamedTuple):
    """Which activation of a model: a site of a layer, or of a whole stack (layer None)."""

    site: str
    layer: int | None
    encoder: bool = False

    @property
    def name(self) -> str:
        """As it is written: L3.resid_post, E3.resid_post, logits, E.out."""
        if self.layer is None:
            return f"E.{self.site}" if self.encoder else self.site
        return f"{'E' if self.encoder else 'L'}{self.layer}.{self.site}"

    @property
    def is_pairs(self) -> bool:
        """Whether it is [head, query, key]; all others are [pos, ...]."""
        return self.site in PAIR_SITES


@dataclass(frozen=True)
class Lengths:
    """How many positions a prompt has, and the source beside it (0 without an encoder)."""

    prompt: int
    source: int = 0

    def of(self, site_key: SiteKey) -> int:
        """How many positions an activation has; of pairs how many queries."""
        read = site_key.encoder or site_key.site in SOURCE_SITES
        return self.source if read else self.prompt

    def keys_of(self, site_key: SiteKey) -> int:
        """How many keys each query of pairs has."""
        read = site_key.encoder or site_key.site.startswith(CROSS)
        return self.source if read else self.prompt


@dataclass(frozen=True)
class Target:
    """A parsed name: a site, and perhaps one head, neuron, entry or position of it."""

    text: str
    site: str
    layer: int | None = None
    head: int | None = None
    neuron: int | None = None
    entry: int | None = None
    index: int | None = None  # of a derived kind
    position: int | None = None
    key: int | None = None
    row: NodeKind = SITE
    encoder: bool = False  # of the encoder of an encoder-decoder

    @property
    def kind(self) -> str:
        return self.row.kind

    @property
    def site_key(self) -> SiteKey:
        """Which activation this is a part of."""
        return SiteKey(self.site, self.layer, self.encoder)

    @property
    def is_pairs(self) -> bool:
        """Whether its site is [head, query, key]; all others are [pos, ...]."""
        return self.site in PAIR_SITES

    @property
    def is_number(self) -> bool:
        """Whether it is one number at each position: its activation."""
        numbers = (self.neuron, self.entry, self.index, self.key)
        return any(number is not None for number in numbers)

    def numbered(self, number: int) -> Target:
        """The node of the same kind and layer that has this number; of no position."""
        own: dict[str, Any] = {} if self.row.number is None else {self.row.number: number}
        found = replace(self, position=None, key=None, **own)
        return replace(found, text=found.stem)

    @property
    def stem(self) -> str:
        """The canonical name, without a position."""
        values = {name: getattr(self, name) for name in ("layer", "site", *DIGITS)}
        stem = self.row.forms[0].format(**values)
        return f"E{stem[1:]}" if self.encoder else stem

    @property
    def name(self) -> str:
        """The canonical name."""
        at = "" if self.position is None else f"@{self.position}"
        return self.stem + at + (f"<{self.key}" if at and self.key is not None else "")

    @property
    def words(self) -> str:
        """What it is, in a phrase: "attention head 6 of layer 9"."""
        values = {name: getattr(self, name) for name in DIGITS}
        words = self.row.words.format(site=SITE_WORDS.get(self.site, self.site), **values)
        if self.encoder and self.layer is not None:
            words = f"{words} of the encoder"
        if self.position is None:
            return words
        source = "source " if Lengths(0, 1).of(self.site_key) else ""
        return f"{words} at {source}position {self.position}"

    def at(self, position: int | None, key: int | None = None) -> Target:
        """This node at a position, or its pair of query and key; None: at every position."""
        row, site = self.row, self.site
        if key is not None and row.kind in PAIRS_OF:
            row = PAIRS_OF[row.kind]
            site = row.site or site
        moved = replace(self, position=position, key=key, row=row, site=site)
        return replace(moved, text=moved.name)


Name = str | Target
"""What names a site or node: text, or what was parsed already."""

PAIR = next(row for row in KINDS if row.kind == "pair")
PAIRS_OF = {"head": PAIR, "cross_head": next(row for row in KINDS if row.kind == "cross_pair")}
"""By kind of head: what it is with a query and a key."""


def node(kind: str, layer: int | None = None, number: int | None = None) -> Target:
    """The target of a kind by its numbers, without spelling and reading a name."""
    row = next(row for row in KINDS if row.kind == kind)
    named: dict[str, Any] = {} if row.number is None else {row.number: number}
    target = Target("", row.site or "", layer, row=row, **named)
    return replace(target, text=target.name)


def site(name: str, layer: int | None = None) -> Target:
    """The target of a whole site."""
    whole = next(
        row for row in KINDS if row.kind in ("site", "embed") and name in _names(row, layer)
    )
    target = Target("", name, layer, row=whole)
    return replace(target, text=target.name)


def _names(row: NodeKind, layer: int | None) -> tuple[str, ...]:
    other = row.number is not None or row.forms[0].startswith("E.")
    if other or ("{layer}" in row.forms[0]) != (layer is not None):
        return ()
    return row.sites if row.site is None else (row.site,)
