"""A score that a person typed: named scores added up, each with a factor."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, get_args

from unembed.analyses.attention.options import HeadKind
from unembed.errors import InputError

KINDS: tuple[HeadKind, ...] = get_args(HeadKind)
EXAMPLE = '"induction - 0.5*first"'
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_TERM = re.compile(rf"\s*([+-]?)\s*(?:({_NUMBER})\s*\*\s*)?([a-z]{{1,20}})\s*", re.ASCII)


@dataclass(frozen=True)
class Sum:
    """Named scores, each with its factor."""

    text: str
    factors: Mapping[HeadKind, float]

    def of(self, scores: Mapping[str, Sequence[float | None]]) -> tuple[float | None, ...]:
        """The sum of each head; None for one that has no number of a score that is in it."""
        columns = [scores[kind] for kind in self.factors]
        factors = self.factors.values()
        return tuple(
            None
            if None in each
            else sum(factor * (one or 0.0) for factor, one in zip(factors, each, strict=True))
            for each in zip(*columns, strict=True)
        )


def read_score(text: str | None) -> Sum | None:
    """The sum that a text spells, as "induction - 0.5*first"; None for none. Raises InputError."""
    if text is None:
        return None
    factors: dict[HeadKind, float] = {}
    at = 0
    while at < len(text) or not factors:
        term = _TERM.match(text, at)
        if term is None or (factors and not term[1]):
            _refuse(text, f"score is {text!r}, which cannot be read from character {at} on")
        kind = next((one for one in KINDS if one == term[3]), None)
        if kind is None:
            _refuse(text, f"score has {term[3]!r}, which is no score")
        factor = float(term[2] or 1) * (-1 if term[1] == "-" else 1)
        factors[kind] = factors.get(kind, 0.0) + factor
        at = term.end()
    return Sum(" ".join(text.split()), factors)


def _refuse(text: str, message: str) -> NoReturn:
    raise InputError(
        f"{message}; scores are {', '.join(KINDS)}",
        field="score",
        value=text,
        legal=f"scores added up, each with a factor: {EXAMPLE}",
        fix=f"write {EXAMPLE}",
    )
