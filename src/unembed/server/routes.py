"""The routes of the model: each parses its body, queues its work and sends what comes back.

No numbers here.
"""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from unembed import __version__
from unembed.analyses.attention.result import (
    AttentionComparison,
    HeadScores,
    ThumbnailsComparison,
)
from unembed.analyses.attribution.result import AttributionComparison
from unembed.analyses.attribution_graph.estimate import GraphEstimate
from unembed.analyses.attribution_graph.result import AttributionGraph, MeasuredEdge
from unembed.analyses.circuits.result import Circuit
from unembed.analyses.component.result import Component
from unembed.analyses.labels.result import LabelScores
from unembed.analyses.lens.result import LensComparison
from unembed.analyses.patching.paths import PathPatches
from unembed.analyses.patching.result import PatchGrid, PatchStudy
from unembed.analyses.predictions.result import Predictions
from unembed.analyses.tracing.result import TraceComparison
from unembed.questions import attention as attention_question
from unembed.questions import attribution as attribution_question
from unembed.questions import circuits as circuit_question
from unembed.questions import component as component_question
from unembed.questions import flow as flow_question
from unembed.questions import generation as generation_question
from unembed.questions import graphs as graph_question
from unembed.questions import labels as labels_question
from unembed.questions import lens as lens_question
from unembed.questions import limits, requests
from unembed.questions import predictions as predictions_question
from unembed.server import (
    corpus_routes,
    describe,
    events,
    explain_routes,
    index_routes,
    packing,
    sae_routes,
    streaming,
    wire,
    workspace_routes,
)
from unembed.server.access import Policy
from unembed.server.error_responses import JSON, error_response
from unembed.server.responses import array_bytes, json_bytes
from unembed.server.routing import (
    POST,
    TIMING,
    WORK,
    JobId,
    Responses,
    as_json,
    compute,
    disconnected,
    errors,
    routes_below,
    session_of,
    work_responses,
)
from unembed.session.bridge import find, finish

_UNKNOWN_JOB_SECONDS = 3.0


HTML = "text/html; charset=utf-8"
PAGE: Responses = {
    200: {
        "description": "One HTML file that needs neither network nor scripts.",
        "headers": TIMING,
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}


def _arrays_response(name: str, kind: type) -> Responses:
    return {
        200: {
            "description": f"Arrays, and `{kind.__name__}` as JSON under `__metadata__.{name}`.",
            "headers": TIMING,
            "content": {packing.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        }
    }


_EVENTS_RESPONSE: Responses = {
    200: {
        "description": "Server-sent events named `state`, each a `JobEvent`, until its end.",
        "content": {events.MEDIA_TYPE: {"schema": events.schema("token", "end", "error")}},
    }
}

_STREAM_RESPONSE: Responses = {
    200: {
        "description": "Server-sent events: `token`, each a `GenerateToken`; at the end `end`, a "
        "`GenerationComparison`, or `error`, an `ErrorBody`.",
        "content": {events.MEDIA_TYPE: {"schema": events.schema("token", "end", "error")}},
    }
}

router = routes_below()
ROUTERS = (
    router,
    index_routes.router,
    corpus_routes.router,
    sae_routes.router,
    explain_routes.router,
    workspace_routes.router,
)


@router.get("/api/health", response_model=wire.Health, responses=errors())
async def health() -> Response:
    """A sign of life, and the version."""
    return as_json(wire.Health(version=__version__))


@router.post("/api/login", status_code=204, response_class=Response, responses=errors(*POST))
async def login(request: Request, body: wire.LoginRequest) -> Response:
    """Exchange the token for a cookie that scripts cannot read."""
    policy: Policy = request.app.state.policy
    if not policy.knows(body.token.encode()):
        challenge = {"WWW-Authenticate": "Bearer"}
        return error_response(
            401, "unauthorized", "The token is wrong.", field="token", headers=challenge
        )
    response = Response(status_code=204)
    response.set_cookie(policy.cookie, policy.token, path="/", httponly=True, samesite="strict")
    return response


@router.get("/api/model", response_model=wire.ModelInfo, responses=errors())
async def model(request: Request) -> Response:
    """The loaded model: its shape, what can be asked of it, and the limits."""
    # its fingerprint may still have to be read from the weights
    return as_json(await run_in_threadpool(describe.model_info, session_of(request)))


@router.post(
    "/api/tokenize",
    response_model=wire.body_of(describe.TokenizeResponse),
    responses=errors(*POST, *WORK),
)
async def tokenize(request: Request, body: requests.TokenizeRequest) -> Response:
    """The tokens of a prompt."""
    session = session_of(request)
    limits.check(body, session.settings)
    job = session.submit(lambda _: json_bytes(describe.tokenize(session, body)), on="text")
    return Response(await finish(session, job, disconnected(request)), media_type=JSON)


@router.post("/api/predictions", responses=work_responses(wire.body_of(Predictions)))
async def predictions(request: Request, body: requests.PredictionsRequest) -> Response:
    """Next-token distribution, and what every layer predicts, at one position."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(predictions_question.answer(session, job, body))
    )


@router.post("/api/labels", responses=work_responses(wire.body_of(LabelScores)))
async def labels(request: Request, body: requests.LabelsRequest) -> Response:
    """Which labels a model for classification gives, with the edits and without."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(labels_question.answer(session, job, body))
    )


@router.post(
    "/api/lens",
    response_class=Response,
    responses=_arrays_response("lens", LensComparison) | errors(*POST, *WORK),
)
async def lens(request: Request, body: requests.LensRequest) -> Response:
    """The grid of layers and positions."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: array_bytes("lens", lens_question.answer(session, job, body)),
        packing.MEDIA_TYPE,
    )


@router.post(
    "/api/attention",
    response_class=Response,
    responses=_arrays_response("attention", AttentionComparison) | errors(*POST, *WORK),
)
async def attention(request: Request, body: requests.AttentionRequest) -> Response:
    """What heads look at, with the edits and without."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: array_bytes("attention", attention_question.answer(session, job, body)),
        packing.MEDIA_TYPE,
    )


