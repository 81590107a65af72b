"""The questions: what do heads look at, with the edits and without; and what does each head do?"""

from __future__ import annotations

from unembed.analyses.attention import attention as analysis
from unembed.analyses.attention.heads import find_heads, head_scores, heads_capture
from unembed.analyses.attention.options import AttentionOptions, HeadsOptions
from unembed.analyses.attention.result import AttentionComparison, HeadScores
from unembed.questions.requests import AttentionRequest, HeadsRequest
from unembed.questions.runs import both_runs, last_run
from unembed.questions.tokens import read_of
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: AttentionRequest) -> AttentionComparison:
    """The heads asked for, in the baseline and in the edited run."""
    model, options = session.model, request.only(AttentionOptions)
    read = read_of(session.model, request)
    analysis.check_size(
        model,
        request.layers,
        options,
        len(read.ids),
        session.settings.max_attention_numbers // request.n_runs,
    )
    capture = analysis.attention_capture(model, request.layers, options=options)
    runs = both_runs(session, job, request, read, capture)
    found = [
        analysis.attention(
            run, request.layers, options=options, cancel=job.cancel, progress=job.progress
        )
        for run in runs
        if run is not None
    ]
    return AttentionComparison(*found)


def heads(session: Session, job: Job, request: HeadsRequest) -> HeadScores:
    """The scores of heads on the prompt, in the edited run where an edit is enabled."""
    model, options = session.model, request.only(HeadsOptions)
    if request.prompt is None:
        return find_heads(model, options=options, cancel=job.cancel, progress=job.progress)
    read = read_of(session.model, request)
    run = last_run(session, job, request.edits, read, heads_capture(model, options=options))
    return head_scores(run, options=options)
