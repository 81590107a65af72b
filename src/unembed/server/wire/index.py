"""The vector index: what there is of it, and what is found."""

from __future__ import annotations

from pydantic import Field

from unembed.index.options import ClusterMethod, Projection
from unembed.server.wire.base import TokenText, Wire


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
