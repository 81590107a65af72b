"""Requests to answers: runs through the session, analyses of the runs, wire formats back.

Runs on the compute thread. Calls analyses; computes nothing itself.
"""

from __future__ import annotations

from unembed.engine.edits import Edit
from unembed.engine.generation import Generation
from unembed.server import wire
from unembed.server.describe import token_texts
from unembed.server.experiments import both_runs, edits_of, enabled, ids_of, naming_edits, position_of, token_of
from unembed.session import Job, Session


def predictions(session: Session, job: Job, body: wire.PredictionsRequest) -> wire.PredictionsResponse:
    ids = ids_of(session, body.prompt)
    position = position_of(body.position, len(ids))
    target = token_of(session, body.target, "target")
    distractor = token_of(session, body.distractor, "distractor")
    baseline, edited = both_runs(session, job, body, ids, ["resid_post"])
    raise NotImplementedError


def component(session: Session, job: Job, body: wire.ComponentRequest) -> wire.ComponentResponse:
    raise NotImplementedError


def lens(session: Session, job: Job, body: wire.LensRequest) -> bytes:
    raise NotImplementedError


def generate(session: Session, job: Job, body: wire.GenerateRequest) -> wire.GenerateResponse:
    """Continue the prompt, with the edits and without."""
    model = session.model
    ids = ids_of(session, body.prompt)
    edits = edits_of(session, job, body.edits)

    def continued(edits: list[Edit]) -> Generation:
        return model.generate(
            ids,
            body.max_new_tokens,
            edits,
            temperature=float(body.temperature),
            seed=body.seed,
            cancel=job.cancel,
            progress=job.progress,
        )

    baseline = continued([])
    edited = None
    if edits:
        with naming_edits(enabled(body.edits)):
            edited = continued(edits)
    return wire.GenerateResponse(
        prompt_tokens=token_texts(model.tokens(ids)),
        baseline=token_texts(baseline.new_tokens),
        baseline_text=baseline.text,
        edited=None if edited is None else token_texts(edited.new_tokens),
        edited_text=None if edited is None else edited.text,
    )
