"""The questions: what made a node what it is; and which edges carry an answer?"""

from __future__ import annotations

from unembed.analyses.circuits.checks import check_predicts
from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.find import circuit_pairs, find_circuit
from unembed.analyses.circuits.options import CircuitOptions, CircuitPairsOptions
from unembed.analyses.circuits.result import Circuit
from unembed.analyses.tracing import trace as tracing
from unembed.analyses.tracing.options import TraceOptions
from unembed.analyses.tracing.result import Trace, TraceComparison
from unembed.engine.editing.edits import Edit
from unembed.questions.editing import edits_of
from unembed.questions.requests import CircuitPairsRequest, CircuitRequest, TraceRequest
from unembed.questions.tokens import as_given, naming, read_of
from unembed.session import Job, Session


def trace(session: Session, job: Job, request: TraceRequest) -> TraceComparison:
    """One node traced in the baseline, and in the edited run."""
    model, options = session.model, request.only(TraceOptions)
    read = read_of(model, request)
    made = edits_of(session, job, request.edits, read)

    def traced(edits: tuple[Edit, ...]) -> Trace:
        return tracing.trace(
            model,
            read.prompt,
            request.node,
            edits,
            options=options,
            cancel=job.cancel,
            progress=job.progress,
        )

    edited = None
    if made.edits:  # first: what is wrong with them is said before anything is computed
        with made.naming():
            edited = traced(made.edits)
    return TraceComparison(traced(()), edited)


def circuit(session: Session, job: Job, request: CircuitRequest) -> Circuit:
    """The circuit of one prompt, or of a pair."""
    model = session.model
    check_predicts(model)
    read, corrupted = read_of(model, request), None
    if request.corrupted is not None:
        with naming("corrupted"):
            corrupted = model.read_prompt(as_given(request.corrupted)).prompt
    return find_circuit(
        model,
        read.prompt,
        corrupted,
        options=request.only(CircuitOptions),
        scores=_scores(request),
        cancel=job.cancel,
        progress=job.progress,
    )


def circuit_over(session: Session, job: Job, request: CircuitPairsRequest) -> Circuit:
    """The circuit of many pairs."""
    return circuit_pairs(
        session.model,
        request.all_pairs(),
        options=request.only(CircuitPairsOptions),
        scores=_scores(request),
        cancel=job.cancel,
        progress=job.progress,
    )


def _scores(request: CircuitRequest | CircuitPairsRequest) -> CircuitFile | None:
    return None if request.scores is None else CircuitFile((), dict(request.scores))
