"""The flow graph in wire formats: runs through the session, the graph of each, measured edits.

Runs on the compute thread. Calls analyses; computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING

from unembed.analyses.flow.cuts import attributed_at, cut_of, measure_edits
from unembed.analyses.flow.graph import flow_capture, flow_graph
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.target import target_ids
from unembed.server import wire
from unembed.server.describe import as_wire, token_texts
from unembed.server.experiments import (
    any_enabled,
    edits_of,
    ids_of,
    naming,
    position_of,
    runs_of,
)
from unembed.server.flow_limits import check_vectors, checked_layers
from unembed.session import Job, Session

if TYPE_CHECKING:
    from unembed.analyses.flow.cut_report import CutReport
    from unembed.analyses.flow.names import CutName
    from unembed.analyses.flow.result import FlowGraph
    from unembed.engine.editing.edits import Edit
    from unembed.engine.names.tokens import Token
    from unembed.engine.passes.run import Run


@dataclass(frozen=True)
class _Asked:
    """What a request asks to draw, on this model and prompt."""

    layers: tuple[int, ...]
    position: int
    target: str | int | None
    options: FlowOptions


def flow(session: Session, job: Job, body: wire.FlowRequest) -> wire.FlowResponse:
    """The graph of the baseline; with an enabled edit also of the edited run, and effects."""
    session.model.require("lens")
    ids = ids_of(session, body.prompt)
    asked = _asked(session, body, ids)
    made = edits_of(session, job, body.edits, ids, asked.position)
    capture = flow_capture(session.model, asked.layers, asked.position)
    baseline, edited = runs_of(session, job, made, ids, capture)
    ours = _graph(session, job, baseline, asked)
    graphs, effects = [ours], None
    if edited is not None:
        alike = _rated_alike(asked, ours)
        graphs.append(_graph(session, job, edited, alike, ours))
        measure = partial(_measured, session, job, baseline, alike)
        limit = session.settings.max_measured_cuts
        effects = _effects(body.edits, made.apart(), ours, baseline, measure, limit)
    sides = [as_wire(wire.FlowSide, graph) for graph in graphs]
    return wire.FlowResponse(
        tokens=token_texts(ours.tokens),
        layers=list(asked.layers),
        position=asked.position,
        target=as_wire(wire.FlowTarget, ours.target),
        baseline=sides[0],
        edited=sides[1] if edited is not None else None,
        effects=effects,
        vocabulary=token_texts(_vocabulary(graphs)),
    )


def _asked(session: Session, body: wire.FlowRequest, ids: tuple[int, ...]) -> _Asked:
    """Raises for what this model or prompt has not, and for too many vectors."""
    anatomy = session.model.anatomy
    values = {row.name: getattr(body, row.name) for row in fields(FlowOptions)}
    options = FlowOptions(**values | {"include": tuple(body.include)})
    layers = checked_layers(body.layers, anatomy)
    times = (2 if any_enabled(body.edits) else 1) * _n_tokens(session, body)
    limit = session.settings.max_flow_vectors
    check_vectors(anatomy, layers, options, len(ids), limit, times)
    return _Asked(layers, position_of(body.position, len(ids)), body.target, options)


def _n_tokens(session: Session, body: wire.FlowRequest) -> int:
    """How many times each vector is read: once for every token of a whole target.

    Raises TargetError for what no token, or no text, can be.
    """
    if body.target is None:
        return 1
    with naming("target"):
        n = len(target_ids(session.model, body.target))
    return n if body.target_mode == "whole" else 1


def _graph(
    session: Session, job: Job, run: Run, asked: _Asked, like: FlowGraph | None = None
) -> FlowGraph:
    """The graph of a run, from the last ones where it was drawn before; without its vectors.

    That of the baseline stays the same while a person changes edits.
    """

    def made() -> FlowGraph:
        graph = flow_graph(
            run,
            asked.layers,
            target=asked.target,
            position=asked.position,
            options=asked.options,
            like=like,
            cancel=job.cancel,
            progress=job.progress,
        )
        return replace(graph, vectors=graph.vectors[:0])

    return session.recent.get(("flow", run.key, asked), made)


def _rated_alike(asked: _Asked, graph: FlowGraph) -> _Asked:
    """To rate other runs by the token that the model itself chose here."""
    if asked.target is not None or graph.target is None:
        return asked
    return replace(asked, target=graph.target.tokens[0].id)


def _vocabulary(graphs: Iterable[FlowGraph]) -> list[Token]:
    """Each token that occurs, in the order of ids."""
    occurring = {token.id: token for graph in graphs for token in _tokens(graph)}
    return [occurring[token_id] for token_id in sorted(occurring)]


def _tokens(graph: FlowGraph) -> Iterator[Token]:
    readings = [graph.output, *(reading for node in graph.nodes for reading in node.readings)]
    yield from (one.token for reading in readings for one in reading.tokens)
    yield from (node.token for node in graph.nodes if node.token is not None)


# ---------------------------------------------------------------- measured edits


def _effects(
    specs: Sequence[wire.EditSpec],
    groups: Mapping[int, tuple[Edit, ...]],
    graph: FlowGraph,
    run: Run,
    measure: Callable[[tuple[Edit, ...]], CutReport],
    limit: int,
) -> wire.FlowEffects:
    """Each enabled edit alone, up to the limit, and all of them together."""
    whole = measure(tuple(edit for edits in groups.values() for edit in edits))
    cuts = {index: _cut_of(specs[index], graph) for index in groups}
    attributed = {index: attributed_at(run, graph, [one]) for index, one in cuts.items()}
    alone = list(groups.items())[:limit]
    each = [
        _effect(measure(edits), edit=index, name=specs[index].target, attributed=attributed[index])
        for index, edits in alone
    ]
    together = None
    if len(groups) > 1:
        total = attributed_at(run, graph, list(cuts.values()))
        together = _effect(whole, edit=None, name="together", attributed=total)
    return wire.FlowEffects(
        baseline=as_wire(wire.CutScore, whole.baseline),
        edits=each,
        together=together,
        left_out=len(groups) - len(alone),
    )


def _measured(
    session: Session, job: Job, run: Run, asked: _Asked, edits: tuple[Edit, ...]
) -> CutReport:
    """A run with these edits, rated; from the last ones where it was made before."""
    target, position = asked.target, asked.position

    def made() -> CutReport:
        job.runs += 1
        return measure_edits(
            run,
            [(None, edits)],
            target=target,
            position=position,
            cancel=job.cancel,
            progress=job.progress,
        )

    key = (run.key, tuple(edit.key for edit in edits), target, position)
    return session.measured.get(key, made)


def _effect(report: CutReport, **about: str | float | None) -> wire.FlowEffect:
    found = report.cuts[0]
    measured = {
        part: getattr(found, part) for part in ("measured", "logit_change", "probability_change")
    }
    return as_wire(wire.FlowEffect, about | measured)


def _cut_of(spec: wire.EditSpec, graph: FlowGraph) -> CutName | None:
    """What an edit cuts of the graph, if it is a cut."""
    return cut_of(
        spec.target,
        spec.operation,
        graph.position,
        len(graph.tokens),
        positions=spec.positions,
        stage=spec.stage,
    )
