"""The routes of the vector index. Those that compute wait their turn; the others only read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from fastapi import Request, Response

from unembed.errors import BusyError
from unembed.index.about import IndexAbout
from unembed.index.hits import Hits
from unembed.questions import requests, vectors
from unembed.server.responses import json_bytes
from unembed.server.routing import (
    compute,
    compute_detached,
    look_up,
    routes_below,
    session_of,
    work_responses,
)
from unembed.server.wire import body_of
from unembed.session import Job

router = routes_below("/api/index")


@router.get(
    "",
    response_model=body_of(vectors.IndexStatus),
    responses=work_responses(body_of(vectors.IndexStatus), body=False),
)
async def index_status(request: Request) -> Response:
    """What is indexed, what is being built, and what building would cost."""
    session = session_of(request)
    answer = await look_up(request, lambda _: json_bytes(vectors.status(session)))
    with suppress(BusyError):
        session.submit(lambda _: session.indexes.warm(), on="index")
    return answer


@router.post("/build", responses=work_responses(body_of(IndexAbout)))
async def index_build(request: Request, body: requests.IndexBuildRequest) -> Response:
    """Build an index. It goes on when the client leaves; DELETE its job stops it.

    Other requests are answered in between; what is done is kept, and built upon the next time.
    """
    session = session_of(request)
    return await compute_detached(
        request,
        body,
        lambda job: json_bytes(vectors.build(session, job, body)),
    )


async def _asked(
    request: Request, body: requests.AmongRequest, answer: Callable[[Job], bytes]
) -> Response:
    """What is only read does not wait for what is computed; an index of latents may be computed."""
    if body.among == "latents":
        return await compute(request, body, answer)
    return await look_up(request, answer, body)


@router.post("/search", responses=work_responses(body_of(Hits)))
async def index_search(request: Request, body: requests.IndexSearchRequest) -> Response:
    """Vectors whose lists of tokens have the words."""
    session = session_of(request)
    return await _asked(request, body, lambda job: json_bytes(vectors.search(session, job, body)))


@router.post("/token", responses=work_responses(body_of(Hits)))
async def index_token(request: Request, body: requests.IndexTokenRequest) -> Response:
    """The vectors that raise, or lower, one token most: exactly, over all vectors."""
    session = session_of(request)
    return await _asked(request, body, lambda job: json_bytes(vectors.token(session, job, body)))


@router.post("/similar", responses=work_responses(body_of(Hits)))
async def index_similar(request: Request, body: requests.IndexSimilarRequest) -> Response:
    """The vectors nearest to a neuron's, to a token's direction, or to a state of a run."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: json_bytes(vectors.similar(session, job, body)),
    )


@router.post("/vector", responses=work_responses(body_of(vectors.ValueVector)))
async def index_vector(request: Request, body: requests.VectorRequest) -> Response:
    """One neuron, whatever runs: what it writes and what makes it fire. Needs no index."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: json_bytes(vectors.vector(session, job, body)),
    )


@router.post("/browse", responses=work_responses(body_of(Hits)))
async def index_browse(request: Request, body: requests.IndexBrowseRequest) -> Response:
    """The vectors of a layer, by number."""
    session = session_of(request)
    return await _asked(request, body, lambda job: json_bytes(vectors.browse(session, job, body)))


@router.post("/clusters", responses=work_responses(body_of(vectors.ClusterList)))
async def index_clusters(request: Request, body: requests.IndexClustersRequest) -> Response:
    """Clusters, largest first; computed when they are first asked for, then kept."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: json_bytes(vectors.clusters(session, job, body)),
    )


@router.post("/cluster", responses=work_responses(body_of(vectors.ClusterMembers)))
async def index_cluster(request: Request, body: requests.IndexClusterRequest) -> Response:
    """One cluster: its tokens, its middle, and members drawn at random."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: json_bytes(vectors.cluster(session, job, body)),
    )
