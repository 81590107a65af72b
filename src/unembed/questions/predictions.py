"""The question: what does one position predict, in every layer, with the edits and without?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from unembed.analyses.predictions.options import PredictionsOptions
from unembed.analyses.predictions.predictions import (
    compare_predictions,
    explained,
    has_lens,
    layer_predictions,
    predictions_capture,
    with_updates,
)
from unembed.analyses.predictions.result import Predictions
from unembed.analyses.sub_updates.result import LayerUpdates, SubUpdates
from unembed.analyses.sub_updates.sub_updates import sub_updates
from unembed.analyses.tools.target import read_target
from unembed.engine.passes.forward import Logits
from unembed.engine.passes.run import Run
from unembed.questions.requests import PredictionsRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import position_of, read_of
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: PredictionsRequest) -> Predictions:
    """One position, in every layer, with the edits and without."""
    model = session.model
    read = read_of(session.model, request)
    options = request.only(PredictionsOptions)
    asked = options.changed(
        position=position_of(request.position, len(read.ids)),
        sub_updates=0,  # from the last ones: see `_sub_updates`
    )
    read_target(model, request.target, request.distractor)  # refuses it before anything runs
    work: dict[str, Any] = {"options": asked, "cancel": job.cancel, "progress": job.progress}
    capture = predictions_capture(model, options.sub_updates, options.layers)
    logits: Logits = "none" if has_lens(model) else "all"
    baseline, edited = both_runs(session, job, request, read, capture, logits=logits)
    if edited is None:
        found, runs = layer_predictions(baseline, **work), [baseline]
    else:
        found, runs = compare_predictions(baseline, edited, **work), [baseline, edited]
    k = options.sub_updates
    if not k:
        return found
    return with_updates(found, runs, lambda run: _sub_updates(session, job, run, asked, k))


def _sub_updates(
    session: Session, job: Job, run: Run, asked: PredictionsOptions, k: int
) -> SubUpdates:
    """What neurons and heads wrote; the baseline's stays the same while a person changes edits."""

    position = asked.position

    def made() -> SubUpdates:
        target = explained(session.model, asked, position)
        work: dict[str, Any] = {"cancel": job.cancel, "progress": job.progress}
        found = sub_updates(run, position, k, target=target, **work)
        return replace(found, layers=tuple(_without_vectors(one) for one in found.layers))

    key = ("sub-updates", run.local_key, position, k, asked.target, asked.distractor)
    return session.recent.get(key, made)


def _without_vectors(one: LayerUpdates) -> LayerUpdates:
    """What was written, in numbers and words alone: it is kept, and vectors are large."""
    bare: dict[str, Any] = {
        name: replace(branch, writes=branch.writes[:0]) for name, branch in one.branches()
    }
    return replace(one, **bare)
