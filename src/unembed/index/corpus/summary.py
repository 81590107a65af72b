"""What tokens that were found have in common, beside how common that is in the corpus.

The base rate of a label is its share among all tokens of the texts (of next tokens: among those
that follow another one), special tokens left out; lift is the share among the hits over that. The
interval is Wilson's for the share, at 95%, over the base rate, whose own error is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from unembed.errors import InputError
from unembed.index.corpus.columns import Mask, TokenColumns
from unembed.index.corpus.options import Of
from unembed.index.store import Array
from unembed.result import TABLE_ROW, Axes, Columns, Result

SUMMED = ("pos", "tag", "dep", "entity")
if TYPE_CHECKING:
    from rich.console import RenderableType

_Z = 1.959963984540054  # of 95%


@dataclass(frozen=True)
class LabelShare:
    """How many of the tokens have a label, and how many of all."""

    column: Annotated[str, '"pos", "tag", "dep", "entity", or "offset": tokens from the match.']
    label: Annotated[str, "Empty: none."]
    count: int
    share: Annotated[float, "Of the tokens that are summed up."]
    base: Annotated[float | None, "Share among all tokens of the texts; null of offsets."]
    lift: Annotated[float | None, "Share over base."]
    low: Annotated[float | None, "Lower end of the lift's interval, 95%."]
    high: Annotated[float | None, "Upper end."]


@dataclass(frozen=True, repr=False)
class CorpusSummary(Result):
    """Labels of tokens that were found, the most frequent of each column first."""

    axes: ClassVar[Axes] = dict.fromkeys(
        ("count", "share", "base", "lift", "low", "high"), (TABLE_ROW,)
    )

    of: Annotated[Of, "The match, the token after it, or the one that it attends to most."]
    n: Annotated[int, "How many tokens are summed up."]
    items: tuple[LabelShare, ...]

    def summary(self) -> str:
        return f"{self.n} tokens ({self.of}), {len(self.items)} labels"

    def columns(self) -> Columns:
        """One row for each label."""
        names = LabelShare.__dataclass_fields__
        return {name: [getattr(item, name) for item in self.items] for name in names}

    def __rich__(self) -> RenderableType:
        from rich.table import Table

        table = Table(box=None, pad_edge=False)
        for heading in ("", "label", "count", "share", "base", "lift", "95%"):
            table.add_column(heading, justify="left" if heading in ("", "label") else "right")
        for item in self.items:
            shown = (item.base, item.lift)
            base, lift = ("" if one is None else f"{one:.3g}" for one in shown)
            between = "" if item.low is None else f"{item.low:.3g}-{item.high:.3g}"
            label = item.label or "none"
            table.add_row(
                item.column, label, f"{item.count}", f"{item.share:.2f}", base, lift, between
            )
        table.caption = self.summary()
        table.caption_justify = "left"
        return table


def summed_up(
    columns: TokenColumns, rows: Sequence[int], offsets: Sequence[int], of: Of
) -> CorpusSummary:
    """The labels of some tokens; `offsets` of those from the matches, where that means something.

    Raises InputError where there are no tokens, or no labels.
    """
    if not rows:
        raise InputError("there is no token to sum up", field="hits", value=0, legal="at least one")
    base = _following(columns) if of == "next" else columns.words()
    items: list[LabelShare] = []
    for name in SUMMED:
        labels = columns.labels(name)
        if any(labels.names):
            counts = np.bincount(labels.codes[base], minlength=len(labels.names))
            found = np.bincount(labels.codes[list(rows)], minlength=len(labels.names))
            items += _shares(name, labels.names, found, counts)
    if not items and not offsets:
        raise InputError(
            "this corpus has no labels",
            field="spacy",
            fix="build it with a pipeline of spaCy, or from .conllu files",
        )
    for offset, count in sorted(Counter(offsets).items(), key=lambda one: (-one[1], one[0])):
        share = count / len(offsets)
        items.append(LabelShare("offset", f"{offset:+d}", count, share, None, None, None, None))
    return CorpusSummary(of, len(rows), tuple(items))


def _following(columns: TokenColumns) -> Mask:
    """Tokens of the texts that follow another one in their sentence."""
    found, sentence = columns.words(), columns.numbers("sentence")
    before = np.concatenate([[False], found[:-1] & (sentence[1:] == sentence[:-1])])
    follows: Mask = found & before
    return follows


def _shares(column: str, names: Sequence[str], found: Array, counts: Array) -> list[LabelShare]:
    n, total = int(found.sum()), int(counts.sum())
    order = sorted(np.flatnonzero(found).tolist(), key=lambda code: (-found[code], names[code]))
    shares = []
    for code in order:
        count, base = int(found[code]), int(counts[code]) / total
        low, high = wilson(count, n)
        lifts = (count / n / base, low / base, high / base) if base else (None, None, None)
        shares.append(LabelShare(column, names[code], count, count / n, base, *lifts))
    return shares


def wilson(count: int, n: int) -> tuple[float, float]:
    """The interval of a share of `count` in `n`, at 95% (Wilson, 1927)."""
    share, z = count / n, _Z
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)
