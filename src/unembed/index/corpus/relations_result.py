"""Which relations heads follow over a corpus, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from unembed.engine.names.tokens import printable
from unembed.result import TABLE_ROW, Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class HeadRelation:
    """One head and one relation."""

    node: Annotated[str, '"L3.H2".']
    layer: int
    head: int
    relation: Annotated[str, '"previous", "head", "child: det" ...']
    n: Annotated[int, "Tokens that have a token of this relation in sight."]
    share: Annotated[float, "How often the token attended to most is one of the relation's."]
    base: Annotated[float, "How often it would be, were it any token in sight alike."]
    lift: Annotated[float, "Share over base."]
    low: Annotated[float, "Lower end of the lift's interval, 95%."]
    high: Annotated[float, "Upper end."]
    attention: Annotated[float, "Attention that goes to the relation's tokens, the mean."]
    distance: Annotated[int, "The fixed distance in tokens that hits the relation most often."]
    distance_share: Annotated[float, "How often it does."]


@dataclass(frozen=True, repr=False)
class HeadRelations(Result):
    """Heads and relations, in the order that was asked for."""

    axes: ClassVar[Axes] = dict.fromkeys(
        ("share", "base", "lift", "low", "high", "attention", "distance_share"), (TABLE_ROW,)
    )

    corpus: str
    n_sentences: Annotated[int, "That were drawn."]
    n_tokens: Annotated[int, "In them, without special ones."]
    relations: Annotated[tuple[str, ...], "All that were looked for."]
    total: Annotated[int, "Pairs of head and relation, before the list was cut."]
    items: tuple[HeadRelation, ...]

    def summary(self) -> str:
        return (
            f"{len(self.items)} of {self.total:,} heads and relations, {self.n_tokens:,} tokens "
            f"of {self.corpus}"
        )

    def columns(self) -> Columns:
        """One row for each head and relation."""
        names = HeadRelation.__dataclass_fields__
        return {name: [getattr(item, name) for item in self.items] for name in names}

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for heading in ("head", "relation"):
            table.add_column(heading)
        for heading in ("n", "share", "base", "distance", "lift", "95%", "attention"):
            table.add_column(heading, justify="right")
        for one in self.items:
            relation = Text(printable(one.relation))
            table.add_row(
                one.node, relation, f"{one.n}", f"{one.share:.2f}", f"{one.base:.2f}",
                f"{one.distance_share:.2f} at {one.distance:+d}", f"{one.lift:.1f}",
                f"{one.low:.1f}-{one.high:.1f}", f"{one.attention:.2f}",
            )  # fmt: skip
        table.caption = self.summary()
        table.caption_justify = "left"
        return table
