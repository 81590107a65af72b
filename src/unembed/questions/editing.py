"""From the edits of a request to the engine's; see `operations` for what there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from operator import itemgetter

from unembed.analyses.flow import cuts as flow_cuts
from unembed.analyses.flow.names import CutName, parse_cut
from unembed.analyses.sub_updates import switches
from unembed.compat import lm_debugger
from unembed.engine.editing import edits as engine_edits
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.knocking import knock_out, pairs_between
from unembed.engine.names.vocabulary import Read
from unembed.engine.targets import Target
from unembed.errors import EditError, UnembedError
from unembed.questions.experiment import EditSpec, PatchSource
from unembed.questions.operations import OperationName
from unembed.questions.tokens import naming, read_of
from unembed.session import Job, Session

_ENGINE_FIELD = re.compile(r"edits\[(\d+)\]")


@dataclass(frozen=True)
class Edits:
    """The enabled edits of a request, as the engine takes them."""

    edits: tuple[Edit, ...]
    origins: tuple[int, ...]  # for each: which edit of the request it comes from
    names: Mapping[int, Target | CutName] = field(default_factory=dict)  # read, by that number

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


@dataclass(frozen=True)
class _Made:
    """One edit of a request, and where it is made."""

    session: Session
    job: Job
    spec: EditSpec
    read: Read
    field: str  # "edits[0]"
    cut_position: int  # of a cut that does not say where

    @cached_property
    def name(self) -> Target | CutName:
        """What the edit is of, read once. Raises TargetError."""
        if self.spec.operation == "cut":
            return parse_cut(self.spec.target)
        return self.session.model.read_name(self.spec.target)

    @property
    def target(self) -> Target:
        """The node or site of an edit that is no cut."""
        if isinstance(self.name, CutName):
            raise LookupError(self.name.text)
        return self.name


def edits_of(
    session: Session,
    job: Job,
    specs: Sequence[EditSpec],
    read: Read,
    cut_position: int = -1,
) -> Edits:
    """The enabled edits, in order.

    Runs what patches take their activations from, and the prompt without edits where one says
    "on": what that means depends on it. A cut that names no position acts at `cut_position`.
    """
    edits: list[Edit] = []
    origins: list[int] = []
    names: dict[int, Target | CutName] = {}
    for index, spec in enumerate(specs):
        if spec.enabled:
            one = _Made(session, job, spec, read, f"edits[{index}]", cut_position)
            made = _edits(one)
            edits += made
            origins += [index] * len(made)
            names[index] = one.name
    return Edits(tuple(edits), tuple(origins), names)


def _edits(one: _Made) -> tuple[Edit, ...]:
    try:
        return MAKERS[one.spec.operation](one)
    except UnembedError as error:
        inner = error.field or "target"
        error.field = inner if inner.startswith(one.field) else f"{one.field}.{inner}"
        raise


def _zero(one: _Made) -> tuple[Edit, ...]:
    spec = one.spec
    return (engine_edits.zero(one.target, positions=spec.positions, stage=spec.stage),)


def _scale(one: _Made) -> tuple[Edit, ...]:
    spec, value = one.spec, _value(one)
    factor = float(value[0] if isinstance(value, list) else value)
    return (engine_edits.scale(one.target, factor, positions=spec.positions, stage=spec.stage),)


def _set_to(one: _Made) -> tuple[Edit, ...]:
    spec = one.spec
    value = _value(one)
    return (engine_edits.set_to(one.target, value, positions=spec.positions, stage=spec.stage),)


def _add(one: _Made) -> tuple[Edit, ...]:
    spec = one.spec
    value = _value(one)
    return (engine_edits.add(one.target, value, positions=spec.positions, stage=spec.stage),)


def _value(one: _Made) -> float | list[int | float]:
    """`EditSpec.check` saw to it that a value is there where one is needed."""
    return 0.0 if one.spec.value is None else one.spec.value


def _patch(one: _Made) -> tuple[Edit, ...]:
    spec = one.spec
    source = spec.source or PatchSource.model_validate({"prompt": ""})
    # Made first without a run: a target that does not exist costs no forward pass,
    # and is named as the edit's, not as what the other run would capture.
    plain = engine_edits.zero(one.target, positions=spec.positions, stage=spec.stage)
    model = one.session.model
    site = engine_edits.required_capture(model.node(plain.node), model, spec.stage)
    if source.source is None and one.read.source:
        source = source.changed(source=list(one.read.source))
    read = read_of(model, source, f"{one.field}.source.")
    run = one.session.run(one.job, read, (), [site])
    return (
        engine_edits.patch(
            one.target,
            run,
            positions=spec.positions,
            source_positions=source.positions,
            stage=spec.stage,
            take=source.take,
            seed=source.seed,
        ),
    )


def _on(one: _Made) -> tuple[Edit, ...]:
    capture = switches.presets_capture(one.session.model, one.target)
    run = one.session.run(one.job, one.read, (), capture)
    return _placed(one, (switches.turn_on(run, one.target, one.spec.sign),))


def _lmd_on(one: _Made) -> tuple[Edit, ...]:
    capture = switches.presets_capture(one.session.model, one.target)
    run = one.session.run(one.job, one.read, (), capture)
    return _placed(one, lm_debugger.lm_debugger_on(run, one.target))


def _lmd_off(one: _Made) -> tuple[Edit, ...]:
    switches.presets_capture(one.session.model, one.target)  # refuses what is no neuron here
    return _placed(one, lm_debugger.lm_debugger_off(one.target))


def _placed(one: _Made, made: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Edits at the positions of the request, where it names some."""
    if one.spec.positions is None:
        return made
    checked = engine_edits.zero(one.target, positions=one.spec.positions)
    return tuple(replace(edit, positions=checked.positions) for edit in made)


