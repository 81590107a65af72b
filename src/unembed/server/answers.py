"""Requests to answers: runs through the session, analyses of the runs, wire formats back.

Runs on the compute thread. Calls analyses; computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Literal

import torch

from unembed.analyses.component import component as components
from unembed.analyses.lens import grid as lenses
from unembed.analyses.lens.plan import LensOptions, check_cells, plan_lens
from unembed.analyses.predictions import predictions as analysis
from unembed.analyses.sub_updates.sub_updates import sub_updates, sub_updates_capture
from unembed.engine.passes.generation import Continuation
from unembed.server import wire
from unembed.server.describe import as_wire, optional_token, token_text, token_texts
from unembed.server.experiments import (
    any_enabled,
    both_runs,
    edits_of,
    ids_of,
    last_run,
    naming,
    position_of,
    token_of,
)
from unembed.server.packing import pack
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor

    from unembed.analyses.lens.plan import LensPlan
    from unembed.analyses.lens.result import LensResult
    from unembed.analyses.sub_updates.result import BranchUpdates
    from unembed.engine.editing.edits import Edit
    from unembed.engine.passes.forward import Logits
    from unembed.engine.passes.generation import NewToken
    from unembed.engine.passes.run import Run

Side = Literal["baseline", "edited"]


def predictions(
    session: Session, job: Job, body: wire.PredictionsRequest
) -> wire.PredictionsResponse:
    """One position, in every layer, with the edits and without."""
    model = session.model
    ids = ids_of(session, body.prompt)
    position = position_of(body.position, len(ids))
    options: dict[str, Any] = {
        "top_k": body.top_k,
        "target": token_of(session, body.target, "target"),
        "distractor": token_of(session, body.distractor, "distractor"),
        "cancel": job.cancel,
        "progress": job.progress,
    }
    capture = [*analysis.predictions_capture(model)]
    if body.sub_updates:
        capture += sub_updates_capture(model)
    logits: Logits = "none" if analysis.has_lens(model) else "all"
    baseline, edited = both_runs(session, job, body, ids, capture, logits=logits)
    if edited is None:
        sides = {"baseline": analysis.layer_predictions(baseline, position, **options)}
    else:
        compared = analysis.compare_predictions(baseline, edited, position, **options)
        sides = {name: getattr(compared, name) for name in ("baseline", "edited", "changes", "kl")}
    about = {
        "tokens": model.tokens(ids),
        "position": position,
        "target": optional_token(model, options["target"]),
        "distractor": optional_token(model, options["distractor"]),
    }
    answer = as_wire(wire.PredictionsResponse, about | sides)
    if body.sub_updates:
        for run, side in ((baseline, answer.baseline), (edited, answer.edited)):
            _take_apart(session, job, run, side, position, body.sub_updates)
    return answer


def _take_apart(
    session: Session,
    job: Job,
    run: Run | None,
    side: wire.PredictionSide | None,
    position: int,
    k: int,
) -> None:
    """Add to each layer what its neurons and heads wrote."""
    if run is None or side is None or side.layers is None:
        return

    def made() -> list[tuple[wire.BranchUpdates, wire.BranchUpdates]]:
        found = sub_updates(run, position, k, cancel=job.cancel, progress=job.progress)
        return [
            (_branch(one.heads, one.heads_reason), _branch(one.neurons, one.neurons_reason))
            for one in found.layers
        ]

    # The baseline stays the same while a person changes edits: half of the work is saved.
    parts = session.recent.get(("sub-updates", run.key, position, k), made)
    for layer, (heads, neurons) in zip(side.layers, parts, strict=True):
        layer.heads, layer.neurons = heads, neurons


def _branch(found: BranchUpdates | None, reason: str | None) -> wire.BranchUpdates:
    return as_wire(wire.BranchUpdates, {"reason": reason} if found is None else found)


def component(session: Session, job: Job, body: wire.ComponentRequest) -> wire.ComponentResponse:
    """One node at one position, in the edited run where an edit is enabled."""
    ids = ids_of(session, body.prompt)
    position = position_of(body.position, len(ids))
    with naming("target"):
        capture = components.component_capture(session.model, body.target, position)
    run = last_run(session, job, body.edits, ids, capture)
    with naming("target"):
        found = components.component(run, body.target, position, body.top_k)
    return as_wire(wire.ComponentResponse, found)


def lens(session: Session, job: Job, body: wire.LensRequest) -> bytes:
    """The grid, or both grids and what lies between, as arrays and what says how to read them."""
    sides, between = lens_sides(session, job, body)
    arrays = {} if between is None else {"kl_between": _sent(between)}
    for side, result in sides.items():
        arrays |= {f"{side}.{name}": _sent(array) for name, array in result.arrays().items()}
    return pack(arrays, {"lens": _lens_metadata(list(sides.values())).model_dump_json()})


def lens_sides(
    session: Session, job: Job, body: wire.LensRequest
) -> tuple[dict[str, LensResult], Tensor | None]:
    """The lens of the baseline; with an enabled edit also "edited", and what lies between."""
    ids = ids_of(session, body.prompt)
    plan = _lens_plan(session, body, len(ids))
    check_cells(plan, session.settings.max_lens_cells, 2 if any_enabled(body.edits) else 1)
    baseline, edited = both_runs(session, job, body, ids, plan.capture)
    if edited is None:
        return {"baseline": lenses.lens_of_run(baseline, plan, job.cancel, job.progress)}, None
    found = lenses.compare_lenses(baseline, edited, plan, job.cancel, job.progress)
    return {"baseline": found.baseline, "edited": found.edited}, found.kl_between


def _lens_plan(session: Session, body: wire.LensRequest, n_prompt: int) -> LensPlan:
    """What the request asks to read; raises before anything runs."""
    names = [field.name for field in fields(LensOptions)]
    options = LensOptions(**{name: getattr(body, name) for name in names})
    target = token_of(session, body.target, "target")
    return plan_lens(session.model, n_prompt, replace(options, target=target))


def _sent(array: Tensor) -> Tensor:
    """Ids and ranks as U32, numbers as F32; the id -1 of no token becomes 4294967295."""
    if array.is_floating_point():
        return array.to(torch.float32)
    return torch.where(array < 0, array + 2**32, array).to(torch.uint32)


def _lens_metadata(sides: Sequence[LensResult]) -> wire.LensMetadata:
    first = sides[0]
    occurring = {token.id: token for side in sides for token in side.vocabulary}
    return wire.LensMetadata(
        rows=list(first.rows),
        positions=list(first.positions),
        tokens=token_texts(first.tokens),
        n_prompt=first.n_prompt,
        decoder=first.decoder,
        follow=first.follow,
        vocabulary=token_texts(occurring[token_id] for token_id in sorted(occurring)),
        target=None if first.target is None else token_text(first.target),
        edited=len(sides) == 2,
    )


def generate(
    session: Session,
    job: Job,
    body: wire.GenerateRequest,
    tell: Callable[[wire.GenerateToken], None] | None = None,
) -> wire.GenerateResponse:
    """Continue the prompt, with the edits and without, token by token in turn."""
    model = session.model
    ids = ids_of(session, body.prompt)
    made = edits_of(session, job, body.edits, ids)
    sides: dict[Side, Continuation] = {"baseline": _continuation(session, job, body, ids, ())}
    with made.naming():
        if made.edits:
            sides["edited"] = _continuation(session, job, body, ids, made.edits)
        for index in range(body.max_new_tokens):
            for side, growing in sides.items():
                if not growing.is_over:
                    with growing.running():
                        new = growing.step()
                    if tell is not None:
                        tell(_new_token(side, index, new))
    texts = {side: growing.result() for side, growing in sides.items()}
    baseline, edited = texts["baseline"], texts.get("edited")
    return wire.GenerateResponse(
        prompt_tokens=token_texts(model.tokens(ids)),
        baseline=token_texts(baseline.new_tokens),
        baseline_text=baseline.text,
        edited=None if edited is None else token_texts(edited.new_tokens),
        edited_text=None if edited is None else edited.text,
    )


def _continuation(
    session: Session,
    job: Job,
    body: wire.GenerateRequest,
    ids: tuple[int, ...],
    edits: Sequence[Edit],
) -> Continuation:
    return Continuation(
        session.model,
        ids,
        body.max_new_tokens,
        tuple(edits),
        temperature=float(body.temperature),
        seed=body.seed,
        cancel=job.cancel,
        progress=job.progress,
    )


def _new_token(side: Side, index: int, new: NewToken) -> wire.GenerateToken:
    return wire.GenerateToken(
        side=side, index=index, token=token_text(new.token), probability=new.probability
    )
