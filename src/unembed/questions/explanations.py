"""The question: what do nodes do, in words?"""

from __future__ import annotations

from unembed.explanations.explain import explain
from unembed.explanations.options import ExplainOptions
from unembed.explanations.result import Explanations
from unembed.index.corpus.corpus import Corpus
from unembed.models.progress import Progress
from unembed.questions.corpus import passed
from unembed.questions.requests import ExplainRequest
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: ExplainRequest) -> Explanations:
    """Labels with their scores and nulls. What waits is done in between."""
    options = request.only(ExplainOptions)

    def make(corpus: Corpus, between: Progress) -> Explanations:
        return explain(corpus, request.nodes, options=options, cancel=job.cancel, progress=between)

    asked = ("explain", tuple(request.nodes), options)
    return passed(session, job, request.corpus, asked, make)
