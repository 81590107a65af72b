"""The runs that a question reads: the baseline, and the edited one."""

from __future__ import annotations

from collections.abc import Sequence

from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Logits
from unembed.engine.passes.run import Run
from unembed.questions.editing import Edits, edits_of
from unembed.questions.experiment import EditSpec, Experiment
from unembed.session import Job, Session


def both_runs(
    session: Session,
    job: Job,
    request: Experiment,
    read: Read,
    capture: Sequence[str],
    *,
    logits: Logits = "none",
) -> tuple[Run, Run | None]:
    """(baseline, edited): the second one None when no edit is enabled."""
    made = edits_of(session, job, request.edits, read)
    return runs_with(session, job, made, read, capture, logits=logits)


def runs_with(
    session: Session,
    job: Job,
    made: Edits,
    read: Read,
    capture: Sequence[str],
    *,
    logits: Logits = "none",
) -> tuple[Run, Run | None]:
    """(baseline, edited), with edits that are made already.

    Edits are checked by the engine before it computes, so the edited run comes first: what is
    wrong with a request is said before anything is spent on it.
    """
    edited = None
    if made.edits:
        with made.naming():
            edited = session.run(job, read, made.edits, capture, logits=logits)
    return session.run(job, read, (), capture, logits=logits), edited


def last_run(
    session: Session,
    job: Job,
    specs: Sequence[EditSpec],
    read: Read,
    capture: Sequence[str],
) -> Run:
    """The edited run where an edit is enabled, else the baseline."""
    made = edits_of(session, job, specs, read)
    with made.naming():
        return session.run(job, read, made.edits, capture)
