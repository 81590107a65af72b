"""The question: what does every layer predict at every position, with the edits and without?"""

from __future__ import annotations

from unembed.analyses.lens.grid import compare_lenses, lens_of_run
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import check_cells, plan_lens
from unembed.analyses.lens.result import LensComparison
from unembed.questions.requests import LensRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import read_of
from unembed.session import Job, Session


def answer(session: Session, job: Job, request: LensRequest) -> LensComparison:
    """The grid, or both grids and what lies between."""
    read = read_of(session.model, request)
    plan = plan_lens(session.model, len(read.ids), request.only(LensOptions))
    check_cells(plan, session.settings.max_lens_cells, request.n_runs)
    baseline, edited = both_runs(session, job, request, read, plan.capture)
    if edited is None:
        return LensComparison(lens_of_run(baseline, plan, job.cancel, job.progress))
    return compare_lenses(baseline, edited, plan, job.cancel, job.progress)
