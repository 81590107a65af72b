"""The flow graph in wire formats: runs through the session, the graph of each, measured edits.

Runs on the compute thread. Calls analyses; computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from unembed.analyses.flow import flow_capture, flow_graph
from unembed.analyses.flow_options import FlowOptions
from unembed.errors import TargetError
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
    from unembed.analyses.flow_result import FlowGraph
    from unembed.engine.run import Run
    from unembed.engine.tokens import Token


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
    made = edits_of(session, job, body.edits, ids)
    capture = flow_capture(session.model, asked.layers, asked.position)
    baseline, edited = runs_of(session, job, made, ids, capture)
    ours = _baseline_graph(session, job, baseline, asked)
    graphs = [ours]
    if edited is not None:
        graphs.append(_graph(job, edited, asked, like=ours))
    sides = [as_wire(wire.FlowSide, graph) for graph in graphs]
    return wire.FlowResponse(
        tokens=token_texts(ours.tokens),
        layers=list(asked.layers),
        position=asked.position,
        target=as_wire(wire.FlowTarget, ours.target),
        baseline=sides[0],
        edited=sides[1] if edited is not None else None,
        effects=None,
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
    """How many times each vector is read at most: once for every token of a whole target.

    Raises TargetError for what no token, or no text, can be.
    """
    target, model = body.target, session.model
    if target is None:
        return 1
    with naming("target"):
        try:
            model.token_id(target)
        except TargetError:
            if not isinstance(target, str) or not target:
                raise
            n = len(model.tokenize(target))
            return n if body.target_mode == "whole" else 1
    return 1


def _baseline_graph(session: Session, job: Job, run: Run, asked: _Asked) -> FlowGraph:
    """It stays the same while a person changes edits: half of the work is saved."""

    def made() -> FlowGraph:
        graph = _graph(job, run, asked)
        return replace(graph, vectors=graph.vectors[:0])

    return session.recent.get(("flow", run.key, asked), made)


def _graph(job: Job, run: Run, asked: _Asked, *, like: FlowGraph | None = None) -> FlowGraph:
    target = asked.target
    if target is None and like is not None and like.target is not None:
        target = like.target.tokens[0].id  # the model's own choice, without edits
    return flow_graph(
        run,
        asked.layers,
        target=target,
        position=asked.position,
        options=asked.options,
        like=like,
        cancel=job.cancel,
        progress=job.progress,
    )


def _target_of(graph: FlowGraph) -> str | int | None:
    """What the graph is rated by, to rate another run by the same."""
    target = graph.target
    if target is None or target.chosen:
        return None if target is None else target.text
    return target.tokens[0].id


def _vocabulary(graphs: Iterable[FlowGraph]) -> list[Token]:
    """Each token that occurs, in the order of ids."""
    occurring = {token.id: token for graph in graphs for token in _tokens(graph)}
    return [occurring[token_id] for token_id in sorted(occurring)]


def _tokens(graph: FlowGraph) -> Iterator[Token]:
    readings = [graph.output, *(reading for node in graph.nodes for reading in node.readings)]
    yield from (one.token for reading in readings for one in reading.tokens)
    yield from (node.token for node in graph.nodes if node.token is not None)
