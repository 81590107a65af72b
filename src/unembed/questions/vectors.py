"""Questions to the vector index: by word, by token, by direction, by number, by cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, ClassVar, cast

from unembed.analyses.tools.projections import token_direction
from unembed.analyses.tools.writes import node_of
from unembed.engine.names.sites import parse_target
from unembed.errors import InputError, TargetError, UnembedError
from unembed.index.about import IndexAbout
from unembed.index.clusters import Clusters
from unembed.index.hits import Hit, Hits, Scores
from unembed.index.live import LivePage, live_page, nearest_hits
from unembed.index.options import (
    BrowseOptions,
    BuildOptions,
    ClusterMethod,
    ClustersOptions,
    SearchOptions,
    SimilarOptions,
    TokenSearchOptions,
)
from unembed.index.vector_index import VectorIndex
from unembed.questions import requests
from unembed.questions.runs import last_run
from unembed.questions.tokens import naming, one_token, position_of, read_of
from unembed.result import TABLE_ROW, Axes, Columns, Result
from unembed.session import Job, Session
from unembed.session.indexes import Building, Estimate

if TYPE_CHECKING:
    from torch import Tensor

_MEMBERS, _NEIGHBOURS, _SUMMARY_TOKENS = 10, 10, 12


# ---------------------------------------------------------------- what there is


@dataclass(frozen=True)
class IndexStatus:
    """What there is of each projection, what is being built, and what building costs."""

    raw: IndexAbout | None
    final_norm: IndexAbout | None
    building: Building | None
    reason: Annotated[str | None, "Why no index of this model can be built."]
    problem: Annotated[str | None, "What is wrong with an index on disk."]
    estimate: Annotated[Estimate | None, "Null with a reason."]


def status(session: Session) -> IndexStatus:
    """What there is, whether or not it can be asked."""
    reason, problem = _why_none(session), None
    found: dict[str, IndexAbout | None] = {"raw": None, "final_norm": None}
    for projection in found:
        try:
            found[projection] = session.indexes.about(projection)
        except UnembedError as error:
            problem = f"{error.message}. {error.fix}" if error.fix else error.message
    return IndexStatus(
        raw=found["raw"],
        final_norm=found["final_norm"],
        building=None if reason else session.indexes.building(),
        reason=reason,
        problem=problem,
        estimate=None if reason else session.indexes.estimate(),
    )


def _why_none(session: Session) -> str | None:
    if find_spec("lancedb") is None:
        return "LanceDB is not installed: pip install 'unembed[index]'"
    try:
        session.indexes.estimate()
    except UnembedError as error:
        return error.message
    return None


def build(session: Session, job: Job, request: requests.IndexBuildRequest) -> IndexAbout:
    """Build an index; what else waits for the compute thread is done in between."""
    return session.indexes.build(request.only(BuildOptions), job, session.give_way)


# ---------------------------------------------------------------- searching


def _index(session: Session, job: Job, request: requests.AmongRequest) -> VectorIndex:
    """What is searched; raises IndexMissingError where it was not built."""
    if request.among == "latents":
        return session.indexes.latents(request.projection, job, session.give_way)
    return session.indexes.opened(request.projection)


def search(session: Session, job: Job, request: requests.IndexSearchRequest) -> Hits:
    """By words."""
    index = _index(session, job, request)
    with _naming_word(request.words):
        return index.search(request.words, options=request.only(SearchOptions))


@contextmanager
def _naming_word(words: list[str]) -> Iterator[None]:
    """Errors about one of several words name it."""
    try:
        yield
    except InputError as error:
        if error.field == "words" and error.value in words:
            error.field = f"words[{words.index(str(error.value))}]"
        raise


def token(session: Session, job: Job, request: requests.IndexTokenRequest) -> Hits:
    """By one token."""
    index = _index(session, job, request)
    asked = one_token(session, request.token, "token")
    return index.token(asked, options=request.only(TokenSearchOptions))


def similar(session: Session, job: Job, request: requests.IndexSimilarRequest) -> Hits:
    """By direction: of a neuron, of a token or the difference of two, of a state of a run."""
    index = _index(session, job, request)
    if request.target is not None:
        asked: str | Tensor = request.target
    elif request.tokens is not None:
        asked = _of_tokens(session, request.tokens, request.projection)
    else:
        with _inside("state"):
            asked = _of_state(session, job, request.state)
    return index.similar(asked, options=request.only(SimilarOptions))


def _of_tokens(session: Session, tokens: list[str | int | None], projection: str) -> Tensor:
    """The direction of one token, or of the difference of two."""
    plus, minus = (*tokens, None)[:2]
    direction = token_direction(
        session.model,
        one_token(session, plus, "tokens[0]"),
        None if minus is None else one_token(session, minus, "tokens[1]"),
        projection,
    )
    return _usable(direction, "tokens", "two tokens that differ")


def _of_state(session: Session, job: Job, state: requests.StateRef | None) -> Tensor:
    """An activation of the width of the residual stream, at one position of a run."""
    if state is None:
        raise InputError("nothing was named to be similar to", field="target")
    read = read_of(session.model, state)
    with naming("site"):
        target = parse_target(state.site)
        if target.text != state.site or target.row.number is not None:
            raise _no_stream(state.site)
    position = position_of(state.position, read.lengths.of(target.site_key))
    run = last_run(session, job, state.edits, read, [state.site])
    found: Tensor = run[state.site]
    if found.shape[1:] != (session.model.anatomy.d_model,):
        raise _no_stream(state.site)
    return _usable(found[position].float(), "site", "a state that is not zero")


def _usable(direction: Tensor, field: str, legal: str) -> Tensor:
    if not bool(direction.isfinite().all()) or not bool(direction.any()):
        message = "the direction is zero, or not finite: nothing is similar to it"
        raise InputError(message, field=field, legal=legal)
    return direction


def _no_stream(site: str) -> TargetError:
    legal = '"L5.resid_post", "L5.attn_out", "embed" ...'
    message = f"{site} is no vector of the residual stream; write for example {legal}"
    return TargetError(message, field="site", value=site, legal=legal)


@contextmanager
def _inside(prefix: str) -> Iterator[None]:
    """Fields of errors raised inside are parts of this field."""
    try:
        yield
    except UnembedError as error:
        error.field = prefix if error.field is None else f"{prefix}.{error.field}"
        raise


def browse(session: Session, job: Job, request: requests.IndexBrowseRequest) -> Hits:
    """By number; the score is the norm."""
    index = _index(session, job, request)
    try:
        pages = index.browse(request.layer, options=request.only(BrowseOptions))
    except InputError as error:
        error.field = "layer" if error.field == "layers" else error.field
        raise
    return Hits(index.n_in(request.layer), tuple(index.hit(page.node, page.norm) for page in pages))


# ---------------------------------------------------------------- one neuron


@dataclass(frozen=True)
class Clustering:
    """Which clusters: what to pass back to look inside."""

    method: ClusterMethod
    n: int
    seed: int


@dataclass(frozen=True, repr=False)
class ValueVector(LivePage, Result):
    """One value vector, whatever runs: from the weights, and where there is an index from that."""

    percentile: Annotated[float | None, "Of the norm, among all; needs an index."] = None
    similar: Annotated[
        tuple[Hit, ...] | None,
        "The nearest ten; of a latent among those of its autoencoder. Of a neuron among those of "
        "an index, null without one; of a model that can have none among those of its layer.",
    ] = None
    cluster: Annotated[int | None, "Null before clusters were computed."] = None
    clustering: Clustering | None = None

    def summary(self) -> str:
        raised = f", raises {self.promoted[0].token.text!r}" if self.promoted else ""
        return f"{self.target}, norm {self.norm:.3g}{raised}"

    def columns(self) -> Columns:
        """One row for each token that it raises or lowers."""
        n = len(self.promoted)
        scores = [*self.promoted, *self.suppressed]
        return {
            "list": ["promoted"] * n + ["suppressed"] * (len(scores) - n),
            "token": [one.token.text for one in scores],
            "score": [one.score for one in scores],
        }


def vector(session: Session, _: Job, request: requests.VectorRequest) -> ValueVector:
    """One neuron or latent, whatever runs. What only an index knows is None without one."""
    page = vars(live_page(session.model, request.target, request.projection))
    can_have_index = session.model.capabilities()["lens"].available
    if node_of(session.model, request.target).row.derived or not can_have_index:
        near = nearest_hits(session.model, request.target, request.projection, _NEIGHBOURS)
        return ValueVector(**page, similar=near)
    index = session.indexes.find(request.projection)
    return ValueVector(**page) if index is None else _indexed(page, index, request.target)


def _indexed(live: dict[str, object], index: VectorIndex, target: str) -> ValueVector:
    page = index.vector(target)
    name = max(page.clusters, default=None)  # k-means before complete linkage
    return ValueVector(
        **live,  # type: ignore[arg-type]
        percentile=page.norm_percentile,
        similar=index.similar(target, limit=_NEIGHBOURS).items,
        cluster=None if name is None else page.clusters[name],
        clustering=None if name is None else _parsed(name),
    )


def _parsed(name: str) -> Clustering:
    """What a clustering is called on disk: "kmeans-1229-0"."""
    method, n, seed = name.split("-")
    return Clustering(cast("ClusterMethod", method), int(n), int(seed))


# ---------------------------------------------------------------- clusters


@dataclass(frozen=True)
class ClusterSummary:
    """One cluster in a list of them."""

    cluster: int
    size: int
    tokens: Annotated[Scores, "What its members promote, pooled."]
    central: Annotated[tuple[str, ...], "The members nearest to its middle."]


@dataclass(frozen=True, repr=False)
class ClusterList(Result):
    """A page of clusters, largest first."""

    axes: ClassVar[Axes] = {"cluster": (TABLE_ROW,), "size": (TABLE_ROW,)}

    method: ClusterMethod
    n: int
    seed: int
    total: int
    items: tuple[ClusterSummary, ...]

    def summary(self) -> str:
        return f"{len(self.items)} of {self.total:,}, {self.method}"

    def columns(self) -> Columns:
        """One row for each cluster."""
        return {
            "cluster": [one.cluster for one in self.items],
            "size": [one.size for one in self.items],
            "tokens": [[score.token.text for score in one.tokens] for one in self.items],
            "central": [list(one.central) for one in self.items],
        }


@dataclass(frozen=True, repr=False)
class ClusterMembers(Result):
    """One cluster from inside; a member's score is its cosine with the middle."""

    axes: ClassVar[Axes] = {"cosine": (TABLE_ROW,)}

    cluster: int
    size: int
    tokens: Annotated[Scores, "What its members promote, pooled."]
    central: Annotated[tuple[Hit, ...], "Members nearest to its middle."]
    random: Annotated[tuple[Hit, ...], "Members drawn at random."]

    def summary(self) -> str:
        return f"cluster {self.cluster}, {self.size:,} vectors"

    def columns(self) -> Columns:
        """One row for each member that is named."""
        named = [*self.central, *self.random]
        n = len(self.central)
        return {
            "list": ["central"] * n + ["random"] * (len(named) - n),
            "node": [one.node for one in named],
            "cosine": [one.score for one in named],
        }


