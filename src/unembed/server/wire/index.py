"""The vector index: how it is built, what can be asked of it, what is found."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt, StrictStr

from unembed.server.wire.base import Position, Prompt, TokenRef, TokenText, Wire
from unembed.server.wire.experiments import EditSpec, JobName

Projection = Literal["raw", "final_norm"]
Side = Literal["promoted", "suppressed", "both"]
Match = Literal["word", "exact", "part"]
Combine = Literal["any", "all"]
Ranking = Literal["strength", "bm25"]
ClusterMethod = Literal["kmeans", "complete"]
Count = Annotated[StrictInt, Field(ge=1, le=2**31 - 1)]
Offset = Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]
Layers = Annotated[
    list[Offset],
    Field(min_length=2, max_length=2, description="First and last layer; both are included."),
]
Node = Annotated[
    StrictStr,
    Field(max_length=64, description='A neuron: "L12.N512"; LM-Debugger\'s "L12D512" is read too.'),
]


class IndexAbout(Wire):
    """One index on disk."""

    model: str
    fingerprint: str
    projection: Projection
    top_k: int = Field(description="Tokens stored at either end of each vector's list.")
    n_vectors: int
    d: int = Field(description="Width of a vector.")
    bytes: int = Field(description="On disk.")
    made: str = Field(description="When, ISO 8601.")
    versions: dict[str, str]


class IndexBuilding(Wire):
    """A build that runs, or one that was interrupted and goes on where it stopped."""

    projection: Projection
    job: str | None = Field(description="Follow or cancel it by this name; null: it does not run.")
    done: int = Field(description="Vectors that are done.")
    total: int = Field(description="Of a build that goes on: what was left of it.")


class IndexEstimate(Wire):
    """What building would cost."""

    vectors: int
    seconds: float
    bytes: int


class IndexStatus(Wire):
    """What there is of each projection, what is being built, and what building costs."""

    raw: IndexAbout | None
    final_norm: IndexAbout | None
    building: IndexBuilding | None
    reason: str | None = Field(description="Why no index of this model can be built.")
    problem: str | None = Field(None, description="What is wrong with an index on disk.")
    estimate: IndexEstimate | None = Field(description="Absent with a reason.")


class IndexRequest(Wire):
    """What every request to the index has."""

    projection: Projection = Field(
        "raw",
        description='"raw": the unembedding times the vector, as LM-Debugger has it; "final_norm": '
        "through the final norm's weight.",
    )
    job: JobName | None = Field(
        None, description="A name of the client's choice, to follow or cancel the work by."
    )


class IndexBuildRequest(IndexRequest):
    restart: bool = Field(False, description="Build anew what is there, or half done.")


class IndexPage(IndexRequest):
    """Which part of what is found to send."""

    layers: Layers | None = Field(None, description="Absent: every layer.")
    limit: Count = 20
    offset: Offset = 0


class IndexSearchRequest(IndexPage):
    words: Annotated[list[StrictStr], Field(min_length=1, fail_fast=True)]
    match: Match = Field(
        "word",
        description='"word": every token that is the word up to case and white space before it; '
        '"exact": the token of exactly this text; "part": tokens that contain it.',
    )
    combine: Combine = "any"
    side: Side = "promoted"
    ranking: Ranking = "strength"


class IndexTokenRequest(IndexPage):
    token: TokenRef
    side: Side = "promoted"


class StateRef(Wire):
    """A state of a run: the residual stream, or any other site of its width."""

    prompt: Prompt
    edits: Annotated[list[EditSpec], Field(fail_fast=True)] = Field([])
    site: Annotated[StrictStr, Field(max_length=64)] = Field(description='"L5.resid_post"')
    position: Position = -1


class IndexSimilarRequest(IndexRequest):
    """Exactly one of `target`, `tokens` and `state` says what vectors are to be similar to."""

    target: Node | None = None
    tokens: Annotated[list[TokenRef | None], Field(min_length=1, max_length=2)] | None = Field(
        None, description="The unembedding of a token, minus that of another one if there is one."
    )
    state: StateRef | None = None
    layers: Layers | None = Field(None, description="Absent: every layer.")
    limit: Count = 20


class IndexBrowseRequest(IndexRequest):
    layer: Offset
    first: Offset = Field(0, description="The first neuron.")
    count: Count = 20


class VectorRequest(IndexRequest):
    target: Node


class IndexClustersRequest(IndexRequest):
    method: ClusterMethod = Field(
        "kmeans", description='"kmeans": spherical; "complete": linkage, LM-Debugger\'s.'
    )
    n: Count | None = Field(None, description="How many clusters; absent: chosen by size.")
    seed: Offset = 0
    offset: Offset = 0
    limit: Count = 20


class IndexClusterRequest(IndexRequest):
    method: ClusterMethod = "kmeans"
    n: Count | None = None
    seed: Offset = 0
    cluster: Offset
    sample_seed: Offset = Field(0, description="Which members are drawn at random.")


# ---------------------------------------------------------------- what is found


class TokenScore(Wire):
    """A token, and how far a vector's projection raises it."""

    token: TokenText
    score: float


class Hit(Wire):
    """One value vector."""

    node: str
    layer: int
    neuron: int
    score: float
    norm: float
    matched: list[TokenScore] = Field(description="The tokens that were asked for.")
    promoted: list[TokenScore] = Field(description="Most raised first.")
    suppressed: list[TokenScore] = Field(description="Most lowered first.")


class HitsResponse(Wire):
    total: int = Field(description="How many there are in all.")
    items: list[Hit]


class Clustering(Wire):
    """Which clusters: pass it back to look inside."""

    method: ClusterMethod
    n: int
    seed: int


class VectorResponse(Wire):
    """One value vector, whatever runs."""

    target: str
    layer: int
    neuron: int
    norm: float
    percentile: float | None = Field(None, description="Of the norm, among all; needs an index.")
    layer_percentile: float = Field(description="Of the norm, within the layer.")
    promoted: list[TokenScore]
    suppressed: list[TokenScore]
    key_promotes: list[TokenScore] = Field(
        description="Tokens whose input embedding the key direction fires on most: cosines. Of a "
        "gated neuron: its input, not its gate."
    )
    key_suppresses: list[TokenScore]
    gate_promotes: list[TokenScore] | None = Field(
        description="The same of the gate; absent where there is none."
    )
    key_reason: str | None = Field(None, description="Why nothing is said of the key direction.")
    cluster: int | None = Field(None, description="Absent before clusters were computed.")
    clustering: Clustering | None = None
    similar: list[Hit] | None = Field(None, description="The nearest ten; absent without an index.")


class ClusterSummary(Wire):
    """One cluster in a list of them."""

    cluster: int
    size: int
    tokens: list[TokenScore] = Field(description="What its members promote, pooled.")
    central: list[str] = Field(description="The members nearest to its middle.")


class ClustersResponse(Wire):
    method: ClusterMethod
    n: int
    seed: int
    total: int
    items: list[ClusterSummary]


class ClusterResponse(Wire):
    """One cluster from inside."""

    cluster: int
    size: int
    tokens: list[TokenScore]
    central: list[Hit] = Field(description="Members nearest to its middle; score: the cosine.")
    random: list[Hit] = Field(description="Members drawn at random.")
