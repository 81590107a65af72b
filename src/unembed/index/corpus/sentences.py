"""Whole sentences of a corpus around tokens of it, and what those tokens attend to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from unembed.index.corpus.hits import CorpusToken, marked
from unembed.result import TABLE_ROW, Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType

MOST = 5  # tokens that get most attention, shown in a terminal


@dataclass(frozen=True)
class CorpusSentence:
    """The sentence of one token, as the model read it."""

    row: Annotated[int, "The token's number in the corpus."]
    sentence: Annotated[int, "Its number in the corpus."]
    position: Annotated[int, "Of the token in its sentence."]
    text: str
    tokens: Annotated[tuple[CorpusToken, ...], "Of the sentence, special ones among them."]
    attention: Annotated[
        tuple[float, ...] | None,
        "From the token to each of them, the mean of heads; null unless a layer is named.",
    ]


@dataclass(frozen=True, repr=False)
class CorpusSentences(Result):
    """Sentences of a corpus, in the order that they were asked for."""

    axes: ClassVar[Axes] = {"position": (TABLE_ROW,), "attention": (TABLE_ROW,)}

    corpus: str
    layer: Annotated[int | None, "Whose attention is said; null: none."]
    heads: Annotated[tuple[int, ...] | None, "Of which it is the mean; null: no attention."]
    items: tuple[CorpusSentence, ...]

    def summary(self) -> str:
        where = "" if self.layer is None else f", attention of layer {self.layer}"
        n = len(self.items)
        return f"{n} sentence{'' if n == 1 else 's'} of {self.corpus}{where}"

    def columns(self) -> Columns:
        """One row for each token of each sentence."""
        rows = [(one, at) for one in self.items for at in range(len(one.tokens))]
        found: Columns = {
            "row": [one.row for one, _ in rows],
            "position": [at for _, at in rows],
            "token": [one.tokens[at].token.text for one, at in rows],
            "attention": [None if one.attention is None else one.attention[at] for one, at in rows],
        }
        for name in ("word", "lemma", "pos", "tag", "dep", "entity", "head"):
            found[name] = [getattr(one.tokens[at], name) for one, at in rows]
        return found

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("row", justify="right")
        table.add_column("sentence", overflow="fold")
        if self.layer is not None:
            table.add_column("attends to", overflow="fold")
        for one in self.items:
            cells = [marked(one.text, one.tokens[one.position])]
            if one.attention is not None:
                cells.append(Text(_most(one, one.attention)))
            table.add_row(f"{one.row}", *cells)
        table.caption = self.summary()
        table.caption_justify = "left"
        return table


def _most(sentence: CorpusSentence, attention: tuple[float, ...]) -> str:
    """The tokens that get most attention, special ones among them, and how much."""
    order = sorted(range(len(attention)), key=lambda at: (-attention[at], at))[:MOST]
    return ", ".join(
        f"{sentence.tokens[at].token.label.strip()} {attention[at]:.2f}" for at in order
    )
