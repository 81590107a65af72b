"""What a search of a corpus gives: tokens in their sentences, and what they are beside the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from unembed.engine.names.tokens import Token, printable
from unembed.index.corpus.options import By, Weighting
from unembed.index.corpus.summary import CorpusSummary
from unembed.result import TABLE_ROW, Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType

AROUND = 40  # characters shown in a terminal on either side of a match


@dataclass(frozen=True)
class CorpusToken:
    """A token of a sentence, and the word that it is part of; null: no label."""

    position: Annotated[int, "In the sentence as the model read it, special tokens counted."]
    token: Token
    start: Annotated[int | None, "Characters of the sentence from here; null: it was added."]
    end: Annotated[int | None, "To before here."]
    word: Annotated[str | None, "Null for what is no word."]
    lemma: str | None
    pos: str | None
    tag: str | None
    dep: str | None
    entity: str | None
    head: Annotated[str | None, "The word that its word depends on; itself at the root."]


@dataclass(frozen=True)
class CorpusHit:
    """A token that was found."""

    score: Annotated[float | None, "Cosine, or what the weighting makes of it; null: no query."]
    match: CorpusToken
    next: Annotated[CorpusToken | None, "What follows, where the model reads from left to right."]
    text: Annotated[str, "The sentence."]
    sentence: Annotated[int, "Its number in the corpus."]
    row: Annotated[int, "The token's number in the corpus."]
    file: str
    record: Annotated[int, "Paragraph, line or row of the file, 0-based."]
    metadata: Annotated[Mapping[str, str], "Fields of its record that are kept."]
    around: Annotated[
        tuple[CorpusToken | None, ...], "At the offsets asked for; null: beyond the sentence."
    ] = ()
    attended: Annotated[CorpusToken | None, "What it attends to most, where that is summed up."] = (
        None
    )


@dataclass(frozen=True, repr=False)
class CorpusHits(Result):
    """The asked-for stretch of an answer, best first; without a query in the order of the texts."""

    axes: ClassVar[Axes] = {
        "score": (TABLE_ROW,),
        "sentence": (TABLE_ROW,),
        "position": (TABLE_ROW,),
    }

    corpus: str
    site: Annotated[str | None, "What was compared: L6.resid_post, L6.z; null: no query."]
    by: By | None
    heads: Annotated[tuple[int, ...] | None, "Whose context was compared; null: no context."]
    weighting: Weighting | None
    query: Annotated[Token | None, "The token that was asked for."]
    total: Annotated[int, "How many tokens the filter leaves."]
    items: tuple[CorpusHit, ...]
    listed: Annotated[int, "How many there are before they are narrowed."] = 0
    recall: Annotated[
        float | None,
        "Approximate: the share of the nearest tokens that such a search finds, measured on this "
        "corpus; null: exact, every token was compared.",
    ] = None
    labels: Annotated[CorpusSummary | None, "Of what is listed; null unless asked for."] = None
    offsets: Annotated[tuple[int, ...], "How far the tokens around each are from it."] = ()

    def summary(self) -> str:
        near = "" if self.query is None else f" like {self.query.label}, by {self.site}"
        found = "" if self.recall is None else f"; approximate, recall {self.recall:.3f}"
        how = "; exact" if self.query is not None and self.recall is None else found
        few = f" of {self.listed} listed," if len(self.items) < self.listed else ""
        return f"{len(self.items)}{few} of {self.total:,} tokens of {self.corpus}{near}{how}"

    def columns(self) -> Columns:
        """One row for each hit."""
        items = self.items
        columns: Columns = {
            "score": [item.score for item in items],
            "row": [item.row for item in items],
            "token": [item.match.token.text for item in items],
            "next": [_token_text(item.next) for item in items],
            "attended": [_token_text(item.attended) for item in items],
            "text": [item.text for item in items],
        }
        for name in ("word", "lemma", "pos", "tag", "dep", "entity", "position"):
            columns[name] = [getattr(item.match, name) for item in items]
        for order, offset in enumerate(self.offsets):
            columns[f"{offset:+d}"] = [_token_text(item.around[order]) for item in items]
        for name in ("sentence", "file", "record"):
            columns[name] = [getattr(item, name) for item in items]
        for name in dict.fromkeys(name for item in items for name in item.metadata):
            columns[f"metadata.{name}"] = [item.metadata.get(name) for item in items]
        return columns

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for heading in ("score", "row"):
            table.add_column(heading, justify="right")
        offsets = [f"{offset:+d}" for offset in self.offsets]
        attends = ["attends to"] if any(hit.attended for hit in self.items) else []
        for heading in ("pos", "dep", *offsets, *attends):
            table.add_column(heading)
        table.add_column("sentence", overflow="fold")
        table.add_column("source", overflow="fold")
        for hit in self.items:
            score = "" if hit.score is None else f"{hit.score:.3f}"
            labels = (hit.match.pos or "", hit.match.dep or "")
            beside = [*hit.around, hit.attended] if attends else hit.around
            texts = [(_token_text(one) or "").strip() for one in beside]
            said = [Text(printable(one)) for one in (*labels, *texts)]
            source = Text(printable(f"{hit.file}:{hit.record}"))
            table.add_row(score, f"{hit.row}", *said, marked(hit.text, hit.match, AROUND), source)
        table.caption = Text(self.summary())
        table.caption_justify = "left"
        return table


def _token_text(token: CorpusToken | None) -> str | None:
    return None if token is None else token.token.text


def marked(text: str, token: CorpusToken, around: int | None = None) -> RenderableType:
    """A sentence with one of its tokens marked, printable; of a long one so much around it."""
    from rich.text import Text

    start, end = token.start or 0, token.end or 0
    before, after = text[:start], text[end:]
    if around is not None and len(before) > around:
        before = f"…{before[-around:]}"
    if around is not None and len(after) > around:
        after = f"{after[:around]}…"
    found = printable(text[start:end])
    return Text.assemble(printable(before), (found, "bold reverse"), printable(after))
