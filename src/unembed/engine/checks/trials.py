"""One block of a run, tried under several edits: as rows of one pass where those can tell.

A row agrees with a pass of its own to rounding only, and some models do not keep rows apart. So a
row is believed only where no rounding could have said the same: a number is equal to the last bit,
or further off than the tolerance. Whatever lies between is asked again in a pass of its own, which
alone can refuse anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from unembed.engine.checks.report import Report, compare, relative_error
from unembed.engine.editing.edits import Edit, set_to
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey
from unembed.errors import UnembedError
from unembed.models.anatomy import BlockAnatomy

Sides = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Trial:
    """Edits of one block, entered with its residual of the run, or with another [pos, d_model]."""

    edits: Sequence[Edit] = ()
    residual: Tensor | None = None


@dataclass(eq=False)
class Trials:
    """What the sites of a block become in each trial, and how that differs from the run."""

    model: Loaded
    run: Run
    block: BlockAnatomy
    trials: Sequence[Trial]
    sites: Sequence[str]
    report: Report
    _alone: dict[int, Run] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        at = f"L{self.block.layer}."
        known = dict.fromkeys(site for site in self.sites if has(self.model, self.block, site))
        self._names = [at + site for site in known]
        self._plain, self._rows = self._together()

    def _together(self) -> tuple[Run, Sequence[Run]]:
        """The run and every trial as rows of one pass; no rows where they are not to be trusted."""
        trials = [Trial(), *self.trials]
        try:
            plain, *rows = _run(self.model, self.run, self.block, trials, self._names)
            off = [relative_error(plain[name], self.run[name]) for name in self._names]
        except (RuntimeError, ValueError, LookupError, AttributeError, TypeError, UnembedError):
            return self.run, ()  # alone, the same edits say what is wrong
        return (plain, rows) if max(off, default=0.0) <= self.report.tolerance else (self.run, ())

    def alone(self, trial: int) -> Run:
        """A trial in a pass of its own."""
        if trial not in self._alone:
            asked = [self.trials[trial]]
            [self._alone[trial]] = _run(self.model, self.run, self.block, asked, self._names)
        return self._alone[trial]

    def changed(self, trial: int, name: str, kept: tuple[int, ...] = ()) -> Tensor:
        """Whether any number of an activation is another one than in the run.

        A tensor of the axes `kept`, without axes where none is.
        """
        if self._rows:
            before = self._plain[name]
            off = _largest(_distance(self._rows[trial][name], before), kept)
            enough = self.report.tolerance * float(before.abs().max())
            if bool(((off == 0) | (off > enough)).all()):
                return off > 0
        different = self.alone(trial)[name] != self.run[name]
        return _largest(different, kept)

    def holds(self, trial: int, claim: Callable[[Run], bool]) -> bool:
        """Whether a claim is true of a trial; where a row denies it, its own pass decides."""
        return (bool(self._rows) and claim(self._rows[trial])) or claim(self.alone(trial))

    def compare(
        self,
        words: str,
        trials: Sequence[int],
        equation: Callable[..., Sides],
        parts: tuple[str, ...] = (),
    ) -> None:
        """Note an equation of what was seen in some trials; where rows deny it, passes decide."""
        sides: Sides | None = None
        if self._rows:
            sides = equation(*(self._rows[trial] for trial in trials))
        if sides is None or relative_error(*sides) > self.report.tolerance:
            sides = equation(*map(self.alone, trials))
        compare(self.report, words, *sides, parts)


def _distance(left: Tensor, right: Tensor) -> Tensor:
    """How far each number is off; 0 for infinities that are equal."""
    return (left - right).abs().masked_fill(left == right, 0)


def _largest(value: Tensor, kept: tuple[int, ...]) -> Tensor:
    """Over all axes but `kept`; of booleans whether any is true."""
    over = [axis for axis in range(value.ndim) if axis not in kept]
    return value.amax(over) if over else value


def alone(
    model: Loaded, run: Run, block: BlockAnatomy, edits: Sequence[Edit], sites: Sequence[str]
) -> Run:
    """One block in a pass of its own, entered with its residual of `run`."""
    names = [f"L{block.layer}.{site}" for site in sites if has(model, block, site)]
    [found] = _run(model, run, block, [Trial(edits)], names)
    return found


def _run(
    model: Loaded, run: Run, block: BlockAnatomy, trials: Sequence[Trial], names: list[str]
) -> list[Run]:
    at = f"L{block.layer}."
    requests = []
    for trial in trials:
        state = run[at + "resid_pre"] if trial.residual is None else trial.residual
        start: tuple[int, Tensor] | None = (block.layer, state)
        edits = list(trial.edits)
        if block.keys_of is not None:  # its keys are made on the way to it
            start, edits = None, [set_to(at + "resid_pre", state), *edits]
        end = at + "resid_post"
        requests.append(forward.request_of(run, names, edits, stop_after=end, start=start))
    return forward.run_rows(model, requests)


def has(model: Loaded, block: BlockAnatomy, site: str) -> bool:
    """Whether a block has a site."""
    return why_not(model.anatomy, SiteKey(site, block.layer)) is None
