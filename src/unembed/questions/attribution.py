"""The questions: what does every node do to an objective; and what does an activation of one prompt
do in the run of another, along one path, or over many pairs of prompts?
"""

from __future__ import annotations

from unembed.analyses.attribution.attribute import attribute
from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.result import Attribution, AttributionComparison
from unembed.analyses.patching.grid import patch_grid
from unembed.analyses.patching.options import PairsOptions, PatchOptions, PathOptions
from unembed.analyses.patching.paths import PathPatches, path_patch
from unembed.analyses.patching.result import PatchGrid, PatchStudy
from unembed.analyses.patching.study import patch_pairs
from unembed.engine.editing.edits import Edit
from unembed.engine.model import Model
from unembed.engine.names.vocabulary import Read
from unembed.questions.editing import edits_of
from unembed.questions.experiment import Prompted
from unembed.questions.requests import (
    AttributeRequest,
    PatchPairsRequest,
    PatchPathRequest,
    PatchRequest,
)
from unembed.questions.tokens import as_given, naming, read_of
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: AttributeRequest) -> AttributionComparison:
    """Every node in the baseline, and in the edited run."""
    model, options = session.model, request.only(AttributionOptions)
    read = read_of(model, request)
    made = edits_of(session, job, request.edits, read)
    others = []
    for order, one in enumerate(request.references):
        with naming(f"references[{order}]"):
            others.append(
                read_of(
                    model, Prompted(prompt=one, source=request.source, pair=request.pair)
                ).prompt
            )

    def explained(edits: tuple[Edit, ...]) -> Attribution:
        return attribute(
            model,
            read.prompt,
            edits=edits,
            references=others,
            options=options,
            cancel=job.cancel,
            progress=job.progress,
        )

    edited = None
    if made.edits:  # first: what is wrong with them is said before anything is computed
        with made.naming():
            edited = explained(made.edits)
    return AttributionComparison(explained(()), edited)


def patch(session: Session, job: Job, request: PatchRequest) -> PatchGrid:
    """The grid of one pair of prompts."""
    model = session.model
    clean, corrupted = _both(model, request)
    return patch_grid(
        model,
        clean.prompt,
        corrupted.prompt,
        options=request.only(PatchOptions),
        cancel=job.cancel,
        progress=job.progress,
    )


def patch_path(session: Session, job: Job, request: PatchPathRequest) -> PathPatches:
    """Paths from senders to receivers, of one pair of prompts."""
    model = session.model
    clean, corrupted = _both(model, request)
    return path_patch(
        model,
        clean.prompt,
        corrupted.prompt,
        request.senders,
        request.receivers,
        options=request.only(PathOptions),
        cancel=job.cancel,
        progress=job.progress,
    )


def _both(model: Model, request: PatchRequest | PatchPathRequest) -> tuple[Read, Read]:
    """The clean prompt and the corrupted one."""
    clean = read_of(model, request)
    with naming("corrupted"):
        source = None if request.source is None else as_given(request.source)
        return clean, model.read_prompt(as_given(request.corrupted), source)


def patch_over(session: Session, job: Job, request: PatchPairsRequest) -> PatchStudy:
    """The mean grid of many pairs."""
    return patch_pairs(
        session.model,
        request.all_pairs(),
        options=request.only(PairsOptions),
        cancel=job.cancel,
        progress=job.progress,
    )
