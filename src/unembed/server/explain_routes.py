"""The routes of explanations: what nodes do, in words, tested against chance."""

from __future__ import annotations

from fastapi import Request, Response

from unembed.explanations.result import Explanations
from unembed.questions import explanations, requests
from unembed.server.responses import json_bytes
from unembed.server.routing import compute_detached, routes_below, session_of, work_responses
from unembed.server.wire import body_of

router = routes_below("/api/explain")


@router.post("", responses=work_responses(body_of(Explanations)))
async def explain(request: Request, body: requests.ExplainRequest) -> Response:
    """Labels of nodes from a corpus, with scores and nulls: one pass, which lets others in."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(explanations.answer(session, job, body))
    )
