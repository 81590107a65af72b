"""The routes of the vector index. Those that compute wait their turn; the others only read."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request, Response

from unembed.errors import BusyError
from unembed.server import explore_limits, limits, wire
from unembed.server import index_answers as answers
from unembed.server.routing import (
    StrictRoute,
    compute,
    encoded,
    look_up,
    outlast,
    session_of,
    work_responses,
)

router = APIRouter(prefix="/api/index", route_class=StrictRoute)


@router.get(
    "", response_model=wire.IndexStatus, responses=work_responses(wire.IndexStatus, body=False)
)
async def index_status(request: Request) -> Response:
    """What is indexed, what is being built, and what building would cost."""
    session = session_of(request)
    answer = await look_up(request, lambda _: encoded(answers.status(session)))
    with suppress(BusyError):
        session.submit(lambda _: session.indexes.warm(), on="index")
    return answer


@router.post("/build", responses=work_responses(wire.IndexAbout))
async def index_build(request: Request, body: wire.IndexBuildRequest) -> Response:
    """Build an index. It goes on when the client leaves; DELETE its job stops it.

    Other requests are answered in between; what is done is kept, and built upon the next time.
    """
    session = session_of(request)
    return await outlast(request, body, lambda job: encoded(answers.build(session, job, body)))


@router.post("/search", responses=work_responses(wire.HitsResponse))
async def index_search(request: Request, body: wire.IndexSearchRequest) -> Response:
    """Vectors whose lists of tokens have the words."""
    session = session_of(request)
    explore_limits.check_search(body, session.settings)
    return await look_up(request, lambda _: encoded(answers.search(session, body)), body.job)


@router.post("/token", responses=work_responses(wire.HitsResponse))
async def index_token(request: Request, body: wire.IndexTokenRequest) -> Response:
    """The vectors that raise, or lower, one token most: exactly, over all vectors."""
    session = session_of(request)
    limits.check_token(body.token, "token")
    explore_limits.check_count(body.limit, "limit", session.settings)
    return await look_up(request, lambda _: encoded(answers.token(session, body)), body.job)


@router.post("/similar", responses=work_responses(wire.HitsResponse))
async def index_similar(request: Request, body: wire.IndexSimilarRequest) -> Response:
    """The vectors nearest to a neuron's, to a token's direction, or to a state of a run."""
    session = session_of(request)
    explore_limits.check_similar(body, session.settings)
    return await compute(request, body, lambda job: encoded(answers.similar(session, job, body)))


@router.post("/vector", responses=work_responses(wire.VectorResponse))
async def index_vector(request: Request, body: wire.VectorRequest) -> Response:
    """One neuron, whatever runs: what it writes and what makes it fire. Needs no index."""
    session = session_of(request)
    return await compute(request, body, lambda _: encoded(answers.vector(session, body)))


@router.post("/browse", responses=work_responses(wire.HitsResponse))
async def index_browse(request: Request, body: wire.IndexBrowseRequest) -> Response:
    """The vectors of a layer, by number."""
    session = session_of(request)
    explore_limits.check_count(body.count, "count", session.settings)
    return await look_up(request, lambda _: encoded(answers.browse(session, body)), body.job)


@router.post("/clusters", responses=work_responses(wire.ClustersResponse))
async def index_clusters(request: Request, body: wire.IndexClustersRequest) -> Response:
    """Clusters, largest first; computed when they are first asked for, then kept."""
    session = session_of(request)
    explore_limits.check_count(body.limit, "limit", session.settings)
    return await compute(request, body, lambda job: encoded(answers.clusters(session, job, body)))


@router.post("/cluster", responses=work_responses(wire.ClusterResponse))
async def index_cluster(request: Request, body: wire.IndexClusterRequest) -> Response:
    """One cluster: its tokens, its middle, and members drawn at random."""
    session = session_of(request)
    return await compute(request, body, lambda job: encoded(answers.cluster(session, job, body)))