@router.post("/api/heads", responses=work_responses(wire.body_of(HeadScores)))
async def heads(request: Request, body: requests.HeadsRequest) -> Response:
    """What every head does, as scores; in the edited run where an edit is enabled."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(attention_question.heads(session, job, body))
    )


@router.post(
    "/api/thumbnails",
    response_class=Response,
    responses=_arrays_response("thumbnails", ThumbnailsComparison) | errors(*POST, *WORK),
)
async def thumbnails(request: Request, body: requests.ThumbnailsRequest) -> Response:
    """The patterns of all heads, each shrunk, with the edits and without."""
    session = session_of(request)
    return await compute(
        request,
        body,
        lambda job: array_bytes("thumbnails", attention_question.thumbnails(session, job, body)),
        packing.MEDIA_TYPE,
    )


@router.post("/api/attribute", responses=work_responses(wire.body_of(AttributionComparison)))
async def attribute(request: Request, body: requests.AttributeRequest) -> Response:
    """What every node does to an objective, with the edits and without."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(attribution_question.answer(session, job, body))
    )


@router.post("/api/trace", responses=work_responses(wire.body_of(TraceComparison)))
async def trace(request: Request, body: requests.TraceRequest) -> Response:
    """What every node upstream does to a node, with the edits and without."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(circuit_question.trace(session, job, body))
    )


@router.post("/api/circuit", responses=work_responses(wire.body_of(Circuit)))
async def circuit(request: Request, body: requests.CircuitRequest) -> Response:
    """The edges that carry an objective, and how much of it they carry alone."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(circuit_question.circuit(session, job, body))
    )


@router.post("/api/circuit/pairs", responses=work_responses(wire.body_of(Circuit)))
async def circuit_pairs(request: Request, body: requests.CircuitPairsRequest) -> Response:
    """Which edges carry the answers of many pairs of prompts, in the mean."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(circuit_question.circuit_over(session, job, body))
    )


@router.post("/api/graph", responses=work_responses(wire.body_of(AttributionGraph)))
async def graph(request: Request, body: requests.GraphRequest) -> Response:
    """Which latents of transcoders make which others, and the answer."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(graph_question.graph(session, job, body))
    )


