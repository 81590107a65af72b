"""Requests to bytes: each asks one question of `unembed.questions` and puts its answer on the wire.

Runs on the thread that computes. Computes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from unembed.questions import component as component_question
from unembed.questions import flow as flow_question
from unembed.questions import generation as generation_question
from unembed.questions import lens as lens_question
from unembed.questions import predictions as predictions_question
from unembed.questions import requests
from unembed.server import wire
from unembed.server.describe import as_wire, token_text, token_texts
from unembed.server.packing import pack
from unembed.session import Job, Session

if TYPE_CHECKING:
    from torch import Tensor

    from unembed.analyses.component.component import Component
    from unembed.analyses.flow.cut_report import CutEffect
    from unembed.analyses.flow.result import FlowGraph
    from unembed.analyses.lens.result import LensResult
    from unembed.analyses.sub_updates.result import BranchUpdates, SubUpdates
    from unembed.engine.names.tokens import Token
    from unembed.engine.passes.generation import NewToken
    from unembed.questions.generation import Side


def predictions(
    session: Session, job: Job, request: requests.PredictionsRequest
) -> wire.PredictionsResponse:
    """One position, in every layer, with the edits and without."""
    return predictions_on_wire(predictions_question.answer(session, job, request))


def predictions_on_wire(
    answer: predictions_question.PredictionsAnswer,
) -> wire.PredictionsResponse:
    """An answer as it is sent, and printed as JSON."""
    response = as_wire(wire.PredictionsResponse, answer)
    _take_apart(response.baseline, answer.baseline_updates)
    _take_apart(response.edited, answer.edited_updates)
    return response


def _take_apart(side: wire.PredictionSide | None, updates: SubUpdates | None) -> None:
    """Add to each layer what its neurons and heads wrote."""
    if side is None or side.layers is None or updates is None:
        return
    for layer, found in zip(side.layers, updates.layers, strict=True):
        layer.heads = _branch(found.heads, found.heads_reason)
        layer.neurons = _branch(found.neurons, found.neurons_reason)


def _branch(found: BranchUpdates | None, reason: str | None) -> wire.BranchUpdates:
    return as_wire(wire.BranchUpdates, {"reason": reason} if found is None else found)


def component(
    session: Session, job: Job, request: requests.ComponentRequest
) -> wire.ComponentResponse:
    """One node at one position."""
    return component_on_wire(component_question.answer(session, job, request))


def component_on_wire(found: Component) -> wire.ComponentResponse:
    """A node as it is sent, and printed as JSON."""
    return as_wire(wire.ComponentResponse, found)


# ---------------------------------------------------------------- the lens, as arrays


def lens(session: Session, job: Job, request: requests.LensRequest) -> bytes:
    """The grid, or both grids and what lies between, as arrays and what says how to read them."""
    answer = lens_question.answer(session, job, request)
    between = answer.kl_between
    arrays = {} if between is None else {"kl_between": _sent(between)}
    for side, result in answer.sides.items():
        arrays |= {f"{side}.{name}": _sent(array) for name, array in result.arrays().items()}
    return pack(arrays, {"lens": _lens_metadata(list(answer.sides.values())).model_dump_json()})


def _sent(array: Tensor) -> Tensor:
    """Ids and ranks as U32, numbers as F32; the id -1 of no token becomes 4294967295."""
    if array.is_floating_point():
        return array.to(torch.float32)
    return torch.where(array < 0, array + 2**32, array).to(torch.uint32)


def _lens_metadata(sides: Sequence[LensResult]) -> wire.LensMetadata:
    first = sides[0]
    occurring = {token.id: token for side in sides for token in side.vocabulary}
    return wire.LensMetadata(
        rows=list(first.rows),
        positions=list(first.positions),
        tokens=token_texts(first.tokens),
        n_prompt=first.n_prompt,
        decoder=first.decoder,
        follow=first.follow,
        vocabulary=token_texts(occurring[token_id] for token_id in sorted(occurring)),
        target=None if first.target is None else token_text(first.target),
        edited=len(sides) == 2,
    )


# ---------------------------------------------------------------- the flow graph


def flow(session: Session, job: Job, request: requests.FlowRequest) -> wire.FlowResponse:
    """The graph of the baseline; with an enabled edit also of the edited run, and effects."""
    answer = flow_question.answer(session, job, request)
    graph = answer.baseline
    sides = {side: as_wire(wire.FlowSide, one) for side, one in answer.sides.items()}
    return wire.FlowResponse(
        tokens=token_texts(graph.tokens),
        layers=list(graph.layers),
        position=graph.position,
        target=as_wire(wire.FlowTarget, graph.target),
        baseline=sides["baseline"],
        edited=sides.get("edited"),
        effects=_effects(answer),
        vocabulary=token_texts(_vocabulary(answer.sides.values())),
    )


def _effects(answer: flow_question.FlowAnswer) -> wire.FlowEffects | None:
    report = answer.effects
    if report is None:
        return None
    return wire.FlowEffects(
        baseline=as_wire(wire.CutScore, report.baseline),
        edits=[
            _effect(effect, edit) for effect, edit in zip(report.cuts, answer.measured, strict=True)
        ],
        together=None if report.together is None else _effect(report.together, None),
        left_out=answer.left_out,
    )


def _effect(effect: CutEffect, edit: int | None) -> wire.FlowEffect:
    return as_wire(wire.FlowEffect, {"edit": edit, **vars(effect)})


def _vocabulary(graphs: Iterable[FlowGraph]) -> list[Token]:
    """Each token that occurs, in the order of ids."""
    occurring = {token.id: token for graph in graphs for token in _tokens(graph)}
    return [occurring[token_id] for token_id in sorted(occurring)]


def _tokens(graph: FlowGraph) -> Iterator[Token]:
    readings = [graph.output, *(reading for node in graph.nodes for reading in node.readings)]
    yield from (one.token for reading in readings for one in reading.tokens)
    yield from (node.token for node in graph.nodes if node.token is not None)


# ---------------------------------------------------------------- continuations


def generate(
    session: Session,
    job: Job,
    request: requests.GenerateRequest,
    tell: Callable[[wire.GenerateToken], None] | None = None,
) -> wire.GenerateResponse:
    """Continue the prompt, with the edits and without; `tell` gets each token as it is made."""

    def told(side: Side, index: int, new: NewToken) -> None:
        if tell is not None:
            tell(_new_token(side, index, new))

    return generation_on_wire(generation_question.answer(session, job, request, told))


def generation_on_wire(answer: generation_question.GenerationAnswer) -> wire.GenerateResponse:
    """Both continuations as they are sent, and printed as JSON."""
    baseline, edited = answer.baseline, answer.edited
    return wire.GenerateResponse(
        prompt_tokens=token_texts(answer.prompt_tokens),
        baseline=token_texts(baseline.new_tokens),
        baseline_text=baseline.text,
        edited=None if edited is None else token_texts(edited.new_tokens),
        edited_text=None if edited is None else edited.text,
    )


def _new_token(side: Side, index: int, new: NewToken) -> wire.GenerateToken:
    return wire.GenerateToken(
        side=side, index=index, token=token_text(new.token), probability=new.probability
    )
