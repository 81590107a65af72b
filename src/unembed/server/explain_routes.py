"""The routes of explanations: what nodes do, in words, tested against chance."""

from __future__ import annotations

from fastapi import Request, Response

from unembed.explanations.result import Explanations
from unembed.explanations.scores import ExplanationScores
from unembed.questions import explanations, requests
from unembed.server import wire
from unembed.server.responses import json_bytes
from unembed.server.routing import (
    POST,
    WORK,
    compute_detached,
    encoded,
    errors,
    look_up,
    routes_below,
    session_of,
    work_responses,
)
from unembed.server.wire import body_of
from unembed.session import Session

router = routes_below("/api/explain")


@router.get(
    "/models",
    response_model=body_of(explanations.LanguageModels),
    responses=work_responses(body_of(explanations.LanguageModels), body=False),
)
async def explain_models(request: Request) -> Response:
    """The language models that can be asked about nodes."""
    session = session_of(request)
    return await look_up(request, lambda _: json_bytes(explanations.models(session)))


@router.post("", responses=work_responses(body_of(Explanations)))
async def explain(request: Request, body: requests.ExplainRequest) -> Response:
    """Labels of nodes from a corpus, with scores and nulls: one pass, which lets others in."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(explanations.answer(session, job, body))
    )


@router.post("/score", responses=work_responses(body_of(ExplanationScores)))
async def explain_score(request: Request, body: requests.ScoreRequest) -> Response:
    """How well an explanation tells what a node does, judged by a language model; a pass, too."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(explanations.score(session, job, body))
    )


@router.get(
    "/labels",
    response_model=body_of(explanations.NodeLabels),
    responses=work_responses(body_of(explanations.NodeLabels), body=False),
)
async def explain_labels(request: Request) -> Response:
    """The labels of this model's nodes; what it answers can be kept as a file."""
    session = session_of(request)
    return await look_up(
        request, lambda _: json_bytes(explanations.labels(session)), on="workspace"
    )


@router.post("/labels", status_code=204, response_class=Response, responses=errors(*POST, *WORK))
async def explain_label(request: Request, body: wire.LabelEdit) -> Response:
    """Label a node by hand; without a text, forget its label of one source."""
    session = session_of(request)
    await look_up(request, lambda _: _labelled(session, body), on="workspace")
    return Response(status_code=204)


def _labelled(session: Session, body: wire.LabelEdit) -> bytes:
    labels = explanations.kept_in(session)
    if body.text:
        labels.edit(body.node, body.text, body.by)
    else:
        labels.forget(body.node, body.source)
    return b""


@router.post("/labels/import", responses=work_responses(wire.LabelsKept))
async def explain_labels_import(request: Request, body: wire.ImportLabelsRequest) -> Response:
    """Keep labels of a file: all of them, or none."""
    session = session_of(request)

    def keep(_: object) -> bytes:
        return encoded(wire.LabelsKept(kept=explanations.kept_in(session).imported(body.labels)))

    return await look_up(request, keep, on="workspace")
