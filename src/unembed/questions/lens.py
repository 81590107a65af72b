"""The question: what does every layer predict at every position, with the edits and without?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from unembed.analyses.lens.grid import compare_lenses, lens_of_run
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import check_cells, plan_lens
from unembed.questions.requests import LensRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import ids_of, token_of
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor

    from unembed.analyses.lens.plan import LensPlan
    from unembed.analyses.lens.result import LensResult


@dataclass(frozen=True)
class LensAnswer:
    """The lens of the baseline; with an enabled edit also of the edited run."""

    baseline: LensResult
    edited: LensResult | None = None
    kl_between: Tensor | None = None  # [row, position]: KL(baseline ‖ edited) of a cell, nats

    @property
    def sides(self) -> dict[str, LensResult]:
        """The lenses that there are, by "baseline" and "edited"."""
        sides = {"baseline": self.baseline}
        return sides if self.edited is None else sides | {"edited": self.edited}


def answer(session: Session, job: Job, request: LensRequest) -> LensAnswer:
    """The grid, or both grids and what lies between."""
    ids = ids_of(session, request.prompt)
    plan = _plan(session, request, len(ids))
    check_cells(plan, session.settings.max_lens_cells, request.n_runs)
    baseline, edited = both_runs(session, job, request, ids, plan.capture)
    if edited is None:
        return LensAnswer(lens_of_run(baseline, plan, job.cancel, job.progress))
    found = compare_lenses(baseline, edited, plan, job.cancel, job.progress)
    return LensAnswer(found.baseline, found.edited, found.kl_between)


def _plan(session: Session, request: LensRequest, n_prompt: int) -> LensPlan:
    """What the request asks to read; raises before anything runs."""
    options = request.part(LensOptions)
    target = token_of(session, request.target, "target")
    return plan_lens(session.model, n_prompt, options.changed(target=target))
