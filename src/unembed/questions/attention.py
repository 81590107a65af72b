"""The questions: what do heads look at, with the edits and without; and what does each head do?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from unembed.analyses.attention import attention as analysis
from unembed.analyses.attention.heads import find_heads
from unembed.analyses.attention.options import AttentionOptions, HeadsOptions, ThumbnailsOptions
from unembed.analyses.attention.result import (
    PROMPTS,
    RUNS,
    AttentionComparison,
    HeadScores,
    Thumbnails,
    ThumbnailsComparison,
)
from unembed.analyses.attention.thumbnails import head_thumbnails
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.knocking import joined
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.run import Run
from unembed.options import Options
from unembed.questions.editing import edits_of
from unembed.questions.experiment import Prompted
from unembed.questions.requests import AttentionRequest, HeadsRequest, ThumbnailsRequest
from unembed.questions.runs import both_runs, last_from, runs_from
from unembed.questions.tokens import naming, read_of
from unembed.session import Job, Session

Made = TypeVar("Made")


def answer(session: Session, job: Job, request: AttentionRequest) -> AttentionComparison:
    """The heads asked for, in the baseline and in the edited run, or of the two prompts."""
    model, options = session.model, request.only(AttentionOptions)
    reads = _read(session, request)
    for read in reads:
        if options.between != "all":
            joined(read.segments, options.between)  # refuses it before anything runs
        limit = session.settings.max_attention_numbers // request.n_runs
        analysis.check_size(model, request.layers, options, read, limit)
    capture = analysis.attention_capture(model, request.layers, options=options)
    runs: tuple[Run | None, ...]
    if request.against is not None:  # each with the edits, where there are any
        edits, layers = request.edits, request.layers
        runs = tuple(last_from(session, job, edits, one, capture, layers) for one in reads)
    elif options.part == "encoder":  # whose layers come before all of the decoder's
        runs = both_runs(session, job, request, reads[0], capture)
    else:
        runs = runs_from(session, job, request, reads[0], capture, request.layers)
    found = [
        analysis.attention(
            run, request.layers, options=options, cancel=job.cancel, progress=job.progress
        )
        for run in runs
        if run is not None
    ]
    names = RUNS if request.against is None else PROMPTS
    return AttentionComparison(found[0], found[1] if len(found) > 1 else None, names)


def _read(session: Session, request: AttentionRequest) -> list[Read]:
    """The prompt, and the other one where there is one. Raises PromptError about either."""
    read = read_of(session.model, request)
    if request.against is None:
        return [read]
    other = Prompted(prompt=request.against, source=request.source, pair=request.pair)
    with naming("against"):
        return [read, read_of(session.model, other)]


def thumbnails(session: Session, job: Job, request: ThumbnailsRequest) -> ThumbnailsComparison:
    """All patterns, shrunk, in the baseline and in the edited run."""
    options = request.only(ThumbnailsOptions)
    read = read_of(session.model, request)
    made = edits_of(session, job, request.edits, read)
    work: dict[str, Any] = {"options": options, "cancel": job.cancel, "progress": job.progress}

    def shrunk(edits: tuple[Edit, ...]) -> Thumbnails:
        return _kept(
            session,
            ("thumbnails", read, edits, options),
            lambda: head_thumbnails(session.model, read.prompt, edits=edits, **work),
        )

    edited = None
    if made.edits:  # first: what is wrong with them is said before anything is computed
        with made.naming():
            edited = shrunk(made.edits)
    return ThumbnailsComparison(shrunk(()), edited)


def heads(session: Session, job: Job, request: HeadsRequest) -> HeadScores:
    """The scores of heads on the prompt, in the edited run where an edit is enabled."""
    model, options = session.model, request.only(HeadsOptions)
    work: dict[str, Any] = {"options": options, "cancel": job.cancel, "progress": job.progress}
    if request.prompt is None:
        return find_heads(model, **work)
    read = read_of(model, request)
    made = edits_of(session, job, request.edits, read)
    with made.naming():
        return _kept(
            session,
            ("heads", read, made.edits, options),
            lambda: find_heads(model, [read.prompt], edits=made.edits, **work),
        )


def _kept(
    session: Session, asked: tuple[str, Read, tuple[Edit, ...], Options], make: Callable[[], Made]
) -> Made:
    """What was made of the same a short while ago: no pattern of it is kept that would tell."""
    name, read, edits, options = asked
    key = (name, session.model.state, read, tuple(edit.key for edit in edits), options)
    return session.recent.get(key, make)