def _cut(one: _Made) -> tuple[Edit, ...]:
    """A node or link of the flow graph taken out, with the values of the unedited run."""
    spec, model = one.spec, one.session.model
    with naming("target"):
        name = parse_cut(one.name)
        capture = flow_cuts.cut_capture(model, name)
    if spec.positions is not None and name.at is not None:
        raise EditError(
            f"{spec.target} already names position {name.at}; leave positions out",
            field="positions",
            value=spec.positions,
        )
    place = flow_cuts.cut_position(name, one.cut_position, len(one.read.ids), spec.positions)
    with naming("target"):
        return flow_cuts.cut(one.session.run(one.job, one.read, (), capture), name, place)


def _mask(one: _Made) -> tuple[Edit, ...]:
    """The tokens themselves are masked, whatever the name of a node."""
    target = one.target
    if target.stem != "embed":
        raise EditError(
            f"{one.spec.target} takes no mask: tokens are masked, whose name is embed",
            field="target",
            value=one.spec.target,
            legal='"embed"',
        )
    own = None if target.position is None else [target.position]
    if own is not None and one.spec.positions is not None:
        engine_edits.zero(target, positions=one.spec.positions)  # refuses it
    return (engine_edits.mask(own or one.spec.positions or []),)


def _knock_out(one: _Made) -> tuple[Edit, ...]:
    spec = one.spec
    pairs = None if spec.pairs is None else [(query, key) for query, key in spec.pairs]
    found = pairs if spec.between is None else pairs_between(one.read.segments, spec.between)
    return (knock_out(one.target, found, renormalise=spec.renormalise),)


MAKERS: Mapping[OperationName, Callable[[_Made], tuple[Edit, ...]]] = {
    "zero": _zero,
    "scale": _scale,
    "set_to": _set_to,
    "add": _add,
    "patch": _patch,
    "on": _on,
    "lmd_on": _lmd_on,
    "lmd_off": _lmd_off,
    "cut": _cut,
    "mask": _mask,
    "knock_out": _knock_out,
}
"""How the edits of each row of `operations.OPERATIONS` are made."""
