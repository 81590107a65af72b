"""The routes: each parses its body, queues its work and sends what comes back. No numbers here.

Every status that a route answers is listed with it, so that the OpenAPI schema is the whole truth.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from unembed import __version__
from unembed.server import answers, bodies, describe, events, limits, packing, wire
from unembed.server.access import Policy
from unembed.server.replies import JSON, error_reply
from unembed.server.table import JOB
from unembed.session import Job, Session
from unembed.session.bridge import find, finish

Responses = dict[int | str, dict[str, Any]]

_UNKNOWN_JOB_SECONDS = 3.0
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
_POST = (408, 413, 415)
_WORK = (422, 499, 503, 504)
_TOOK = {
    "Server-Timing": {"schema": {"type": "string"}, "description": "Waited and computed, in ms."},
    "X-Unembed-Cached": {
        "schema": {"type": "string", "enum": ["true", "false"]},
        "description": "Whether every forward pass was at hand.",
    },
}
_LENS_RESPONSE: Responses = {
    200: {
        "description": "Arrays, and `LensMetadata` as JSON under `__metadata__.lens`.",
        "headers": _TOOK,
        "content": {packing.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
    }
}
_EVENTS_RESPONSE: Responses = {
    200: {
        "description": "Server-sent events named `state`, each a `JobEvent`, until its end.",
        "content": {events.MEDIA_TYPE: {"schema": {"type": "string"}}},
    }
}

JobId = Annotated[str, Path(pattern=f"^{JOB}$", description="The name that the request gave.")]
Work = Callable[[Job], bytes]


class StrictRoute(APIRoute):
    """A route whose body is parsed by `bodies`, before FastAPI validates it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a body that is parsed already."""
        handler = super().get_route_handler()

        async def strict(request: Request) -> Response:
            if request.method == "POST":
                depth = _session(request).settings.max_json_depth
                request._json = bodies.parse(await request.body(), depth)
            return await handler(request)

        return strict


router = APIRouter(route_class=StrictRoute)


def _errors(*statuses: int) -> Responses:
    return {
        status: {"model": wire.ErrorResponse, "description": _STATUSES[status]}
        for status in sorted({*_ALWAYS, *statuses})
    }


def _work_responses(model: type[BaseModel]) -> Responses:
    ok: Responses = {200: {"model": model, "headers": _TOOK}}
    return ok | _errors(*_POST, *_WORK)


def _session(request: Request) -> Session:
    session: Session = request.app.state.session
    return session


def _json(body: BaseModel) -> Response:
    return Response(encoded(body), media_type=JSON)


def encoded(body: BaseModel) -> bytes:
    """A body as it is sent."""
    return body.model_dump_json().encode()


async def _left(request: Request) -> None:
    """Return when the client has gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _compute(request: Request, body: wire.Experiment, work: Work, media: str) -> Response:
    """Queue work, wait for it, and say in the headers what it took."""
    session = _session(request)
    job = session.submit(work, body.job)
    content = await finish(session, job, _left(request))
    waited, computed = (seconds * 1000 for seconds in job.seconds())
    headers = {
        "Server-Timing": f"queue;dur={waited:.1f}, compute;dur={computed:.1f}",
        "X-Unembed-Cached": "true" if job.cached else "false",
    }
    return Response(content, 200, headers, media)


@router.get("/api/health", response_model=wire.Health, responses=_errors())
async def health() -> Response:
    """A sign of life, and the version."""
    return _json(wire.Health(version=__version__))


@router.post("/api/login", status_code=204, response_class=Response, responses=_errors(*_POST))
async def login(request: Request, body: wire.LoginRequest) -> Response:
    """Exchange the token for a cookie that scripts cannot read."""
    policy: Policy = request.app.state.policy
    if not policy.knows(body.token.encode()):
        challenge = {"WWW-Authenticate": "Bearer"}
        return error_reply(
            401, "unauthorized", "The token is wrong.", field="token", headers=challenge
        )
    response = Response(status_code=204)
    response.set_cookie(policy.cookie, policy.token, path="/", httponly=True, samesite="strict")
    return response


@router.get("/api/model", response_model=wire.ModelInfo, responses=_errors())
async def model(request: Request) -> Response:
    """The loaded model: its shape, what can be asked of it, and the limits."""
    return _json(describe.model_info(_session(request)))


@router.post(
    "/api/tokenize",
    response_model=wire.TokenizeResponse,
    responses=_errors(*_POST, *_WORK),
)
async def tokenize(request: Request, body: wire.TokenizeRequest) -> Response:
    """The tokens of a prompt."""
    session = _session(request)
    limits.check_prompt(body.prompt, "prompt", session.settings)
    job = session.submit_text(lambda _: encoded(describe.tokenize(session, body)))
    return Response(await finish(session, job, _left(request)), media_type=JSON)


@router.post("/api/predictions", responses=_work_responses(wire.PredictionsResponse))
async def predictions(request: Request, body: wire.PredictionsRequest) -> Response:
    """Next-token distribution, and what every layer predicts, at one position."""
    session = _session(request)
    limits.check_experiment(body, session.settings)
    return await _compute(
        request, body, lambda job: encoded(answers.predictions(session, job, body)), JSON
    )


@router.post(
    "/api/lens",
    response_class=Response,
    responses=_LENS_RESPONSE | _errors(*_POST, *_WORK),
)
async def lens(request: Request, body: wire.LensRequest) -> Response:
    """The grid of layers and positions."""
    session = _session(request)
    limits.check_lens(body, session.settings)
    return await _compute(
        request, body, lambda job: answers.lens(session, job, body), packing.MEDIA_TYPE
    )


@router.post("/api/component", responses=_work_responses(wire.ComponentResponse))
async def component(request: Request, body: wire.ComponentRequest) -> Response:
    """One node: what it writes at a position, and what that promotes."""
    session = _session(request)
    limits.check_experiment(body, session.settings)
    return await _compute(
        request, body, lambda job: encoded(answers.component(session, job, body)), JSON
    )


@router.post("/api/generate", responses=_work_responses(wire.GenerateResponse))
async def generate(request: Request, body: wire.GenerateRequest) -> Response:
    """Continue the prompt, with the edits and without."""
    session = _session(request)
    limits.check_generate(body, session.settings)
    return await _compute(
        request, body, lambda job: encoded(answers.generate(session, job, body)), JSON
    )


@router.get(
    "/api/jobs/{job}/events",
    response_class=StreamingResponse,
    responses=_EVENTS_RESPONSE | _errors(404),
)
async def job_events(request: Request, job: JobId) -> Response:
    """The progress of a job. One that is not known yet is waited for, a short while."""
    found = await find(_session(request), job, _UNKNOWN_JOB_SECONDS)
    if found is None:
        return _no_such_job(job)
    return StreamingResponse(events.stream(found), media_type=events.MEDIA_TYPE)


@router.delete("/api/jobs/{job}", status_code=204, response_class=Response, responses=_errors(404))
async def cancel_job(request: Request, job: JobId) -> Response:
    """Cancel a job; its own request is answered with 499."""
    session = _session(request)
    found = session.job(job)
    if found is None:
        return _no_such_job(job)
    session.stop(found)
    return Response(status_code=204)


def _no_such_job(job: str) -> Response:
    message = "There is no such job: it never was, or it ended long ago."
    return error_reply(404, "not_found", message, field="job", value=job)
