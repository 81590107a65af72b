"""What a search gives back: hits, pages, clusters. Plain data with named fields; knows no disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np

from unembed.analyses.tools.projections import TokenScore
from unembed.result import Axes, Columns, Result

if TYPE_CHECKING:
    from rich.console import RenderableType

Scores = tuple[TokenScore, ...]
SHOWN_PROMOTED, SHOWN_SUPPRESSED = 10, 5  # of a hit


@dataclass(frozen=True)
class Hit:
    """A value vector that answers, and why."""

    node: str
    layer: int
    neuron: int
    score: Annotated[float, "Of the ranking, the token, or the cosine."]
    norm: float
    matched: Annotated[Scores, "The tokens that were asked for, as its lists have them."]
    promoted: Annotated[Scores, "The first of its list, most raised first."]
    suppressed: Annotated[Scores, "Most lowered first."]
    written: Annotated[
        str | None, "Of a latent that writes at several layers: where it writes this."
    ] = None


@dataclass(frozen=True, repr=False)
class Hits(Result):
    """The asked-for stretch of an answer, best first."""

    axes: ClassVar[Axes] = {
        "layer": ("table_row",),
        "neuron": ("table_row",),
        "score": ("table_row",),
        "norm": ("table_row",),
    }

    total: Annotated[int, "How many there are in all."]
    items: tuple[Hit, ...]

    def summary(self) -> str:
        first = f", first {self.items[0].node}" if self.items else ""
        return f"{len(self.items)} of {self.total:,}{first}"

    def columns(self) -> Columns:
        """One row for each hit; tokens as text."""
        columns: Columns = {
            name: [getattr(item, name) for item in self.items]
            for name in ("node", "layer", "neuron", "score", "norm", "written")
        }
        for name in ("matched", "promoted", "suppressed"):
            columns[name] = [[one.token.text for one in getattr(i, name)] for i in self.items]
        return columns

    def __rich__(self) -> RenderableType:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        for heading in ("node", "score", "norm"):
            table.add_column(heading, justify="left" if heading == "node" else "right")
        table.add_column("promotes", overflow="fold")
        table.add_column("suppresses", overflow="fold")
        for hit in self.items:
            table.add_row(
                hit.node if hit.written is None else f"{hit.node} at {hit.written}",
                f"{hit.score:.3f}",
                f"{hit.norm:.2f}",
                Text(labels(hit.promoted)),
                Text(labels(hit.suppressed)),
            )
        table.caption = f"{len(self.items)} of {self.total:,}"
        table.caption_justify = "left"
        return table


@dataclass(frozen=True)
class VectorPage:
    """One value vector: how long it is among the others, and what it stands for."""

    node: str
    layer: int
    neuron: int
    norm: float
    norm_percentile: float  # 0: the shortest of all vectors, 100: the longest
    layer_norm_percentile: float  # the same within its layer
    promoted: Scores  # all that is stored, highest first
    suppressed: Scores  # lowest first
    clusters: dict[str, int]  # for each clustering that was computed ("kmeans-1229-0"), its cluster
    written: str | None = None  # of a latent that writes at several layers: where it writes this


@dataclass(frozen=True)
class Cluster:
    """Vectors that point in similar directions."""

    id: int
    size: int
    members: tuple[str, ...]  # the most central first: highest cosine with the cluster's mean
    cosines: tuple[float, ...]  # of each member with the mean direction
    tokens: Scores  # pooled over the members, strongest first

    def random(self, seed: int = 0, n: int = 10) -> tuple[str, ...]:
        """Members drawn at random without repetition; the same seed draws the same ones."""
        drawn = np.random.default_rng([seed, self.id]).permutation(self.size)[:n]
        return tuple(self.members[place] for place in drawn)


def labels(scores: Scores) -> str:
    """Tokens for a terminal."""
    return " ".join(one.token.label for one in scores)
