"""What can be chosen about questions to the vector index. Knows no torch and no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr

from unembed.options import Count, Name, Options, Positive, TokenRef, option

Projection = Literal["raw", "final_norm"]
Side = Literal["promoted", "suppressed", "both"]
Match = Literal["word", "exact", "part"]
Combine = Literal["any", "all"]
Ranking = Literal["strength", "bm25"]
ClusterMethod = Literal["kmeans", "complete"]
Layers = Annotated[
    list[Count],
    Field(min_length=2, max_length=2, description="First and last layer; both are included."),
]
Node = Annotated[
    Name, Field(description='A neuron: "L12.N512"; LM-Debugger\'s "L12D512" is read too.')
]


class IndexOptions(Options):
    """Which of a model's indexes is asked."""

    projection: Projection = option(
        "raw",
        'How vectors are read: "raw", the unembedding times the vector, as LM-Debugger has it; '
        '"final_norm", through the final norm\'s weight.',
    )


class PageOptions(IndexOptions):
    """Which part of what is found."""

    layers: Layers | None = option(None, "Absent: every layer.")
    limit: Positive = option(20, "How many to list.", limit="max_hits")
    offset: Count = option(0, "How many to skip.")


class SearchOptions(PageOptions):
    """Vectors whose lists of tokens have the words."""

    words: Annotated[list[StrictStr], Field(min_length=1, fail_fast=True)] = option(
        sentence="What to look for.", limit="max_words"
    )
    match: Match = option(
        "word",
        '"word": every token that is the word up to case and white space before it; "exact": the '
        'token of exactly this text; "part": tokens that contain it.',
    )
    combine: Combine = option("any", "Whether any of the words is enough, or all must be there.")
    side: Side = option("promoted", "What vectors do to the tokens.")
    ranking: Ranking = option("strength", "How what is found is ordered.")


class TokenOptions(PageOptions):
    """The vectors that raise, or lower, one token most."""

    token: TokenRef = option(sentence="One token: its id, or text that is exactly one token.")
    side: Side = option("promoted", "Whether vectors raise or lower it.")


class BrowseOptions(IndexOptions):
    """The vectors of a layer, by number."""

    layer: Count = option(sentence="Which layer.")
    first: Count = option(0, "The first neuron.")
    count: Positive = option(20, "How many to list.", limit="max_hits")


class ClustersOptions(IndexOptions):
    """Which clusters, and which part of the list of them."""

    method: ClusterMethod = option(
        "kmeans", '"kmeans": spherical; "complete": linkage, LM-Debugger\'s.'
    )
    n: Positive | None = option(None, "How many clusters; absent: chosen by size.")
    seed: Count = option(0, "Where k-means begins.")
    offset: Count = option(0, "How many to skip.")
    limit: Positive = option(20, "How many to list.", limit="max_hits")


class ClusterOptions(IndexOptions):
    """One cluster, and which of its members are drawn."""

    method: ClusterMethod = option("kmeans", "How the clusters were made.")
    n: Positive | None = option(None, "How many there are; absent: chosen by size.")
    seed: Count = option(0, "Where k-means began.")
    cluster: Count = option(sentence="Its number.")
    sample_seed: Count = option(0, "Which members are drawn at random.")
