"""The question: what does one node write on this prompt, and which tokens does that promote?"""

from __future__ import annotations

from unembed.analyses.component import component as analysis
from unembed.analyses.component.options import ComponentOptions
from unembed.analyses.component.result import Component
from unembed.analyses.tools.writes import node_of
from unembed.errors import CapabilityError
from unembed.figures.component import html
from unembed.questions import vectors
from unembed.questions.requests import ComponentRequest, VectorRequest
from unembed.questions.runs import last_run
from unembed.questions.tokens import naming, position_of, read_of
from unembed.session import Job, Session


def page(
    session: Session, job: Job, request: ComponentRequest, found: Component | None = None
) -> str:
    """Its page as one HTML file: what the weights say of it, and what it does on this prompt.

    Args:
        found: the answer, if it is there already.
    """
    found = answer(session, job, request) if found is None else found
    node = node_of(session.model, request.target)
    if not (node.row.has_vector or node.row.derived):
        return html(found, model=session.model.name)
    try:
        # its page is that of the number, wherever it is asked about
        vector = vectors.vector(session, job, VectorRequest(target=node.stem))
    except CapabilityError:  # of some models nothing is told without a run
        return html(found, model=session.model.name)
    return html(found, vector, vector.similar or (), model=session.model.name)


def answer(session: Session, job: Job, request: ComponentRequest) -> Component:
    """One node at one position, in the edited run where an edit is enabled."""
    read = read_of(session.model, request)
    position = position_of(request.position, len(read.ids))
    with naming("target"):
        capture = analysis.component_capture(session.model, request.target, position)
    run = last_run(session, job, request.edits, read, capture)
    with naming("target"):
        options = request.only(ComponentOptions).changed(position=position)
        return analysis.component(run, request.target, options=options, cancel=job.cancel)
