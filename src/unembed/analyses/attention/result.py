"""Attention of some heads on one prompt: numbers with named axes. Knows tensors, no model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from unembed.analyses.attention.edges import strongest
from unembed.analyses.attention.options import Between, Combine, Measure, Part, Special
from unembed.analyses.tools.result import Drawn
from unembed.engine.names.tokens import Token
from unembed.errors import InputError
from unembed.result import ArrayComparison, ArrayResult, Axes, Columns, Result

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor

WORDS: Mapping[Measure, str] = {
    "attention": "share of attention",
    "moved": "norm of what is moved",
    "target": "direct effect on the target",
}

# What people call the two sides of a comparison.
RUNS = ("baseline", "edited")
PROMPTS = ("this prompt", "other prompt")


@dataclass(frozen=True, eq=False, repr=False)
class AttentionResult(Drawn, ArrayResult):
    """What heads look at: a number for each head and pair of query and key.

    `values` are what `measure` says, `combined` the heads made one. A pair in the future of a
    causal model is 0. Edges are the pairs of `combined` kept: of each query the fewest that hold
    the part `mass` of its row, by absolute value, strongest first.
    """

    axes: ClassVar[Axes] = {
        "values": ("head", "query", "key"),
        "combined": ("query", "key"),
        "sink": ("head", "query"),
        "edge_queries": ("edge",),
        "edge_keys": ("edge",),
        "edge_values": ("edge",),
    }

    heads: Annotated[tuple[str, ...], '"L5.H2" ..., layer by layer.']
    part: Annotated[Part, "Whose attention it is: the layers' own unless of encoder-decoders."]
    queries: Annotated[tuple[int, ...], "Positions that look, ascending; keys are all positions."]
    tokens: Annotated[tuple[Token, ...], "Of the whole text that looks."]
    key_tokens: Annotated[
        tuple[Token, ...] | None, "Of the text that is looked at; null where it is the same."
    ]
    measure: Measure
    unit: Annotated[str, 'What the numbers are: "norm of what is moved".']
    combine: Combine
    weights: Annotated[tuple[float, ...], "Of each head."]
    special: Special
    between: Between
    segments: Annotated[tuple[int, ...], "Of a sentence pair: 0 or 1, the text of each token."]
    mass: float
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    values: Float[Tensor, "head query key"]
    combined: Float[Tensor, "query key"]
    # the share of each head's attention that goes to no token; None where no layer has a sink
    sink: Float[Tensor, "head query"] | None
    edge_queries: Int[Tensor, " edge"]  # positions, not rows
    edge_keys: Int[Tensor, " edge"]
    edge_values: Float[Tensor, " edge"]

    @property
    def seen(self) -> tuple[Token, ...]:
        """The tokens that are looked at, of every key."""
        return self.tokens if self.key_tokens is None else self.key_tokens

    def head(self, name: str) -> Float[Tensor, "query key"]:
        """One head by its name. Raises InputError for one that is not here."""
        if name not in self.heads:
            raise InputError(
                f"{name!r} is not among the heads of this result",
                field="head",
                value=name,
                legal=", ".join(self.heads),
            )
        return self.values[self.heads.index(name)]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of query and key kept, strongest first, as `ue.knock_out` takes them."""
        return list(zip(self.edge_queries.tolist(), self.edge_keys.tolist(), strict=True))

    def sent(self) -> Float[Tensor, "head query"]:
        """For each head and query the mean over all keys: the map beside the queries."""
        return self.values.mean(-1)

    def received(self) -> Float[Tensor, "head key"]:
        """For each head and key the mean over the queries: the map beside the keys."""
        return self.values.mean(1)

    def summary(self) -> str:
        shown = ", ".join(self.heads[:3]) + (" …" if len(self.heads) > 3 else "")
        return f"{self.unit} of {shown}, {len(self.queries)} queries × {len(self.seen)} keys"

    def columns(self) -> Columns:
        """One row for each head and pair that is not 0."""
        head, row, key = (axis.tolist() for axis in self.values.nonzero(as_tuple=True))
        query = [self.queries[one] for one in row]
        return {
            "head": [self.heads[one] for one in head],
            "query": query,
            "query_token": [self.tokens[one].text for one in query],
            "key": key,
            "key_token": [self.seen[one].text for one in key],
            "value": self.values[head, row, key].tolist(),
        }


@dataclass(frozen=True, eq=False, repr=False)
class HeadScores(Result):
    """What each head does, as numbers: one for each kind of behaviour."""

    axes: ClassVar[Axes] = {"scores": ("kind", "head"), "counts": ("kind",)}

    heads: Annotated[tuple[str, ...], '"L5.H2" ..., layer by layer.']
    kinds: Annotated[tuple[str, ...], '"previous", "induction" ...']
    sentences: Annotated[tuple[str, ...], "What the score of each kind is."]
    kind: Annotated[str, "By which the table is sorted, largest first."]
    n_prompts: int
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    scores: Annotated[
        tuple[tuple[float | None, ...], ...],
        "Of each kind, of every head; null where no query of any prompt can show it.",
    ]
    counts: Annotated[tuple[int, ...], "Of each kind: queries that a score is the mean over."]

    def score(self, kind: str) -> dict[str, float | None]:
        """One score of every head, by the head's name. Raises InputError for no such kind."""
        if kind not in self.kinds:
            raise InputError(
                f"{kind!r} is no kind of these scores",
                field="kind",
                value=kind,
                legal=", ".join(self.kinds),
            )
        return dict(zip(self.heads, self.scores[self.kinds.index(kind)], strict=True))

    def best(self, n: int = 5, kind: str | None = None) -> list[tuple[str, float]]:
        """The n heads that score highest, each with its score; of equal ones the lower first."""
        scores = self.score(self.kind if kind is None else kind)
        found = [(head, one) for head, one in scores.items() if one is not None]
        return sorted(found, key=lambda one: -one[1])[:n]

    def summary(self) -> str:
        best = "".join(f": {head} {score:.3f}" for head, score in self.best(1))
        return f"{len(self.heads)} heads by {self.kind}{best}"

    def columns(self) -> Columns:
        """One row for each head, those that score highest first."""
        best = [head for head, _ in self.best(len(self.heads))]
        order = best or list(self.heads)
        each = {kind: self.score(kind) for kind in self.kinds}
        return {"head": order} | {
            kind: [scores[head] for head in order] for kind, scores in each.items()
        }


