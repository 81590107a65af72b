"""The question: what does every layer predict at every position, with the edits and without?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from unembed.analyses.lens.grid import compare_lenses, lens_of_run
from unembed.analyses.lens.options import LensOptions
from unembed.analyses.lens.plan import check_cells, plan_lens
from unembed.analyses.lens.result import LensResult
from unembed.questions.requests import LensRequest
from unembed.questions.runs import both_runs
from unembed.questions.tokens import ids_of
from unembed.result import Axes, Columns, Result, sides_below
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False, repr=False)
class LensAnswer(Result):
    """The lens of the baseline; with an enabled edit also of the edited run.

    Over HTTP this is the JSON under `__metadata__.lens`; the arrays lie beside it, those of each
    lens with "baseline." or "edited." before their names:
      top_ids U32, top_logits F32, top_probabilities F32, each [row, position, k];
      logit F32, probability F32, rank U32 (1 is the most likely), kl F32, entropy F32, each
      [row, position]: logit, probability and rank are those of the position's target, and NaN, NaN
      and 0 where it has none; kl is KL(last row ‖ row) in nats;
      target_ids U32, next_ids U32 [position]: the target, and the prompt's own next token;
      4294967295 where there is none.
    With an enabled edit also kl_between F32 [row, position]: KL(baseline ‖ edited) of a cell.
    """

    axes: ClassVar[Axes] = {"kl_between": ("row", "position")}

    baseline: LensResult
    edited: Annotated[LensResult | None, "Null where no edit is enabled."] = None
    kl_between: Tensor | None = None

    @property
    def sides(self) -> dict[str, LensResult]:
        """The lenses that there are, by "baseline" and "edited"."""
        sides = {"baseline": self.baseline}
        return sides if self.edited is None else sides | {"edited": self.edited}

    def summary(self) -> str:
        return f"{self.baseline.summary()}{'' if self.edited is None else ', edited beside'}"

    def columns(self) -> Columns:
        """One row for each cell of each side."""
        return sides_below(self.sides)

    def arrays(self) -> dict[str, Any]:
        """Those of both sides, "baseline.kl", and what lies between them."""
        found = {} if self.kl_between is None else {"kl_between": self.kl_between}
        for side, lens in self.sides.items():
            found |= {f"{side}.{name}": array for name, array in lens.arrays().items()}
        return found

    def header(self) -> dict[str, Any]:
        edited = None if self.edited is None else self.edited.header()
        return {"baseline": self.baseline.header(), "edited": edited}

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, numbers and strings, arrays too; null for what there is not."""
        between = None if self.kl_between is None else self.kl_between.tolist()
        edited = None if self.edited is None else self.edited.to_dict()
        return {"baseline": self.baseline.to_dict(), "edited": edited, "kl_between": between}


def answer(session: Session, job: Job, request: LensRequest) -> LensAnswer:
    """The grid, or both grids and what lies between."""
    ids = ids_of(session, request.prompt)
    plan = plan_lens(session.model, len(ids), request.part(LensOptions))
    check_cells(plan, session.settings.max_lens_cells, request.n_runs)
    baseline, edited = both_runs(session, job, request, ids, plan.capture)
    if edited is None:
        return LensAnswer(lens_of_run(baseline, plan, job.cancel, job.progress))
    found = compare_lenses(baseline, edited, plan, job.cancel, job.progress)
    return LensAnswer(found.baseline, found.edited, found.kl_between)
