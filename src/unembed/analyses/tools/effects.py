"""The direct effect of writes to the residual stream on the logits, past all later blocks.

Method "frozen": every norm between the write and the unembedding has its scale frozen at the run's
value, so the effect is linear, and the effects of all writes sum to the logits but for biases. It
is the logit before any soft cap. Method "difference": where something that is no norm and no linear
map stands before the unembedding (the transform of masked models' heads), the effect is what the
logits lose when the write is taken out of the last residual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from unembed.analyses.tools.frozen import FrozenNorm, freeze
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, resolve_position
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.reading.extremes import Extremes, RunningExtremes, extremes
from unembed.errors import CapabilityError, InputError
from unembed.models.anatomy import BlockAnatomy
from unembed.models.maps import is_map, weight_in_out

if TYPE_CHECKING:
    from jaxtyping import Float


Method = Literal["frozen", "difference"]

# states of the residual stream, in the order in which a layer has them; a final norm behind
STREAM = ("resid_pre", "resid_mid", "resid_mid_cross", "resid_post", "final_norm")
HELD_LOGITS = 16 * 1024 * 1024  # numbers: the most that differences hold at once


@dataclass(frozen=True, eq=False)
class Writes:
    """Some writes of one branch of one layer, at one position; the embedding has neither."""

    rows: Float[Tensor, "n d_model"]
    layer: int | None
    branch: Branch | None


@dataclass(frozen=True, eq=False)
class Effects:
    """Direct effects of n writes: the k tokens most raised, and the k most lowered."""

    raised_ids: Tensor  # Int[n k], most raised first
    raised: Tensor  # Float[n k]
    lowered_ids: Tensor  # Int[n k], most lowered first
    lowered: Tensor  # Float[n k]
    method: Method


def effects_capture(model: Loaded, layer: int | None) -> tuple[str, ...]:
    """What a run must have captured for the effects of writes in a layer (None: the embedding)."""
    model.require("lens")
    return stream_capture(model, layer)


def stream_capture(model: Loaded, layer: int | None) -> tuple[str, ...]:
    """What a run must have captured to carry writes in a layer on to the last residual."""
    capture = [f"L{model.anatomy.n_layers - 1}.resid_post"]
    for later in _changing_layers(model, layer):
        block = model.block(later)
        if block.stream_norms is not None:
            sites = (*block.stream_sites, *block.branch_sites)
            capture += [f"L{later}.{site}" for site in sites]
    return tuple(capture)


@torch.no_grad()
def effects_of(
    run: Run,
    groups: Sequence[Writes],
    position: int,
    k: int = 10,
    cancel: Cancel | None = None,
    *,
    joint: bool = False,
) -> Effects:
    """Effects of writes of several branches, row after row, all read in one product.

    `joint`: in one row those of all writes as if they were one. Needs `effects_capture` of the
    lowest layer captured.
    """
    carried = _carried(run, groups, position, joint)
    _require_finite(carried)
    linear = _linear_to_unembedding(run, carried, position)
    if linear is None:
        return _effects(_of_differences(run, carried, position, k, cancel), "difference")
    rows, weight = _product(run.model, linear)
    return _effects(extremes(rows, weight, k, cancel), "frozen")


@torch.no_grad()
def effects_on(
    run: Run, groups: Sequence[Writes], objectives: Sequence[Objective], *, joint: bool = False
) -> Float[Tensor, "n objectives"]:
    """Direct effects of writes on objectives, all at one position.

    Row after row; `joint`: in one row that of all writes as if they were one, which is not their
    sum where the effect is a difference. Where it is linear the soft cap of logits is left out.
    Needs `effects_capture` of the lowest layer captured. Raises InputError for an objective without
    direct effects: see `has_effects`.
    """
    position = _one_position(run, objectives)
    if not all(one.is_of_logits for one in objectives):
        each = [_on_one(run, groups, one, position, joint) for one in objectives]
        return torch.cat([one.to(each[0]) for one in each], -1)
    carried = _carried(run, groups, position, joint)
    linear = _linear_to_unembedding(run, carried, position)
    if linear is None:
        return _lost(run, carried, position, objectives)
    rows, _ = _product(run.model, linear)
    logits = _logits(run, position, objectives)
    directions = [one.unembedded(run.model, logits) for one in objectives]
    return rows @ torch.stack(directions).to(rows).T


def has_effects(objective: Objective) -> bool:
    """Whether writes have direct effects on it: on logits, and on a direction of the stream.

    On the score of a label see `directions`: how the head reads the stream only a run with a graph
    tells.
    """
    node = objective.node
    if node is None:
        return objective.is_of_logits
    inner = node.site in STREAM and node.head is None and not node.encoder  # none of the encoder's
    return objective.kind == "direction" and inner


def check_effects(objective: Objective) -> None:
    """Raise InputError for an objective without direct effects."""
    if objective.scored is not None:
        raise InputError(
            f"direct effects on the {objective.words} are not told here: how a head for labels "
            "reads the stream is found by a backward pass",
            field="target",
            value=objective.kind,
            legal=f"an objective of logits, or a direction of {', '.join(STREAM)}",
            fix="ue.attribute(model, prompt, objective), or ue.sweep with objective=",
        )
    if not has_effects(objective):
        raise InputError(
            f"nothing writes directly to the {objective.words}: what lies between is not linear",
            field="target",
            value=objective.kind,
            legal=f"an objective of logits, or a direction of {', '.join(STREAM)}",
            fix="ue.attribute(model, prompt, objective) estimates what every node does to it; "
            "ue.measure_cuts, or ue.sweep with objective=, measures it",
        )


def _carried(
    run: Run,
    groups: Sequence[Writes],
    position: int,
    joint: bool,
    end: tuple[int, int] | None = None,
) -> Float[Tensor, "n d_model"]:
    """What is left of writes in the last residual, or before step `end` of the stream."""
    device = _last(run, position).device  # a model may lie on several
    parts = [carried_to(run, one.rows, one.layer, one.branch, position, end) for one in groups]
    carried = torch.cat([one.to(device) for one in parts])
    return carried.sum(0, keepdim=True) if joint else carried


def _on_one(
    run: Run, groups: Sequence[Writes], objective: Objective, position: int, joint: bool
) -> Float[Tensor, "n 1"]:
    node, model = objective.node, run.model
    if node is None:
        return effects_on(run, groups, [objective], joint=joint)
    check_effects(objective)
    check_target(node, model.anatomy, model.name, "node")
    if node.layer is None:
        carried = _carried(run, groups, position, joint)
        linear = _linear_to_unembedding(run, carried, position)
        if linear is None:
            states = model.final_norm(_without(run, carried, position))
            return objective.along(model, states[:1] - states[1:])[:, None]
        return objective.along(model, linear)[:, None]
    behind = node.site == "resid_post"
    end = (node.layer + 1, 0) if behind else (node.layer, STREAM.index(node.site))
    return objective.along(model, _carried(run, groups, position, joint, end))[:, None]


def _one_position(run: Run, objectives: Sequence[Objective]) -> int:
    found = {resolve_position(one.position, len(run.ids)) for one in objectives}
    if len(found) != 1:
        raise InputError(
            f"the objectives are at positions {sorted(found)}; effects are of writes at one",
            field="objectives",
            value=str(sorted(found)),
            legal="one position",
        )
    return found.pop()


def _logits(run: Run, position: int, objectives: Sequence[Objective]) -> Float[Tensor, "1 vocab"]:
    """What the objectives' rows of W_U depend on, if they do."""
    model = run.model
    if all(one.kind != "log_prob" for one in objectives):
        return _last(run, position).new_zeros(1, model.vocab_size)
    return model.unembedding.logits(model.final_norm(_last(run, position)))


