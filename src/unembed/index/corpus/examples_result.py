"""Tokens of a corpus where a node is strongest, and others, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from unembed.engine.names.tokens import printable
from unembed.index.corpus.hits import AROUND, CorpusToken, marked
from unembed.result import TABLE_ROW, Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType

Group = Literal["top", "quantile", "random"]


@dataclass(frozen=True)
class CorpusExample:
    """A token, and what the node is at every token of its sentence."""

    group: Annotated[Group, "Among the strongest, at a quantile, or drawn at random."]
    quantile: Annotated[float | None, "0.99: the node is weaker at 99% of the tokens drawn."]
    value: Annotated[float, "Of the node at this token."]
    row: Annotated[int, "The token's number in the corpus."]
    sentence: Annotated[int, "Its number in the corpus."]
    position: Annotated[int, "Of the token in its sentence."]
    text: str
    tokens: Annotated[tuple[CorpusToken, ...], "Of the sentence, special ones among them."]
    values: Annotated[tuple[float, ...], "Of the node at each of them."]
    attended: Annotated[
        int | None,
        "Of a head: the position of the token that it attends to most from there, special ones "
        "left out.",
    ] = None
    attention: Annotated[float | None, "How much of its attention that token gets."] = None


@dataclass(frozen=True)
class AlikeNode:
    """Another neuron of the layer, or latent of the autoencoder, that is active with a node."""

    node: str
    correlation: Annotated[float, "Pearson's, of the two activations at all tokens looked at."]


@dataclass(frozen=True)
class Histogram:
    """How often values between two edges are, of the tokens drawn where a node is active."""

    edges: Annotated[tuple[float, ...], "One more than there are counts."]
    counts: tuple[int, ...]


@dataclass(frozen=True, repr=False)
class CorpusExamples(Result):
    """Examples of one node, the strongest first, then those at quantiles, then random ones."""

    axes: ClassVar[Axes] = {"value": (TABLE_ROW,), "position": (TABLE_ROW,)}

    corpus: str
    node: str
    measured: Annotated[str, 'What is measured: "mlp_post", "norm of the write", a direction.']
    n: Annotated[int, "Tokens that were looked at; special ones are not among them."]
    density: Annotated[float, "Share of them where it is above `threshold`."]
    threshold: float
    mean: float
    least: float
    most: float
    n_drawn: Annotated[int, "Tokens that quantiles, random ones and the histogram are of."]
    histogram: Annotated[Histogram | None, "Null where it is active at none of these."]
    alike: Annotated[
        tuple[AlikeNode, ...],
        "Of a neuron or latent: those of its layer, or autoencoder, whose activation is most "
        "correlated.",
    ]
    items: tuple[CorpusExample, ...]

    def summary(self) -> str:
        return (
            f"{self.node} in {self.corpus}: active at {self.density:.2%} of {self.n:,} tokens, "
            f"at most {self.most:.4g}"
        )

    def columns(self) -> Columns:
        """One row for each example."""
        found: Columns = {
            name: [getattr(item, name) for item in self.items]
            for name in ("group", "quantile", "value", "text", "sentence", "position", "row")
        }
        found["token"] = [item.tokens[item.position].token.text for item in self.items]
        found["pos"] = [item.tokens[item.position].pos for item in self.items]
        if any(item.attended is not None for item in self.items):
            found["attended"] = [item.tokens[item.attended or 0].token.text for item in self.items]
            found["attention"] = [item.attention for item in self.items]
        return found

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("")
        for heading in ("value", "row"):
            table.add_column(heading, justify="right")
        looks = any(item.attended is not None for item in self.items)
        if looks:
            table.add_column("attends to")
        table.add_column("sentence", overflow="fold")
        for item in self.items:
            group = item.group if item.quantile is None else f"{item.quantile:g}"
            seen = "" if item.attended is None else item.tokens[item.attended].token.text.strip()
            cells = [Text(printable(seen))] if looks else []
            sentence = marked(item.text, item.tokens[item.position], AROUND)
            table.add_row(group, f"{item.value:.4g}", f"{item.row}", *cells, sentence)
        table.caption = Text(self.summary())
        table.caption_justify = "left"
        return table
