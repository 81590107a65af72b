"""The routes of autoencoders that are trained here. Each lies in a folder of the cache, by a name;
they learn from corpora and from files that the client sends, and none of this machine is read or
written by a path that a request gives.
"""

from __future__ import annotations

from fastapi import Request, Response

from unembed.questions import sae_requests as requests
from unembed.questions import training
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
from unembed.training.estimate import TrainingEstimate
from unembed.training.result import SaeTraining

router = routes_below("/api/sae")


@router.get(
    "",
    response_model=body_of(training.SaeList),
    responses=work_responses(body_of(training.SaeList), body=False),
)
async def sae_list(request: Request) -> Response:
    """The autoencoders that were trained of the model, what is being trained, and what can be."""
    session = session_of(request)
    return await look_up(request, lambda _: json_bytes(training.listed(session)))


@router.post("/estimate", responses=work_responses(body_of(TrainingEstimate)))
async def sae_estimate(request: Request, body: requests.TrainEstimateRequest) -> Response:
    """Time, memory and disk of a training, from some of its passes and steps; takes seconds."""
    session = session_of(request)
    return await compute(
        request, body, lambda job: json_bytes(training.estimate(session, job, body))
    )


@router.post("/train", responses=work_responses(body_of(SaeTraining)))
async def sae_train(request: Request, body: requests.TrainSaeRequest) -> Response:
    """Train an autoencoder. It goes on when the client leaves; DELETE its job stops it.

    Other requests are answered in between; a checkpoint is kept, and gone on with the next time.
    """
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(training.train(session, job, body))
    )


@router.post("/resume", responses=work_responses(body_of(SaeTraining)))
async def sae_resume(request: Request, body: requests.ResumeSaeRequest) -> Response:
    """Go on with a training that was stopped, as it was begun."""
    session = session_of(request)
    return await compute_detached(
        request, body, lambda job: json_bytes(training.resume(session, job, body))
    )


@router.post("/attach", responses=work_responses(body_of(training.AttachedSaes)))
async def sae_attach(request: Request, body: requests.SaeNameRequest) -> Response:
    """Attach an autoencoder that was trained here: its latents are then nodes, for everyone."""
    session = session_of(request)
    return await compute(request, body, lambda job: json_bytes(training.attach(session, job, body)))


@router.post("/detach", responses=work_responses(body_of(training.AttachedSaes)))
async def sae_detach(request: Request, body: requests.DetachSaeRequest) -> Response:
    """Take an autoencoder off."""
    session = session_of(request)
    return await compute(request, body, lambda job: json_bytes(training.detach(session, job, body)))
