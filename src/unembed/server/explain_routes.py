"""The routes of explanations: what nodes do, in words, tested against chance."""

from __future__ import annotations

from fastapi import Request, Response

from unembed.explanations.result import Explanations
from unembed.explanations.scores import ExplanationScores
from unembed.questions import explanations, requests
from unembed.server.responses import json_bytes
from unembed.server.routing import (
    compute_detached,
    look_up,
    routes_below,
    session_of,
    work_responses,
)
from unembed.server.wire import body_of

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
