"""From what a request says to what the engine takes: token ids, positions, edits.

Runs on the compute thread. Every error that the engine raises gets the name of the field in the
request that it is about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from unembed.analyses.flow import cuts as flow_cuts
from unembed.analyses.flow.names import parse_cut
from unembed.analyses.sub_updates import switches
from unembed.compat import lm_debugger
from unembed.engine.editing import edits as engine_edits
from unembed.engine.editing.edits import Edit
from unembed.engine.names.sites import resolve_position
from unembed.errors import EditError, TargetError, UnembedError
from unembed.server import wire
from unembed.session import Job, Session

if TYPE_CHECKING:
    from unembed.engine.passes.forward import Logits
    from unembed.engine.passes.run import Run

_ENGINE_FIELD = re.compile(r"edits\[(\d+)\]")


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Errors raised inside are about this field of the request: "prompt[3]" -> "<field>[3]"."""
    try:
        yield
    except UnembedError as error:
        index = re.search(r"\[\d+\]$", error.field or "")
        error.field = field + (index[0] if index else "")
        raise


def ids_of(session: Session, prompt: str | list[int], field: str = "prompt") -> tuple[int, ...]:
    """The tokens of a prompt; raises PromptError."""
    with naming(field):
        return session.model.tokenize(prompt)


def position_of(position: int, n_positions: int) -> int:
    """A position counted from the start; raises TargetError."""
    return resolve_position(position, n_positions, "position")


def token_of(session: Session, ref: str | int | None, field: str) -> int | None:
    """The id of one token, where one is named; raises TargetError."""
    return None if ref is None else one_token(session, ref, field)


def one_token(session: Session, ref: str | int | None, field: str) -> int:
    """The same where one is needed."""
    if ref is None:
        raise TargetError(f"{field} is missing", field=field, legal="a token")
    with naming(field):
        return session.model.token_id(ref)


@dataclass(frozen=True)
class Edits:
    """The enabled edits of a request, as the engine takes them."""

    edits: tuple[Edit, ...]
    origins: tuple[int, ...]  # for each: which edit of the request it comes from

    def apart(self) -> dict[int, tuple[Edit, ...]]:
        """By number in the request: what each enabled edit is made of."""
        made = zip(self.origins, self.edits, strict=True)
        return {
            origin: tuple(edit for _, edit in group)
            for origin, group in groupby(made, key=itemgetter(0))
        }

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Errors raised inside count the engine's edits; the request counts all of its own."""
        try:
            yield
        except UnembedError as error:
            if error.field is not None:
                error.field = _ENGINE_FIELD.sub(
                    lambda found: f"edits[{self.origins[int(found[1])]}]", error.field
                )
            raise


def edits_of(
    session: Session,
    job: Job,
    specs: Sequence[wire.EditSpec],
    ids: tuple[int, ...],
    position: int = -1,
) -> Edits:
    """The enabled edits, in order. A cut that names no position acts at `position`.

    Runs what patches take their activations from, and the prompt without edits where one says
    "on": what that means depends on it.
    """
    edits: list[Edit] = []
    origins: list[int] = []
    for index, spec in enumerate(specs):
        if spec.enabled:
            made = _edit(session, job, spec, ids, position, f"edits[{index}]")
            edits += made
            origins += [index] * len(made)
    return Edits(tuple(edits), tuple(origins))


def any_enabled(specs: Sequence[wire.EditSpec]) -> bool:
    """Whether a request asks for an edited run."""
    return any(spec.enabled for spec in specs)


def both_runs(
    session: Session,
    job: Job,
    body: wire.Experiment,
    ids: tuple[int, ...],
    capture: Sequence[str],
    *,
    logits: Logits = "none",
) -> tuple[Run, Run | None]:
    """(baseline, edited): the second one None when no edit is enabled."""
    made = edits_of(session, job, body.edits, ids)
    return runs_of(session, job, made, ids, capture, logits=logits)


def runs_of(
    session: Session,
    job: Job,
    made: Edits,
    ids: tuple[int, ...],
    capture: Sequence[str],
    *,
    logits: Logits = "none",
) -> tuple[Run, Run | None]:
    """The same with edits that are made already.

    Edits are checked by the engine before it computes, so the edited run comes first: what is
    wrong with a request is said before anything is spent on it.
    """
    edited = None
    if made.edits:
        with made.naming():
            edited = session.run(job, ids, made.edits, capture, logits=logits)
    return session.run(job, ids, (), capture, logits=logits), edited


