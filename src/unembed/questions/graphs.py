"""The questions: which features make which others and the answer, and what is one edge worth?"""

from __future__ import annotations

from dataclasses import replace

from unembed.analyses.attribution_graph.build import attribution_graph
from unembed.analyses.attribution_graph.estimate import GraphEstimate, estimate_graph
from unembed.analyses.attribution_graph.measured import measure_edge
from unembed.analyses.attribution_graph.options import EdgeOptions, GraphOptions
from unembed.analyses.attribution_graph.result import AttributionGraph, MeasuredEdge
from unembed.questions.explanations import said_of
from unembed.questions.requests import EdgeRequest, GraphRequest
from unembed.questions.tokens import read_of
from unembed.session import Job, Session


def graph(session: Session, job: Job, request: GraphRequest) -> AttributionGraph:
    """The attribution graph of a prompt, of the transcoders that the model has attached.

    Its nodes have the words that the workspace keeps of them.
    """
    found = attribution_graph(
        session.model,
        read_of(session.model, request).prompt,
        options=request.only(GraphOptions),
        cancel=job.cancel,
        progress=job.progress,
    )
    labels, why_not = said_of(session, (one.name.partition("@")[0] for one in found.nodes))
    notes = found.notes if why_not is None else (*found.notes, why_not)
    return replace(found.said(labels), notes=notes)


def estimate(session: Session, job: Job, request: GraphRequest) -> GraphEstimate:
    """What such a graph would take."""
    return estimate_graph(
        session.model,
        read_of(session.model, request).prompt,
        options=request.only(GraphOptions),
        cancel=job.cancel,
    )


def edge(session: Session, job: Job, request: EdgeRequest) -> MeasuredEdge:
    """One edge of such a graph, measured."""
    return measure_edge(
        session.model,
        read_of(session.model, request).prompt,
        request.sender,
        request.receiver,
        options=request.only(EdgeOptions),
        cancel=job.cancel,
        progress=job.progress,
    )
