"""Whole sentences of a corpus around tokens of it, and what those tokens attend to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from unembed.index.corpus.hits import CorpusToken
from unembed.result import TABLE_ROW, Axes, Columns, Result


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
        return f"{len(self.items)} sentences of {self.corpus}{where}"

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
