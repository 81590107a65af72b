"""The question: what does one position predict, in every layer, with the edits and without?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from unembed.analyses.predictions.predictions import (
    compare_predictions,
    has_lens,
    layer_predictions,
    predictions_capture,
)
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.questions.requests import PredictionsRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import ids_of, optional_token, position_of, token_of
from unembed.session import Job, Session

if TYPE_CHECKING:
    from unembed.analyses.predictions.predictions import Predictions, TokenChange
    from unembed.analyses.sub_updates.result import LayerUpdates, SubUpdates
    from unembed.engine.names.tokens import Token
    from unembed.engine.passes.forward import Logits
    from unembed.engine.passes.run import Run


@dataclass(frozen=True)
class PredictionsAnswer:
    """Both runs at one position; what is of the edited one is None when no edit is enabled."""

    tokens: tuple[Token, ...]
    position: int
    target: Token | None
    distractor: Token | None
    baseline: Predictions
    edited: Predictions | None = None
    changes: tuple[TokenChange, ...] | None = None
    kl: float | None = None
    baseline_updates: SubUpdates | None = None  # where they were asked for, and layers are read
    edited_updates: SubUpdates | None = None


def answer(session: Session, job: Job, request: PredictionsRequest) -> PredictionsAnswer:
    """One position, in every layer, with the edits and without."""
    model = session.model
    ids = ids_of(session, request.prompt)
    position = position_of(request.position, len(ids))
    target = token_of(session, request.target, "target")
    distractor = token_of(session, request.distractor, "distractor")
    capture = [*predictions_capture(model)]
    if request.sub_updates:
        capture += sub_updates_capture(model)
    logits: Logits = "none" if has_lens(model) else "all"
    baseline, edited = both_runs(session, job, request, ids, capture, logits=logits)
    sides = _read(
        baseline,
        edited,
        position,
        top_k=request.top_k,
        target=target,
        distractor=distractor,
        cancel=job.cancel,
        progress=job.progress,
    )
    if request.sub_updates and has_lens(model):
        for name, run in (("baseline_updates", baseline), ("edited_updates", edited)):
            if run is not None:
                sides[name] = _taken_apart(session, job, run, position, request.sub_updates)
    return PredictionsAnswer(
        tokens=tuple(model.tokens(ids)),
        position=position,
        target=optional_token(session, target),
        distractor=optional_token(session, distractor),
        **sides,
    )


def _read(baseline: Run, edited: Run | None, position: int, **options: Any) -> dict[str, Any]:
    if edited is None:
        return {"baseline": layer_predictions(baseline, position, **options)}
    compared = compare_predictions(baseline, edited, position, **options)
    return {name: getattr(compared, name) for name in ("baseline", "edited", "changes", "kl")}


def _taken_apart(session: Session, job: Job, run: Run, position: int, k: int) -> SubUpdates:
    """What neurons and heads wrote; the baseline's stays the same while a person changes edits."""

    def made() -> SubUpdates:
        found = sub_updates(run, position, k, cancel=job.cancel, progress=job.progress)
        return replace(found, layers=tuple(_without_vectors(one) for one in found.layers))

    return session.recent.get(("sub-updates", run.local_key, position, k), made)


def _without_vectors(one: LayerUpdates) -> LayerUpdates:
    """What was written, in numbers and words alone: it is kept, and vectors are large."""
    heads, neurons = (
        None if branch is None else replace(branch, writes=branch.writes[:0])
        for branch in (one.heads, one.neurons)
    )
    return replace(one, heads=heads, neurons=neurons)
