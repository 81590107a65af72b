"""The question: how does information flow through some layers, and what do the edits change?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from unembed.analyses.flow.cut_report import CutEffect, CutReport
from unembed.analyses.flow.cuts import attributed_at, cut_of, measure_edits
from unembed.analyses.flow.graph import flow_capture, flow_graph
from unembed.analyses.flow.names import CutName
from unembed.analyses.flow.options import FlowOptions
from unembed.analyses.flow.result import FlowGraph
from unembed.analyses.flow.target import check_flow
from unembed.analyses.tools.target import read_text, text_tokens
from unembed.engine.editing.edits import Edit
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import Logits
from unembed.engine.passes.run import Run
from unembed.engine.targets import Target
from unembed.options import Explained
from unembed.questions.editing import edits_of
from unembed.questions.experiment import EditSpec
from unembed.questions.flow_cost import check_vectors, checked_layers
from unembed.questions.requests import FlowRequest
from unembed.questions.runs import runs_with
from unembed.questions.tokens import naming, position_of, read_of
from unembed.result import Comparison
from unembed.session import Job, Session


@dataclass(frozen=True, repr=False)
class FlowComparison(Comparison[FlowGraph]):
    """The graph of the baseline; with an enabled edit also of the edited run, and effects.

    Both graphs have the same nodes and links, those that the baseline selects; without vectors.
    """

    baseline: FlowGraph
    edited: Annotated[FlowGraph | None, "Null where no edit is enabled."] = None
    effects: Annotated[CutReport | None, "What each enabled edit really changes, and all."] = None
    measured: Annotated[
        tuple[int, ...], "For each of the cuts of `effects`: which edit of the request it is."
    ] = ()
    left_out: Annotated[
        int, "Enabled edits that were not measured alone: beyond `max_measured_cuts`."
    ] = 0


@dataclass(frozen=True)
class _Drawing:
    """What a request asks to draw, on this model and prompt."""

    layers: tuple[int, ...]
    position: int
    target: str | int | None
    options: FlowOptions


def answer(session: Session, job: Job, request: FlowRequest) -> FlowComparison:
    """Draw the baseline; with an enabled edit the edited run too, and measure what edits change."""
    check_flow(session.model, request.target)
    read = read_of(session.model, request)
    drawing = _drawing(session, request, read)
    made = edits_of(session, job, request.edits, read, cut_position=drawing.position)
    capture = flow_capture(session.model, drawing.layers, drawing.position)
    logits: Logits = "none" if session.model.labels is None else "last"
    baseline, edited = runs_with(session, job, made, read, capture, logits=logits)
    ours = _graph(session, job, baseline, drawing)
    if edited is None:
        return FlowComparison(ours)
    alike = _rated_alike(drawing, ours)
    theirs = _graph(session, job, edited, alike, ours)
    groups = made.apart()
    alone = tuple(groups)[: session.settings.max_measured_cuts]
    measure = _Measure(session, job, baseline, alike)
    cuts = {index: _cut_of(request.edits[index], made.names[index], ours) for index in groups}
    effects = _effects(measure, request.edits, groups, alone, ours, cuts)
    return FlowComparison(ours, theirs, effects, alone, len(groups) - len(alone))


def _drawing(session: Session, request: FlowRequest, read: Read) -> _Drawing:
    """Raises for what this model or prompt has not, and for too many vectors."""
    anatomy = session.model.anatomy
    options = request.only(FlowOptions)
    layers = checked_layers(request.layers, anatomy)
    times = request.n_runs * _n_tokens(session, request)
    check_vectors(anatomy, layers, options, read.lengths, session.settings.max_flow_vectors, times)
    return _Drawing(layers, position_of(request.position, len(read.ids)), request.target, options)


def _n_tokens(session: Session, request: FlowRequest) -> int:
    """How many times each vector is read: once for every token of a whole target.

    Raises TargetError for what no token, or no text, can be.
    """
    with naming("target"):
        target = read_text(request.target)
        if target is None or isinstance(target, Explained):
            return 1
        n = len(text_tokens(session.model, target))
    return n if request.target_mode == "whole" else 1


def _graph(
    session: Session, job: Job, run: Run, drawing: _Drawing, like: FlowGraph | None = None
) -> FlowGraph:
    """The graph of a run, from the last ones where it was drawn before; without its vectors.

    That of the baseline stays the same while a person changes edits.
    """

    def made() -> FlowGraph:
        graph = flow_graph(
            run,
            drawing.layers,
            target=drawing.target,
            position=drawing.position,
            options=drawing.options,
            like=like,
            cancel=job.cancel,
            progress=job.progress,
        )
        return replace(graph, vectors=graph.vectors[:0])

    return session.recent.get(("flow", run.local_key, drawing), made)


def _rated_alike(drawing: _Drawing, graph: FlowGraph) -> _Drawing:
    """To rate other runs by the token, or label, that the model itself chose here."""
    if drawing.target is not None:
        return drawing
    if graph.objective is not None and graph.objective.scored is not None:
        return replace(drawing, target=f"label({graph.objective.scored})")
    return replace(drawing, target=graph.target.tokens[0].id)


# ---------------------------------------------------------------- measured edits


@dataclass(frozen=True)
class _Measure:
    """Runs the baseline's prompt with some edits, and rates what it asked for."""

    session: Session
    job: Job
    run: Run
    drawing: _Drawing

    def __call__(self, edits: tuple[Edit, ...]) -> CutReport:
        """From the last ones where it was measured before."""
        target, position = self.drawing.target, self.drawing.position

        def made() -> CutReport:
            self.job.runs += 1
            return measure_edits(
                self.run,
                [(None, edits)],
                target=target,
                position=position,
                cancel=self.job.cancel,
                progress=self.job.progress,
            )

        key = (self.run.local_key, tuple(edit.key for edit in edits), target, position)
        return self.session.measured.get(key, made)


def _effects(
    measure: _Measure,
    specs: Sequence[EditSpec],
    groups: Mapping[int, tuple[Edit, ...]],
    alone: tuple[int, ...],
    graph: FlowGraph,
    cuts: Mapping[int, CutName | None],
) -> CutReport:
    """Some edits each alone, and all of them together, with what the graph attributes to them."""
    whole = measure(tuple(edit for edits in groups.values() for edit in edits))
    together: CutEffect | None = None
    if len(groups) > 1:
        total = attributed_at(measure.run, graph, list(cuts.values()))
        together = replace(whole.cuts[0], name="together", attributed=total)
    each = tuple(
        replace(
            measure(groups[index]).cuts[0],
            name=specs[index].target,
            attributed=attributed_at(measure.run, graph, [cuts[index]]),
        )
        for index in alone
    )
    return CutReport(whole.target, whole.baseline, whole.value, each, together)


def _cut_of(spec: EditSpec, name: Target | CutName, graph: FlowGraph) -> CutName | None:
    """What an edit cuts, where it cuts something at one position."""
    return cut_of(
        name,
        spec.operation,
        graph.position,
        len(graph.tokens),
        positions=spec.positions,
        stage=spec.stage,
    )
