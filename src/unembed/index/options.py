"""What can be chosen about an index of value vectors, and about each question to it.

Knows no torch and no model.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from unembed.options import Count, Name, Options, Positive, option

Projection = Literal["raw", "final_norm"]
Side = Literal["promoted", "suppressed", "both"]
Match = Literal["word", "exact", "part"]
Combine = Literal["any", "all"]
Ranking = Literal["strength", "bm25"]
ClusterMethod = Literal["kmeans", "complete"]
# Lists of JSON and of Python become tuples.
Layers = Annotated[
    tuple[Count, ...],
    Field(
        strict=False,
        min_length=2,
        max_length=2,
        description="First and last layer; both are included.",
    ),
]
Node = Annotated[
    Name, Field(description='A neuron, "L12.N512" or "L12D512", or a latent, "L6.F77".')
]
_LAYERS = "a first and a last layer, as in [3, 9]"
MOST_TOP_K = 1000


class IndexOptions(Options):
    """Which of a model's indexes."""

    projection: Projection = option(
        "raw",
        'How vectors are read: "raw", the unembedding times the vector, as LM-Debugger has it; '
        '"final_norm", through the final norm\'s weight.',
    )


class BuildOptions(IndexOptions):
    """What an index is to hold."""

    top_k: Annotated[StrictInt, Field(ge=1, le=MOST_TOP_K)] = option(
        50, "Tokens kept on either side of each vector.", flag="--top-k/-k"
    )
    layers: Layers | None = option(
        None, "These layers alone, in place of an index of all.", legal=_LAYERS
    )
    restart: bool = option(False, "Build anew what is there, or half done.")


class PageOptions(Options):
    """Which part of what is found."""

    layers: Layers | None = option(None, "Absent: every layer.", legal=_LAYERS)
    limit: Positive = option(20, "How many to list.", limit="max_hits")
    offset: Count = option(0, "How many to skip.")


class SearchOptions(PageOptions):
    """How vectors are found by the words of their lists of tokens."""

    match: Match = option(
        "word",
        '"word": every token that is the word up to case and white space before it; "exact": the '
        'token of exactly this text; "part": tokens that contain it (and, of a word that the '
        "tokenizer splits, the tokens that it is split into).",
    )
    combine: Combine = option("any", "Whether any of the words is enough, or all must be there.")
    side: Side = option("promoted", "What vectors do to the tokens.")
    ranking: Ranking = option("strength", "How what is found is ordered.")


class TokenSearchOptions(PageOptions):
    """How vectors are found by what they do to one token."""

    side: Side = option("promoted", "What vectors do to the tokens.")


class SimilarOptions(PageOptions):
    """Which of the nearest vectors are listed."""

    include_negative: bool = option(
        False, "Vectors that point the opposite way count as near, too, and keep their sign."
    )


class BrowseOptions(Options):
    """Which vectors of a layer, by number."""

    first: Count = option(0, "The first neuron.")
    count: Positive = option(20, "How many to list.", limit="max_hits")


class ClustersOptions(Options):
    """How vectors are put into groups."""

    method: ClusterMethod = option(
        "kmeans", '"kmeans": spherical; "complete": linkage, LM-Debugger\'s.'
    )
    n: Positive | None = option(None, "How many clusters; absent: chosen by size.")
    seed: Count = option(0, "Where k-means begins.")
