"""Requests to the vector index and their answers, in wire formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from unembed.analyses.tools.projections import token_direction
from unembed.engine.names.sites import parse_target
from unembed.errors import InputError, TargetError, UnembedError
from unembed.index import Clusters, VectorIndex
from unembed.index.live import live_page
from unembed.server import wire
from unembed.server.describe import as_wire
from unembed.server.experiments import ids_of, last_run, naming, one_token, position_of
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor

_MEMBERS, _NEIGHBOURS, _SUMMARY_TOKENS = 10, 10, 12


# ---------------------------------------------------------------- what there is


def status(session: Session) -> wire.IndexStatus:
    """What there is of each projection, what is being built, and what building costs."""
    reason, problem = _why_none(session), None
    found: dict[str, wire.IndexAbout | None] = {"raw": None, "final_norm": None}
    for projection in found:
        try:
            about = session.indexes.about(projection)
        except UnembedError as error:
            problem = f"{error.message}. {error.fix}" if error.fix else error.message
        else:
            found[projection] = None if about is None else _about(about)
    building = None if reason else session.indexes.building()
    return wire.IndexStatus(
        raw=found["raw"],
        final_norm=found["final_norm"],
        building=None if building is None else as_wire(wire.IndexBuilding, building),
        reason=reason,
        problem=problem,
        estimate=None if reason else as_wire(wire.IndexEstimate, session.indexes.estimate()),
    )


def _about(about: object) -> wire.IndexAbout:
    return as_wire(wire.IndexAbout, about)


def _why_none(session: Session) -> str | None:
    if find_spec("lancedb") is None:
        return "LanceDB is not installed: pip install 'unembed[index]'"
    try:
        session.indexes.estimate()
    except UnembedError as error:
        return error.message
    return None


def build(session: Session, job: Job, body: wire.IndexBuildRequest) -> wire.IndexAbout:
    """Build an index; what else waits for the compute thread is done in between."""
    return _about(
        session.indexes.build(body.projection, job, session.give_way, restart=body.restart)
    )


# ---------------------------------------------------------------- searching


def search(session: Session, body: wire.IndexSearchRequest) -> wire.HitsResponse:
    """By words."""
    index = session.indexes.opened(body.projection)
    with _naming_word(body.words):
        hits = index.search(
            body.words,
            match=body.match,
            combine=body.combine,
            side=body.side,
            ranking=body.ranking,
            layers=_layers(body.layers),
            limit=body.limit,
            offset=body.offset,
        )
    return as_wire(wire.HitsResponse, hits)


@contextmanager
def _naming_word(words: list[str]) -> Iterator[None]:
    """Errors about one of several words name it."""
    try:
        yield
    except InputError as error:
        if error.field == "words" and error.value in words:
            error.field = f"words[{words.index(str(error.value))}]"
        raise


def token(session: Session, body: wire.IndexTokenRequest) -> wire.HitsResponse:
    """By one token."""
    index = session.indexes.opened(body.projection)
    hits = index.token(
        one_token(session, body.token, "token"),
        side=body.side,
        layers=_layers(body.layers),
        limit=body.limit,
        offset=body.offset,
    )
    return as_wire(wire.HitsResponse, hits)


def similar(session: Session, job: Job, body: wire.IndexSimilarRequest) -> wire.HitsResponse:
    """By direction: of a neuron, of a token or the difference of two, of a state of a run."""
    index = session.indexes.opened(body.projection)
    if body.target is not None:
        asked: str | Tensor = body.target
    elif body.tokens is not None:
        asked = _of_tokens(session, body.tokens, body.projection)
    else:
        with _inside("state"):
            asked = _of_state(session, job, body.state)
    hits = index.similar(asked, layers=_layers(body.layers), limit=body.limit)
    return as_wire(wire.HitsResponse, hits)


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


def _of_state(session: Session, job: Job, state: wire.StateRef | None) -> Tensor:
    """An activation of the width of the residual stream, at one position of a run."""
    if state is None:
        raise InputError("nothing was named to be similar to", field="target")
    ids = ids_of(session, state.prompt)
    position = position_of(state.position, len(ids))
    with naming("site"):
        target = parse_target(state.site)
        if target.text != state.site or target.kind == "neuron" or target.head is not None:
            raise _no_stream(state.site)
    run = last_run(session, job, state.edits, ids, [state.site])
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


def browse(session: Session, body: wire.IndexBrowseRequest) -> wire.HitsResponse:
    """By number; the score is the norm."""
    index = session.indexes.opened(body.projection)
    try:
        pages = index.browse(body.layer, body.first, body.count)
    except InputError as error:
        error.field = "layer" if error.field == "layers" else error.field
        raise
    return wire.HitsResponse(
        total=session.model.block(body.layer).mlp.d_mlp,
        items=[as_wire(wire.Hit, index.hit(page.node, page.norm)) for page in pages],
    )


def _layers(layers: list[int] | None) -> tuple[int, int] | None:
    return None if layers is None else (layers[0], layers[1])


# ---------------------------------------------------------------- one neuron


def vector(session: Session, body: wire.VectorRequest) -> wire.VectorResponse:
    """One neuron: from its weights, and where there is an index from that."""
    found = vars(live_page(session.model, body.target, body.projection))
    index = session.indexes.find(body.projection)
    return as_wire(wire.VectorResponse, found | (_indexed(index, body.target) if index else {}))


def _indexed(index: VectorIndex, target: str) -> dict[str, Any]:
    """What only an index knows: how long the vector is among all, its neighbours, its cluster."""
    page = index.vector(target)
    name = max(page.clusters, default=None)  # k-means before complete linkage
    return {
        "percentile": page.norm_percentile,
        "similar": index.similar(target, limit=_NEIGHBOURS).items,
        "cluster": None if name is None else page.clusters[name],
        "clustering": None if name is None else _parsed(name),
    }


def _parsed(name: str) -> dict[str, Any]:
    """What a clustering is called on disk: "kmeans-1229-0"."""
    method, n, seed = name.split("-")
    return {"method": method, "n": int(n), "seed": int(seed)}


# ---------------------------------------------------------------- clusters


def clusters(session: Session, job: Job, body: wire.IndexClustersRequest) -> wire.ClustersResponse:
    """A page of clusters, largest first."""
    made = _clusters(session, job, body)
    shown = range(body.offset, min(body.offset + body.limit, made.n))
    items = [
        {
            "cluster": number,
            "size": made.sizes[number],
            "tokens": made.tokens(number, _SUMMARY_TOKENS),
            "central": list(made.central(number)),
        }
        for number in shown
    ]
    about = {"method": made.method, "n": made.n, "seed": made.seed, "total": made.n}
    return as_wire(wire.ClustersResponse, about | {"items": items})


def cluster(session: Session, job: Job, body: wire.IndexClusterRequest) -> wire.ClusterResponse:
    """One cluster; a member's score is its cosine with the middle."""
    index = session.indexes.opened(body.projection)
    one = _clusters(session, job, body).cluster(body.cluster)
    cosine = dict(zip(one.members, one.cosines, strict=True))
    shown = {
        "central": one.members[:_MEMBERS],
        "random": one.random(body.sample_seed, _MEMBERS),
    }
    hits = {
        name: [index.hit(node, cosine[node]) for node in nodes] for name, nodes in shown.items()
    }
    about = {"cluster": one.id, "size": one.size, "tokens": one.tokens}
    return as_wire(wire.ClusterResponse, about | hits)


def _clusters(
    session: Session, job: Job, body: wire.IndexClustersRequest | wire.IndexClusterRequest
) -> Clusters:
    return session.indexes.clusters(
        body.projection, body.n, body.method, body.seed, job, session.give_way
    )
