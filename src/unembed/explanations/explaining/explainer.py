"""Who writes explanations, and what is shown of a node: the texts, and what it is in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

Style = Literal["pairs", "examples", "contrastive"]


@dataclass(frozen=True)
class Shown:
    """A text as its tokens, what the node is at each, and which of them are to be marked."""

    tokens: tuple[str, ...]
    values: tuple[float, ...]
    marked: tuple[int, ...]  # places among them


@dataclass(frozen=True)
class Looked:
    """A text in which a head looks from one token to another."""

    tokens: tuple[str, ...]
    query: int
    key: int


@dataclass(frozen=True)
class Evidence:
    """What a node does, as far as an explainer sees it."""

    node: str
    texts: tuple[Shown, ...]  # where it is active, strongest first; active tokens are marked
    near: tuple[Shown, ...]  # where it is not, with the tokens marked that look like it
    looked: tuple[Looked, ...]  # of a head, instead of activations
    promotes: tuple[str, ...]  # tokens that it makes likelier

    @property
    def peak(self) -> float:
        """The largest activation that is shown."""
        return max((value for text in self.texts for value in text.values), default=0.0)


class Explainer(Protocol):
    """Says in words what nodes do, from evidence alone.

    A list of answers is as long as that of the evidence; None is one that could not be had.
    """

    @property
    def name(self) -> str:
        """Who it is, for people."""

    @property
    def style(self) -> Style:
        """What it is shown: pairs of token and activation, examples, or near misses, too."""

    @property
    def texts(self) -> int:
        """How many texts of either kind it is shown of a node."""

    @property
    def window(self) -> int:
        """Longest text, in tokens."""

    def write(self, evidence: Sequence[Evidence]) -> Sequence[str | None]:
        """An explanation of each node."""
