"""The question: which labels does the model give, with the edits and without?"""

from __future__ import annotations

from unembed.analyses.labels.labels import compare_labels
from unembed.analyses.labels.options import LabelsOptions
from unembed.analyses.labels.result import LabelScores
from unembed.analyses.tools.labelled import labels_of
from unembed.questions.requests import LabelsRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import read_of
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: LabelsRequest) -> LabelScores:
    """The scores of labels in the baseline, and in the edited run where an edit is enabled."""
    labels_of(session.model)  # refuses a language model before anything runs
    read = read_of(session.model, request)
    baseline, edited = both_runs(session, job, request, read, (), logits="last")
    return compare_labels(baseline, edited, request.only(LabelsOptions))