def clusters(session: Session, job: Job, request: requests.IndexClustersRequest) -> ClusterList:
    """A page of clusters, largest first."""
    made = _clusters(session, job, request)
    shown = range(request.offset, min(request.offset + request.limit, made.n))
    items = tuple(
        ClusterSummary(
            cluster=number,
            size=made.sizes[number],
            tokens=made.tokens(number, _SUMMARY_TOKENS),
            central=tuple(made.central(number)),
        )
        for number in shown
    )
    method = cast("ClusterMethod", made.method)
    return ClusterList(method, made.n, made.seed, made.n, items)


def cluster(session: Session, job: Job, request: requests.IndexClusterRequest) -> ClusterMembers:
    """One cluster, its middle, and members drawn at random."""
    index = session.indexes.opened(request.projection)
    one = _clusters(session, job, request).cluster(request.cluster)
    cosine = dict(zip(one.members, one.cosines, strict=True))
    central, drawn = (
        tuple(index.hit(node, cosine[node]) for node in nodes)
        for nodes in (one.members[:_MEMBERS], one.random(request.sample_seed, _MEMBERS))
    )
    return ClusterMembers(one.id, one.size, one.tokens, central, drawn)


def _clusters(
    session: Session,
    job: Job,
    request: requests.IndexClustersRequest | requests.IndexClusterRequest,
) -> Clusters:
    options = request.only(ClustersOptions)
    return session.indexes.clusters(request.projection, options, job, session.give_way)
