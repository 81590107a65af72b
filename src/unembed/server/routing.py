"""What every route is made of: strict bodies, the answers that it lists, work waited for.

Every status that a route answers is listed with it, so that the OpenAPI schema is the whole truth.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel

from unembed.questions import limits
from unembed.questions.experiment import Experiment
from unembed.questions.overflow import blamed_rightly
from unembed.questions.pairs import OverPairs
from unembed.questions.requests import (
    CircuitRequest,
    CorpusEstimateRequest,
    CorpusExamplesRequest,
    CorpusRelationsRequest,
    CorpusSearchRequest,
    CorpusSentencesRequest,
    CorpusUploadRequest,
    EdgeRequest,
    ExplainRequest,
    GraphRequest,
    HeadsRequest,
    IndexRequest,
    PatchPathRequest,
    PatchRequest,
    ScoreRequest,
)
from unembed.questions.sae_requests import (
    DetachSaeRequest,
    ResumeSaeRequest,
    SaeNameRequest,
    TrainEstimateRequest,
)
from unembed.server import parsing, wire
from unembed.server.error_responses import JSON
from unembed.server.table import JOB
from unembed.session import Job, Queue, Session
from unembed.session.bridge import attend, finish

Responses = dict[int | str, dict[str, Any]]

_STATUSES = {
    400: "The request is malformed; the error names the field.",
    401: "No token, or a wrong one.",
    403: "A Host or Origin that is not this server's.",
    404: "No such job.",
    408: "The body took too long to arrive.",
    413: "The body, or the work it asks for, is larger than the limits allow.",
    415: "The body is not application/json in UTF-8.",
    422: "This model cannot do that; the error says why.",
    499: "The work was cancelled.",
    500: "A fault of the server.",
    503: "Too many requests are waiting; `Retry-After` says when to try again.",
    504: "The work took longer than the limit.",
}
_ALWAYS = (400, 401, 403, 500)
POST = (408, 413, 415)
WORK = (422, 499, 503, 504)
TIMING = {
    "Server-Timing": {"schema": {"type": "string"}, "description": "Waited and computed, in ms."},
    "X-Unembed-Cached": {
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Whether every forward pass was at hand.",
    },
}
JobId = Annotated[str, Path(pattern=f"^{JOB}$", description="The name that the request gave.")]
Work = Callable[[Job], bytes]
Question = (
    Experiment
    | HeadsRequest
    | IndexRequest
    | CorpusEstimateRequest
    | CorpusExamplesRequest
    | CorpusRelationsRequest
    | CorpusSearchRequest
    | CorpusSentencesRequest
    | CorpusUploadRequest
    | TrainEstimateRequest
    | ResumeSaeRequest
    | SaeNameRequest
    | DetachSaeRequest
    | ExplainRequest
    | ScoreRequest
    | PatchRequest
    | PatchPathRequest
    | OverPairs
    | CircuitRequest
    | GraphRequest
    | EdgeRequest
)


class StrictRoute(APIRoute):
    """A route whose body is parsed by `parsing`, before FastAPI validates it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a body that is parsed already."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method == "POST":
                depth = session_of(request).settings.max_json_depth
                request._json = parsing.parse(await request.body(), depth)
            return await handler(request)

        return strict


def routes_below(prefix: str = "") -> APIRouter:
    """A table for strict routes; clients know each by the name of its function."""
    return APIRouter(
        prefix=prefix,
        route_class=StrictRoute,
        generate_unique_id_function=lambda route: route.name,
    )


def errors(*statuses: int) -> Responses:
    """The errors of a route: those of every route, and these."""
    return {
        status: {"model": wire.ErrorResponse, "description": _STATUSES[status]}
        for status in sorted({*_ALWAYS, *statuses})
    }


def work_responses(model: type[BaseModel], *, body: bool = True) -> Responses:
    """All answers of a route that computes; without a body it is a GET."""
    ok: Responses = {200: {"model": model, "headers": TIMING}}
    return ok | errors(*(POST if body else ()), *WORK)


def session_of(request: Request) -> Session:
    """The session behind the app."""
    session: Session = request.app.state.session
    return session


def as_json(body: BaseModel) -> Response:
    """A body as an answer."""
    return Response(encoded(body), media_type=JSON)


def encoded(body: BaseModel) -> bytes:
    """A body as it is sent."""
    return body.model_dump_json().encode()


async def disconnected(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def compute(request: Request, body: Question, work: Work, media: str = JSON) -> Response:
    """Queue a question, wait for the answer, and say in the headers what it took.

    What is too large is refused first, and never waits in the queue.
    """
    session = session_of(request)
    limits.check(body, session.settings)
    job = session.submit(_blaming_rightly(body, work), body.job)
    content = await finish(session, job, disconnected(request))
    return Response(content, 200, timing_headers(job), media)


def _blaming_rightly(body: Question, work: Work) -> Work:
    def answer(job: Job) -> bytes:
        with blamed_rightly(body):
            return work(job)

    return answer


async def look_up(
    request: Request, work: Work, body: Question | None = None, *, on: Queue = "index"
) -> Response:
    """Do work on a thread of its own, which waits behind no computation."""
    session = session_of(request)
    if body is not None:
        limits.check(body, session.settings)
    job = session.submit(work, None if body is None else body.job, on=on)
    return Response(
        await finish(session, job, disconnected(request)), 200, timing_headers(job), JSON
    )


async def compute_detached(request: Request, body: Question, work: Work) -> Response:
    """Queue work that goes on when the client leaves, and may take as long as it takes."""
    session = session_of(request)
    limits.check(body, session.settings)
    job = session.submit(work, body.job)
    return Response(await attend(job, disconnected(request)), 200, timing_headers(job), JSON)


def timing_headers(job: Job) -> dict[str, str]:
    """What a job took so far, as headers."""
    waited, computed = (seconds * 1000 for seconds in job.seconds())
    return {
        "Server-Timing": f"queue;dur={waited:.1f}, compute;dur={computed:.1f}",
        "X-Unembed-Cached": "true" if job.cached else "false",
    }
