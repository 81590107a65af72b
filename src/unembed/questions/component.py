"""The question: what does one node write on this prompt, and which tokens does that promote?"""

from __future__ import annotations

from unembed.analyses.component import component as analysis
from unembed.analyses.component.options import ComponentOptions
from unembed.analyses.component.result import Component
from unembed.questions.requests import ComponentRequest
from unembed.questions.runs import last_run
from unembed.questions.tokens import naming, position_of, read_of
from unembed.session import Job, Session


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