@router.post("/api/graph/estimate", responses=work_responses(wire.body_of(GraphEstimate)))
async def graph_estimate(request: Request, body: requests.GraphRequest) -> Response:
    """Nodes, time and memory of an attribution graph, from its pass and a few ways back."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(graph_question.estimate(session, job, body))
    )


@router.post("/api/graph/edge", responses=work_responses(wire.body_of(MeasuredEdge)))
async def edge(request: Request, body: requests.EdgeRequest) -> Response:
    """One edge of an attribution graph, measured by taking its source out."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(graph_question.edge(session, job, body))
    )


@router.post("/api/patch", responses=work_responses(wire.body_of(PatchGrid)))
async def patch(request: Request, body: requests.PatchRequest) -> Response:
    """A grid of runs of one prompt, each with one activation of another."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(attribution_question.patch(session, job, body))
    )


@router.post("/api/patch/path", responses=work_responses(wire.body_of(PathPatches)))
async def patch_path(request: Request, body: requests.PatchPathRequest) -> Response:
    """What nodes do to the objective of one prompt through others alone."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(attribution_question.patch_path(session, job, body))
    )


@router.post("/api/patch/pairs", responses=work_responses(wire.body_of(PatchStudy)))
async def patch_pairs(request: Request, body: requests.PatchPairsRequest) -> Response:
    """Patching grids of many pairs of prompts, and the mean of each cell."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(attribution_question.patch_over(session, job, body))
    )


@router.post("/api/flow", responses=work_responses(wire.body_of(flow_question.FlowComparison)))
async def flow(request: Request, body: requests.FlowRequest) -> Response:
    """The flow graph of chosen layers at one position, with the edits and without."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(flow_question.answer(session, job, body))
    )


@router.post("/api/component", responses=work_responses(wire.body_of(Component)))
async def component(request: Request, body: requests.ComponentRequest) -> Response:
    """One node: what it writes at a position, and what that promotes."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(component_question.answer(session, job, body))
    )


@router.post("/api/component/page", responses=PAGE | errors(*POST, *WORK))
async def component_page(request: Request, body: requests.ComponentRequest) -> Response:
    """The same as one HTML file without scripts, to be kept."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: component_question.page(session, job, body).encode(), HTML
    )


@router.post(
    "/api/generate",
    responses=work_responses(wire.body_of(generation_question.GenerationComparison)),
)
async def generate(request: Request, body: requests.GenerateRequest) -> Response:
    """Continue the prompt, with the edits and without."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(generation_question.answer(session, job, body))
    )


@router.post(
    "/api/generate/stream",
    response_class=StreamingResponse,
    responses=_STREAM_RESPONSE | errors(*POST, *WORK),
)
async def generate_stream(request: Request, body: requests.GenerateRequest) -> Response:
    """Continue the prompt, token by token. What fails before the first one has its status."""
    session = session_of(request)
    limits.check(body, session.settings)
    return await streaming.respond(session, body, disconnected(request))


@router.get(
    "/api/jobs/{job}/events",
    response_class=StreamingResponse,
    responses=_EVENTS_RESPONSE | errors(404),
)
async def job_events(request: Request, job: JobId) -> Response:
    """The progress of a job. One that is not known yet is waited for, a short while."""
    found = await find(session_of(request), job, _UNKNOWN_JOB_SECONDS)
    if found is None:
        return _no_such_job(job)
    return StreamingResponse(events.stream(found), media_type=events.MEDIA_TYPE)


@router.delete("/api/jobs/{job}", status_code=204, response_class=Response, responses=errors(404))
async def cancel_job(request: Request, job: JobId) -> Response:
    """Cancel a job; its own request is answered with 499."""
    session = session_of(request)
    found = session.job(job)
    if found is None:
        return _no_such_job(job)
    session.stop(found)
    return Response(status_code=204)


def _no_such_job(job: str) -> Response:
    message = "There is no such job: it never was, or it ended long ago."
    return error_response(404, "not_found", message, field="job", value=job)