def last_run(
    session: Session,
    job: Job,
    specs: Sequence[wire.EditSpec],
    ids: tuple[int, ...],
    capture: Sequence[str],
) -> Run:
    """The edited run where an edit is enabled, else the baseline."""
    made = edits_of(session, job, specs, ids)
    with made.naming():
        return session.run(job, ids, made.edits, capture)


def _edit(
    session: Session,
    job: Job,
    spec: wire.EditSpec,
    ids: tuple[int, ...],
    position: int,
    field: str,
) -> tuple[Edit, ...]:
    try:
        if spec.operation in ("on", "lmd_on", "lmd_off"):
            return _preset(session, job, spec, ids)
        if spec.operation == "cut":
            return _cut(session, job, spec, ids, position)
        return (_made(session, job, spec, field),)
    except UnembedError as error:
        inner = error.field or "target"
        error.field = inner if inner.startswith(field) else f"{field}.{inner}"
        raise


def _preset(
    session: Session, job: Job, spec: wire.EditSpec, ids: tuple[int, ...]
) -> tuple[Edit, ...]:
    """A preset, resolved against the unedited run of the prompt."""
    capture = switches.presets_capture(session.model, spec.target)
    if spec.operation == "lmd_off":
        made = lm_debugger.lm_debugger_off(spec.target)
    else:
        run = session.run(job, ids, (), capture)
        made = (
            (switches.turn_on(run, spec.target),)
            if spec.operation == "on"
            else lm_debugger.lm_debugger_on(run, spec.target)
        )
    if spec.positions is None:
        return made
    checked = engine_edits.zero(spec.target, positions=spec.positions)
    return tuple(replace(edit, positions=checked.positions) for edit in made)


def _cut(
    session: Session, job: Job, spec: wire.EditSpec, ids: tuple[int, ...], position: int
) -> tuple[Edit, ...]:
    """A node or link of the flow graph taken out, with the values of the unedited run."""
    with naming("target"):
        name = parse_cut(spec.target)
        capture = flow_cuts.cut_capture(session.model, name)
    if spec.positions is not None and name.at is not None:
        raise EditError(
            f"{spec.target} already names position {name.at}; leave positions out",
            field="positions",
            value=spec.positions,
        )
    place = flow_cuts.cut_position(name, position, len(ids), spec.positions)
    with naming("target"):
        return flow_cuts.cut(session.run(job, ids, (), capture), name, place)


def _made(session: Session, job: Job, spec: wire.EditSpec, field: str) -> Edit:
    target, positions, stage = spec.target, spec.positions, spec.stage
    value = _checked(spec.value)
    if spec.operation == "zero":
        return engine_edits.zero(target, positions=positions, stage=stage)
    if spec.operation == "scale":
        return engine_edits.scale(target, _number(value), positions=positions, stage=stage)
    if spec.operation == "set_to":
        return engine_edits.set_to(target, value, positions=positions, stage=stage)
    if spec.operation == "add":
        return engine_edits.add(target, value, positions=positions, stage=stage)
    return _patch(session, job, spec, field)


def _patch(session: Session, job: Job, spec: wire.EditSpec, field: str) -> Edit:
    source = spec.source or wire.PatchSource(prompt="", positions=None)
    # Made first without a run: a target that does not exist costs no forward pass.
    plain = engine_edits.zero(spec.target, positions=spec.positions, stage=spec.stage)
    site = engine_edits.required_capture(plain.target, session.model, spec.stage)
    ids = ids_of(session, source.prompt, f"{field}.source.prompt")
    run = session.run(job, ids, (), [site])
    return engine_edits.patch(
        spec.target,
        run,
        positions=spec.positions,
        source_positions=source.positions,
        stage=spec.stage,
    )


def _checked(value: float | list[int | float] | None) -> float | list[int | float]:
    """`limits` saw to it that a value is there where one is needed."""
    return 0.0 if value is None else value


def _number(value: float | list[int | float]) -> float:
    return float(value[0] if isinstance(value, list) else value)
