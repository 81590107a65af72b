"""What labels tokens that were found have, beside how common each is in the corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from unembed.engine.names.tokens import printable
from unembed.index.corpus.options import Of
from unembed.result import TABLE_ROW, Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class LabelShare:
    """How many of the tokens have a label, and how many of all."""

    column: Annotated[str, '"pos", "tag", "dep", "entity", or "offset": tokens from the match.']
    label: Annotated[str, "Empty: none."]
    count: int
    n: Annotated[int, "Tokens counted in this column: those under the labels chosen in others."]
    share: Annotated[float, "Of these."]
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
    n: Annotated[int, "How many tokens are summed up: those under all labels chosen."]
    items: tuple[LabelShare, ...]

    def summary(self) -> str:
        return f"{self.n} tokens ({self.of}), {len(self.items)} labels"

    def columns(self) -> Columns:
        """One row for each label."""
        names = LabelShare.__dataclass_fields__
        return {name: [getattr(item, name) for item in self.items] for name in names}

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for heading in ("", "label", "count", "share", "base", "lift", "95%"):
            table.add_column(heading, justify="left" if heading in ("", "label") else "right")
        for item in self.items:
            shown = (item.base, item.lift)
            base, lift = ("" if one is None else f"{one:.3g}" for one in shown)
            between = "" if item.low is None else f"{item.low:.3g}-{item.high:.3g}"
            label = Text(printable(item.label or "none"))
            table.add_row(
                item.column, label, f"{item.count}", f"{item.share:.2f}", base, lift, between
            )
        table.caption = self.summary()
        table.caption_justify = "left"
        return table