@dataclass(frozen=True, eq=False, repr=False)
class Thumbnails(ArrayResult):
    """The patterns of heads, each shrunk to a few rows and columns.

    A cell is the largest attention among the pairs that it stands for: those of the queries from
    `query_starts[row]` up to the next row's, and of keys likewise. It is cells / 255 * scale.
    """

    axes: ClassVar[Axes] = {"cells": ("head", "row", "column"), "scale": ("head",)}

    heads: Annotated[tuple[str, ...], '"L5.H2" ..., layer by layer.']
    query_starts: Annotated[tuple[int, ...], "The first query of each row."]
    key_starts: Annotated[tuple[int, ...], "The first key of each column."]
    n_queries: Annotated[int, "Queries of the whole pattern."]
    n_keys: Annotated[int, "Keys of the whole pattern."]
    provenance: Annotated[Mapping[str, str], "Which model, in which precision."]
    cells: Shaped[Tensor, "head row column"]  # uint8
    scale: Float[Tensor, " head"]

    def values(self) -> Float[Tensor, "head row column"]:
        """What the cells stand for, to a 510th of each head's largest value."""
        return self.cells / 255 * self.scale[:, None, None]

    def summary(self) -> str:
        return f"{len(self.heads)} heads, {len(self.query_starts)} × {len(self.key_starts)} cells"

    def columns(self) -> Columns:
        """One row for each head: its largest attention, and the cell that it is in."""
        flat = self.cells.flatten(1).argmax(1).tolist()
        width = len(self.key_starts)
        return {
            "head": list(self.heads),
            "largest": self.scale.tolist(),
            "query": [self.query_starts[one // width] for one in flat],
            "key": [self.key_starts[one % width] for one in flat],
        }


@dataclass(frozen=True, eq=False, repr=False)
class ThumbnailsComparison(ArrayComparison[Thumbnails]):
    """Thumbnails of the baseline; with an enabled edit also of the edited run.

    Over HTTP this is the JSON under `__metadata__.thumbnails`; the arrays lie beside it, those of
    each side with "baseline." or "edited." before their names:
      cells U8 [head, row, column], scale F32 [head]; a value is cells / 255 * scale.
    """

    baseline: Thumbnails
    edited: Annotated[Thumbnails | None, "Null where no edit is enabled."] = None


@dataclass(frozen=True, eq=False, repr=False)
class AttentionComparison(Drawn, ArrayComparison[AttentionResult]):
    """Attention in the baseline; with an enabled edit also in the edited run.

    Of two prompts `baseline` is the one and `edited` the other, which may have as many tokens or
    not; `names` says which it is.

    Over HTTP this is the JSON under `__metadata__.attention`; the arrays lie beside it, those of
    each side with "baseline." or "edited." before their names:
      values F32 [head, query, key], combined F32 [query, key];
      sink F32 [head, query], where a layer has one: the share that goes to no token;
      edge_queries U32, edge_keys U32, edge_values F32 [edge]: the pairs kept, strongest first.
    """

    baseline: AttentionResult
    edited: Annotated[
        AttentionResult | None, "Null where no edit is enabled, and no other prompt is named."
    ] = None
    names: tuple[str, str] = field(default=RUNS, metadata={"written": False})

    @property
    def named(self) -> dict[str, AttentionResult]:
        """The sides that there are, by what people call them."""
        return dict(zip(self.names, self.sides.values(), strict=False))

    def difference(self) -> AttentionResult:
        """Edited less baseline, pair by pair, with the tokens of the edited side.

        Its edges are those of the difference. Raises InputError where there is one side alone, or
        two that have not as many heads, queries and keys.
        """
        before, after = self.baseline, self.edited
        if after is None or before.values.shape != after.values.shape:
            shapes = [tuple(one.values.shape) for one in self.sides.values()]
            raise InputError(
                "attention has a difference between two runs with as many heads, queries and keys; "
                f"here are {' and '.join(map(str, shapes))}",
                field="edited",
                legal="two runs of prompts that have as many tokens",
            )
        combined = after.combined - before.combined
        kept = strongest(combined, after.mass, after.queries)
        return replace(
            after,
            unit=f"change of the {after.unit}",
            values=after.values - before.values,
            combined=combined,
            sink=_less(after.sink, before.sink),
            edge_queries=kept.queries,
            edge_keys=kept.keys,
            edge_values=kept.values,
        )


def _less(after: Tensor | None, before: Tensor | None) -> Tensor | None:
    """The difference of what both sides have."""
    return None if after is None or before is None else after - before
