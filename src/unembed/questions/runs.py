"""The runs that a question reads: the baseline, and the edited one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from unembed.engine.editing.edits import Edit
from unembed.engine.names.taps import why_not
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Logits
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.questions.editing import Edits, edits_of
from unembed.questions.experiment import EditSpec, Experiment
from unembed.session import Job, Session

STREAMS_SHARE = 4  # part of the cache's memory that the residual streams of one run may take


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


def runs_from(
    session: Session,
    job: Job,
    request: Experiment,
    read: Read,
    capture: Sequence[str],
    layers: Sequence[int],
) -> tuple[Run, Run | None]:
    """As `both_runs`, of what is captured in these layers and behind them.

    The residual stream before each layer is kept, so that whoever looks at one head after the other
    waits for the layers asked for alone. Numbers are those of a whole pass to the last bit.
    """
    made = edits_of(session, job, request.edits, read)
    edited = None
    if made.edits:
        with made.naming():
            edited = _run_from(session, job, read, made.edits, capture, layers)
    return _run_from(session, job, read, (), capture, layers), edited


def last_from(
    session: Session,
    job: Job,
    specs: Sequence[EditSpec],
    read: Read,
    capture: Sequence[str],
    layers: Sequence[int],
) -> Run:
    """As `last_run`, in the way of `runs_from`."""
    made = edits_of(session, job, specs, read)
    with made.naming():
        return _run_from(session, job, read, made.edits, capture, layers)


def _run_from(
    session: Session,
    job: Job,
    read: Read,
    edits: Sequence[Edit],
    capture: Sequence[str],
    layers: Sequence[int],
) -> Run:
    start = _entered(session, job, read, edits, layers)
    return session.run(job, read, edits, capture, start=start)


def _entered(
    session: Session, job: Job, read: Read, edits: Sequence[Edit], layers: Sequence[int]
) -> tuple[int, Tensor] | None:
    """Where a pass may start, and with what; None: at the beginning."""
    anatomy, n_kept = session.model.anatomy, max(layers) + 1
    first = SiteKey("resid_pre", anatomy.entry(min(layers)))
    size = n_kept * len(read.ids) * anatomy.d_model * session.model.dtype.itemsize
    again = any(edit.node.site_key == first for edit in edits)  # it would act a second time
    unseen = any(why_not(anatomy, first._replace(layer=one)) for one in range(n_kept))
    if not first.layer or again or unseen or size > session.settings.cache_bytes // STREAMS_SHARE:
        return None
    streams = session.run(job, read, edits, [f"L{one}.resid_pre" for one in range(n_kept)])
    return first.layer, streams[first.name]
