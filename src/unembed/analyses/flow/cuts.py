"""Cutting nodes and links of a flow graph: the edits, what the graph says of them, what they do.

What a graph attributes to a cut is minus the direct effect of what is cut: straight to the
unembedding, with norms frozen, as if no later layer noticed. What it really does is measured, by
running the model with the cut. The two differ where later layers read what was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch

from unembed.analyses.flow.attributed import attributed, attributed_together, checked_cut
from unembed.analyses.flow.cut_report import CutEffect, CutReport
from unembed.analyses.flow.names import CutName, parse_cut
from unembed.analyses.flow.result import FlowGraph, FlowLink, FlowNode
from unembed.analyses.flow.target import Rating, flow_target
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.scores import TargetScore, target_score
from unembed.analyses.tools.target import TargetLike, read_target
from unembed.analyses.tools.writes import INSIDE, branch_output
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, zero
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.nodes import Operation, Stage
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.engine.targets import Target, site
from unembed.errors import CapabilityError, TargetError
from unembed.models.progress import Progress


def cut_capture(model: Loaded, name: str | CutName) -> tuple[str, ...]:
    """What a run must have captured for `cut` of this node or link; often nothing."""
    found = checked_cut(model, name)
    if found.branch is not None:
        return (f"L{found.layer}.{INSIDE[found.branch]}",)
    return () if found.site is None else (found.site.stem,)


@torch.no_grad()
def cut(run: Run, name: str | CutName, position: int = -1) -> tuple[Edit, ...]:
    """The edits that cut a node or a link of a flow graph, by its id, at one position.

    Cut are: a head ("L14.H7"), what it gets from one position ("L14.H7.value@3", no attention
    being given to others), its query, a neuron, an entry of z ("L14.z448"), a bias, what a branch
    reads or adds, the stream past a branch ("L14.resid_pre>L14.resid_mid"). `run` is the run whose
    values are cut; it must have captured `cut_capture(model, name)`.

    Raises:
        TargetError: no such node or link, or position.
        CapabilityError: the stream past a branch, where blocks normalise it.
    """
    found = checked_cut(run.model, name)
    at = cut_position(found, position, len(run.ids))
    if found.branch is not None:
        bias = branch_output(run, found.layer, found.branch, at).bias_write()[0]
        return (add(site(f"{found.branch}_out", found.layer).at(at), -bias),)
    if found.kind == "residual":
        return (_stream_edit(run, found, at),)
    keys = [
        None
        if one.key is None
        else resolve_position(one.key, run.lengths.keys_of(one.site_key), "name")
        for one in found.targets
    ]
    return tuple(zero(one.at(at, key)) for one, key in zip(found.targets, keys, strict=True))


def _stream_edit(run: Run, found: CutName, at: int) -> Edit:
    model = run.model
    if model.block(found.layer).stream_norms is not None:
        raise CapabilityError(
            f"{found.text} cannot be cut: {model.name} normalises the stream on its way past each "
            "branch, so that what goes past it is no part of a sum",
            field="name",
            value=found.text,
            legal="other nodes and links",
        )
    if found.site is None or found.into is None:
        raise LookupError(found.text)
    block = model.block(found.layer)
    passed = found.site.site
    step = block.stream_sites.index(passed) if passed in block.stream_sites else 0
    factor = block.stream_factors[step]
    return add(found.into.at(at), -factor * run[found.site][at])


# ------------------------------------------------------------------ what an edit cuts


def cut_position(
    name: CutName, position: int, n_positions: int, positions: Sequence[int] | None = None
) -> int:
    """Where a cut acts, counted from the start: the one rule, for whoever asks.

    The position that its name says; else the one that is given beside it; else `position`, that
    of the graph. Raises TargetError for a position that is not there.
    """
    if name.at is not None:
        return resolve_position(name.at, n_positions, "name")
    if positions is not None:
        return resolve_position(positions[0], n_positions, "positions")
    return resolve_position(position, n_positions)


def cut_of(
    target: str | Target | CutName,
    operation: Operation | Literal["cut", "on", "lmd_on", "lmd_off"],
    position: int,
    n_positions: int,
    *,
    positions: Sequence[int] | None = None,
    stage: Stage = "post",
) -> CutName | None:
    """What an edit cuts at one position: a cut, or a plain zero that means the same.

    None for every other edit: one that keeps something, acts at several positions, or is of what
    is in no flow graph. The position is said in what is returned.
    """
    if operation not in ("cut", "zero") or stage != "post":
        return None
    try:
        named = parse_cut(target)
    except TargetError:
        return None
    everywhere = operation == "zero" and named.at is None and positions is None
    if everywhere or (positions is not None and len(positions) != 1):
        return None
    return replace(named, at=cut_position(named, position, n_positions, positions))


def attributed_at(run: Run, graph: FlowGraph, cuts: Sequence[CutName | None]) -> float | None:
    """The change of its objective that a graph of `run` attributes to cuts, together.

    Of a single one that the graph shows, the number that it shows. None where a cut is of a layer
    or position that the graph does not have, or what it takes away is not known; see `attributed`.
    """
    n_positions = len(graph.tokens)
    known = [
        one
        for one in cuts
        if one is not None
        and one.layer in graph.layers
        and cut_position(one, graph.position, n_positions) == graph.position
    ]
    if len(known) < len(cuts):
        return None
    objective = graph.objective or graph.target.tokens[0].id
    shown = _shown(graph, known[0]) if len(known) == 1 else None
    if shown is not None:
        return shown
    try:
        return attributed_together(run, known, graph.position, objective, graph.read)
    except TargetError:  # of a layer before those of the graph, which was not captured
        return None


def _shown(graph: FlowGraph, wanted: CutName) -> float | None:
    """What the graph says of a cut at its position; the first part that is cut so."""
    parts: list[FlowNode | FlowLink] = [*graph.nodes, *graph.links]
    for part in parts:
        if part.attributed is None or part.cut is None or f"L{wanted.layer}." not in part.id:
            continue
        for name in map(parse_cut, (part.id, part.cut.target)):
            if name.what == wanted.what:
                return -part.attributed
    return None


@torch.no_grad()
def measure_cuts(
    run: Run,
    names: Sequence[str | CutName],
    *,
    target: TargetLike | None = None,
    position: int = -1,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> CutReport:
    """Cut nodes or links, each alone and all together, and see what becomes of the target.

    `run` is the baseline, which captured `flow_capture(model, layers, position)` of every layer
    with a cut. A target of several tokens is rated by its first; None is the baseline's top token.
    `position` is where cuts act and where a token is rated; a `ue.Objective` of any kind is read at
    its own.

    Raises as `cut` does; TargetError also where something was not captured.
    """
    found = [parse_cut(name) for name in names]
    groups = [(name, cut(run, name, position)) for name in found]
    return measure_edits(
        run, groups, target=target, position=position, cancel=cancel, progress=progress
    )


@torch.no_grad()
def measure_edits(
    run: Run,
    groups: Sequence[tuple[str | CutName | None, Sequence[Edit]]],
    *,
    target: TargetLike | None = None,
    position: int = -1,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> CutReport:
    """Make groups of edits, each alone and all together, and see what becomes of the target.

    A group's name says which node or link its edits cut.

    Edits without a name have no attribution. All are added to the edits of `run`.
    """
    position = resolve_position(position, len(run.ids))
    rating = _rating(run, target, position)
    sets = [list(edits) for _, edits in groups]
    cuts = [None if name is None else parse_cut(name) for name, _ in groups]
    every = _all_at_once(run, cuts, sets, position)
    together = every is not None
    if every is not None:
        sets.append(every)
    runs = [run, *(_run_again(run, edits, rating.objective, cancel, progress) for edits in sets)]
    (before, *after), values = _scores(runs, rating, cancel)
    toward = rating.objective, rating.read
    parts = [attributed(run, name, position, *toward) for name in cuts]
    if together:
        parts.append(attributed_together(run, cuts, position, *toward))
    names = ["" if name is None else name.text for name in cuts] + ["together"] * together
    effects = [
        _effect(name, part, before, score, value - values[0])
        for name, part, score, value in zip(names, parts, after, values[1:], strict=True)
    ]
    return CutReport(
        target=rating.target,
        baseline=before,
        value=values[0],
        cuts=tuple(effects[: len(groups)]),
        together=effects[-1] if together else None,
    )


def _effect(
    name: str,
    attributed: float | None,
    before: TargetScore | None,
    after: TargetScore | None,
    change: float,
) -> CutEffect:
    if before is None or after is None:
        return CutEffect(name, attributed, None, None, None, change)
    logit, probability = after.logit - before.logit, after.probability - before.probability
    return CutEffect(name, attributed, after, logit, probability, change)


def _rating(run: Run, target: TargetLike | None, position: int) -> Rating:
    """A token is rated where cuts act; an objective says itself where."""
    if isinstance(target, Objective):
        position = resolve_position(target.position, len(run.ids))
    return flow_target(run, target, "first", position)


def _all_at_once(
    run: Run, cuts: Sequence[CutName | None], sets: Sequence[list[Edit]], position: int
) -> list[Edit] | None:
    """The edits of all cuts in one run; None for a single one, or more than a run takes."""
    inside = _inside(cuts, position, len(run.ids))
    every = [edit for order, edits in enumerate(sets) if order not in inside for edit in edits]
    if None not in cuts:  # what is taken out is not to be left of zero
        every.sort(key=lambda edit: edit.operation != "add")
    fits = len(run.edits) + len(every) <= run.model.settings.max_edits
    return every if len(sets) > 1 and fits else None


def _inside(cuts: Sequence[CutName | None], position: int, n_positions: int) -> set[int]:
    """Cuts of a stream past a branch where the stream itself is cut too: nothing is left of it."""
    found = [
        (order, cut, cut_position(cut, position, n_positions))
        for order, cut in enumerate(cuts)
        if cut is not None
    ]
    whole = {(one.site_key, at) for _, cut, at in found for one in cut.targets}
    return {order for order, cut, at in found if cut.site and (cut.site.site_key, at) in whole}


# ------------------------------------------------------------------ measuring


def _run_again(
    run: Run,
    edits: Sequence[Edit],
    objective: Objective,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Run:
    capture = [f"L{run.model.anatomy.n_layers - 1}.resid_post"]
    if not objective.is_of_logits:
        capture += objective.required_capture(run.model)
    logits: forward.Logits = "none" if objective.scored is None else "last"
    request = forward.request_of(run, capture, (*run.edits, *edits), logits)
    return forward.run(run.model, request, cancel, progress)


def _scores(
    runs: Sequence[Run], rating: Rating, cancel: Cancel | None
) -> tuple[list[TargetScore | None], list[float]]:
    """How each run rates the target where that is a token, and its value of the objective."""
    model, objective = runs[0].model, rating.objective
    if not rating.target.tokens:
        return [None] * len(runs), [float(objective.value(run)) for run in runs]
    position = resolve_position(objective.position, len(runs[0].ids))
    last = f"L{model.anatomy.n_layers - 1}.resid_post"
    states = torch.stack([run[last][position] for run in runs])
    rated = read_target(model, objective if objective.is_of_logits else rating.target.tokens[0].id)
    if rated is None:
        raise LookupError(rating.target.text)
    targets = torch.tensor(rated.ids).expand(len(states), -1)
    readout = model.unembedding.read(
        model.final_norm(states), k=1, targets=targets, mean=rated.needs_mean, cancel=cancel
    )
    if objective.is_of_logits:
        values = objective.of_readout(readout).tolist()
    else:
        values = [float(objective.value(run)) for run in runs]
    return [target_score(readout, row) for row in range(len(states))], values