def _lost(
    run: Run, carried: Tensor, position: int, objectives: Sequence[Objective]
) -> Float[Tensor, "n objectives"]:
    """What each objective loses when a write is taken out of the last residual."""
    model, states = run.model, _without(run, carried, position)
    logits = model.unembedding.logits(model.final_norm(states))
    values = torch.stack([one.of_logits(model, logits) for one in objectives], -1)
    return values[:1] - values[1:]


def _product(model: Loaded, linear: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and W_U, whose product is the effect: without the bias and the soft cap of logits."""
    unembedding = model.unembedding
    rows = linear * (unembedding.scale / unembedding.divisor)
    accurate = torch.promote_types(rows.dtype, torch.float32)
    return rows.to(unembedding.weight.device, accurate), unembedding.weight


def _require_finite(carried: Tensor) -> None:
    if not bool(carried.isfinite().all()):
        dtype = str(carried.dtype).removeprefix("torch.")
        raise InputError(
            f"what was written is not finite in {dtype}: what was computed before it overflowed",
            field="edits",
            fix="use smaller edits, or load the model in float32",
        )


def _effects(found: Extremes, method: Method) -> Effects:
    return Effects(found.raised_ids, found.raised, found.lowered_ids, found.lowered, method)


def _last(run: Run, position: int) -> Float[Tensor, "1 d_model"]:
    return run[f"L{run.model.anatomy.n_layers - 1}.resid_post"][position, None]


def _without(run: Run, carried: Tensor, position: int) -> Float[Tensor, "states d_model"]:
    """The last residual, and what it is without each write."""
    last = _last(run, position)
    return torch.cat([last, (last - carried).to(last.dtype)])


def _linear_to_unembedding(run: Run, carried: Tensor, position: int) -> Tensor | None:
    """What the unembedding reads of each part of the last residual; None if that is not linear."""
    model, head = run.model, run.model.anatomy.head
    if head is None or head.container is not None:
        return None
    state, parts = _last(run, position), carried[None]
    with model.evaluating():
        for name in head.chain:
            module = model.module.get_submodule(name)
            found = _through(module, state, parts)
            if found is None:
                return None
            parts, state = found, module(state[None])[0]
    return parts[0] * head.factor if head.factor != 1.0 else parts[0]


def _through(module: nn.Module, state: Tensor, parts: Tensor) -> Tensor | None:
    if is_map(module):
        weight = weight_in_out(module)
        return parts @ weight.to(torch.promote_types(parts.dtype, weight.dtype))
    if isinstance(module, nn.Dropout | nn.Identity):
        return parts
    try:
        return freeze(module, state).carry(parts)
    except CapabilityError:
        return None


def _difference(run: Run, carried: Tensor, position: int) -> Float[Tensor, "n vocab"]:
    """Logits of the last residual less those without each write."""
    model, states = run.model, _without(run, carried, position)
    logits = model.unembedding.logits(model.final_norm(states))
    return logits[:1] - logits[1:]


def _of_differences(
    run: Run, carried: Tensor, position: int, k: int, cancel: Cancel | None
) -> Extremes:
    """Both ends of the differences, a few writes at a time."""
    accurate = torch.promote_types(carried.dtype, torch.float32)
    parts = []
    for rows in torch.split(carried, max(1, HELD_LOGITS // run.model.vocab_size)):
        if cancel is not None:
            cancel.check()
        difference = _difference(run, rows, position).to(accurate)
        running = RunningExtremes(len(rows), k, difference)
        running.add(0, difference)
        parts.append(running.found())
    return Extremes.joined(parts)


def _changing_layers(model: Loaded, layer: int | None) -> range:
    """Blocks that normalise or scale the stream on its way, after a write in a layer."""
    some = any(not block.passes_unchanged for block in model.anatomy.blocks)
    return range(layer or 0, model.anatomy.n_layers if some else 0)


def carried_to(
    run: Run,
    writes: Tensor,
    layer: int | None,
    branch: Branch | None,
    position: int,
    end: tuple[int, int] | None,
) -> Float[Tensor, "n d_model"]:
    """What is left of each write in the stream: all of it, unless blocks change the stream.

    `end` is a layer and one of its steps: nothing of it or after it is in. None: in the last
    residual.
    """
    model, parts = run.model, writes[None]
    start = (-1, 0) if layer is None else (layer, step_of(model, layer, branch))
    if end is not None and start >= end:
        return torch.zeros_like(writes)
    for later in _changing_layers(model, layer):
        block = model.block(later)
        for step in range(len(block.stream_factors)):
            now = (later, step)
            # behind a branch its own write goes through the norm, too
            passes = now > start or (now == start and block.arrangement == "post_norm")
            if passes and (end is None or now < end):
                parts = _past(run, block, step, position, parts)
    return parts[0]


def step_of(model: Loaded, layer: int, branch: Branch | None) -> int:
    """Which of a layer's steps a branch adds to the stream in."""
    if branch == "mlp":
        return len(model.block(layer).stream_factors) - 1
    return int(branch == "cross")


def _past(run: Run, block: BlockAnatomy, step: int, position: int, parts: Tensor) -> Tensor:
    """What is left of parts of the stream behind one of the two steps of a block."""
    factor, frozen = block.stream_factors[step], norm_of_step(run, block, step, position)
    if frozen is not None:
        parts = frozen.carry(parts.to(frozen.gain.device))
    return parts if factor == 1.0 else parts * factor


def norm_of_step(run: Run, block: BlockAnatomy, step: int, position: int) -> FrozenNorm | None:
    """The norm that the stream itself goes through in a step of a block, at one position."""
    name = None if block.stream_norms is None else block.stream_norms[step]
    if name is None:
        return None
    model, at = run.model, f"L{block.layer}."
    stream = run[at + block.stream_sites[step]][position, None]
    if block.arrangement == "post_norm":
        for site in block.steps[step]:
            stream = stream + run[at + site][position, None]
    with model.evaluating():
        return freeze(model.module.get_submodule(name), stream)
