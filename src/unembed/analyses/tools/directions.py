"""Direct effects turned round: one direction for each place that writes to the stream.

The direct effect of a write on an objective is its dot product with the direction of the place it
is written at: the transpose of what `effects` does, so that the effects of all neurons of a layer
are one product of a matrix with a vector. The head's norms, and those that the stream goes through,
are frozen at the run's scale. Where the head is not linear (masked models), the direction in the
last residual is the gradient there; so it is where a head scores labels from pooled states.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from unembed.analyses.tools.effects import (
    STREAM,
    Writes,
    check_effects,
    effects_capture,
    norm_of_step,
    step_of,
    stream_capture,
)
from unembed.analyses.tools.frozen import accurate, freeze
from unembed.analyses.tools.labelled import labels_of, read_by_head
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, resolve_position
from unembed.engine.nodes import Branch
from unembed.engine.passes import forward
from unembed.engine.passes.run import Run
from unembed.errors import CapabilityError
from unembed.models.anatomy import HeadAnatomy
from unembed.models.maps import bias_of, is_map, weight_in_out

if TYPE_CHECKING:
    from jaxtyping import Float


Method = Literal["frozen", "gradient"]
HEAD_AGREEMENT = 0.01  # of the size of what is summed; more than rounding in bfloat16 makes


@dataclass(frozen=True, eq=False)
class Directions:
    """How an objective reads the residual stream of one run at its position.

    objective = <stream, last> + bias + beyond: `bias` is what the head adds whatever the stream is,
    `beyond` what is not linear in the logits (a soft cap, a log-sum-exp) or in the head. `norms` is
    what the biases of norms that the stream itself goes through bring to <stream, last>.
    """

    position: int
    method: Method
    last: Float[Tensor, " d_model"]  # in the last residual, or in the stream that is read
    behind: dict[tuple[int, int], Float[Tensor, " d_model"]]  # by layer and step
    embed: Float[Tensor, " d_model"]
    norms: float
    bias: float
    beyond: float

    def of(self, model: Loaded, layer: int | None, branch: Branch | None) -> Tensor:
        """The direction of what a branch of a layer writes; of the embedding with neither."""
        if layer is None:
            return self.embed
        return self.behind[layer, step_of(model, layer, branch)]

    def effects(self, model: Loaded, groups: Sequence[Writes]) -> Float[Tensor, " n"]:
        """Direct effects of writes at its position, row after row: linear, so they sum."""
        parts = []
        for one in groups:
            way = self.of(model, one.layer, one.branch)
            parts.append(accurate(one.rows).to(way) @ way)
        return torch.cat(parts)


def directions_capture(model: Loaded, objective: Objective) -> tuple[str, ...]:
    """What a run must have captured for `directions`. Raises InputError as that does."""
    if objective.scored is not None:
        return stream_capture(model, None)
    check_effects(objective)
    of_stream = objective.node is not None and objective.node.layer is not None
    stream = stream_capture if of_stream else effects_capture  # no lens is needed inside
    needed = (*stream(model, None), *objective.required_capture(model))
    return tuple(dict.fromkeys(needed))


@torch.no_grad()
def directions(run: Run, objective: Objective) -> Directions:
    """The directions of every place, for one objective in one run.

    Of a label's score: of a run with a graph, see `label_directions`. Raises InputError for an
    objective that nothing has a direct effect on.
    """
    check_effects(objective)
    model, node = run.model, objective.node
    position = resolve_position(objective.position, len(run.ids))
    end: tuple[int, int] | None = None
    bias = beyond = 0.0
    method: Method = "frozen"
    if node is not None and node.layer is not None and objective.vector is not None:
        check_target(node, model.anatomy, model.name, "node")
        inner = node.site == "resid_post"
        end = (node.layer + 1, 0) if inner else (node.layer, STREAM.index(node.site))
        last = _vector(run, objective.vector)
    else:
        last, bias, beyond, method = _of_head(run, objective, position)
    embed, behind, norms = through_stream(run, last, position, end)
    return Directions(position, method, last, behind, embed, norms, bias, beyond)


@torch.no_grad()
def label_directions(run: Run, objective: Objective) -> Directions | None:
    """The directions for a label's score, in a run with `grad=True` that reached the head.

    They are those of the position that the head reads; None where it reads several, or none, and
    no single write has a direct effect. Raises as `Objective.value` does.
    """
    with torch.inference_mode(False), torch.enable_grad():
        score = objective.value(run)
        read = read_by_head(run, score)
    if len(read) != 1:
        return None
    ((position, slope),) = read.items()
    value = float(score)
    last, bias, beyond, method = _of_label(run, objective, position, slope, value)
    embed, behind, norms = through_stream(run, last, position, None)
    return Directions(position, method, last, behind, embed, norms, bias, beyond)


@torch.no_grad()
def read_of_label(
    run: Run, objective: Objective, cancel: Cancel | None = None
) -> Directions | None:
    """As `label_directions`, of a run without a graph: the same run is made once more, with one."""
    model = run.model
    capture = directions_capture(model, objective)
    request = forward.request_of(run, capture, run.edits, "last", grad=True)
    return label_directions(forward.run(model, request, cancel), objective)


def _vector(run: Run, vector: Tensor) -> Tensor:
    """A direction in the precision that numbers are computed in."""
    return vector.to(accurate(run[f"L{run.model.anatomy.n_layers - 1}.resid_post"][:1]))


def through_stream(
    run: Run, direction: Tensor, position: int, end: tuple[int, int] | None
) -> tuple[Tensor, dict[tuple[int, int], Tensor], float]:
    """The direction before everything and behind every step, and what norms on the way add."""
    found: dict[tuple[int, int], Tensor] = {}
    norms = 0.0
    for block in reversed(run.model.anatomy.blocks):
        for step in reversed(range(len(block.stream_factors))):
            now = (block.layer, step)
            if end is not None and now >= end:
                found[now] = torch.zeros_like(direction)  # what is read lies before it
                continue
            factor, norm = block.stream_factors[step], norm_of_step(run, block, step, position)
            passed = direction if factor == 1.0 else direction * factor
            if norm is not None:
                norms += float(norm.bias.to(norm.gain) @ passed.to(norm.gain))
                passed = norm.back(passed.to(norm.gain)[None])[0]
            post = block.arrangement == "post_norm"  # its own write goes through the norm, too
            found[now] = passed if post else direction
            direction = passed
    return direction, found, norms


# ---------------------------------------------------------------- the head


def _of_head(run: Run, objective: Objective, position: int) -> tuple[Tensor, float, float, Method]:
    """The direction in the last residual, the head's bias, and what is beyond the linear."""
    model = run.model
    state = run[f"L{model.anatomy.n_layers - 1}.resid_post"][position, None]
    value = float(_value(model, objective, state))
    steps = _steps(model, state)
    if steps is None:
        last = _gradient(model, objective, state)
        return last, 0.0, value - float(accurate(state[0]) @ last), "gradient"
    rows, bias = _rows(model, objective, state)
    at_unembedding = float(accurate(model.final_norm(state)[0]) @ rows) + bias
    factor = 1.0 if model.anatomy.head is None else model.anatomy.head.factor
    rows = rows * factor
    for back, constant in reversed(steps):
        if constant is not None:
            bias += float(accurate(constant) @ rows)
        rows = back(rows)
    return rows, bias, value - at_unembedding, "frozen"


def _of_label(
    run: Run, objective: Objective, position: int, slope: Float[Tensor, " d_model"], value: float
) -> tuple[Tensor, float, float, Method]:
    """As `_of_head`; the gradient where the head is not linear behind its norms."""
    model, slope = run.model, accurate(slope)
    state = run[f"L{model.anatomy.n_layers - 1}.resid_post"][position, None]
    head = model.anatomy.label_head
    steps = None if head is None else _turned_round(model, head, state)
    if head is None or steps is None or objective.scored is None:
        return slope, 0.0, value - float(accurate(state[0]) @ slope), "gradient"
    scored = model.module.get_submodule(head.unembedding)
    index, own = labels_of(model).index(objective.scored), bias_of(scored)
    rows = accurate(weight_in_out(scored)[:, index]) * head.factor
    bias = 0.0 if own is None else float(own[index])
    for back, constant in reversed(steps):
        if constant is not None:
            bias += float(accurate(constant) @ rows)
        rows = back(rows)
    parts = accurate(state[0]) * rows
    beyond = value - float(parts.sum()) - bias
    if abs(beyond) > HEAD_AGREEMENT * float(parts.abs().sum() + abs(bias) + abs(value)):
        # something else is done to the scores: what the model itself does is differentiated
        return slope, 0.0, value - float(accurate(state[0]) @ slope), "gradient"
    return rows, bias, beyond, "frozen"


def _value(model: Loaded, objective: Objective, state: Float[Tensor, "1 d_model"]) -> Tensor:
    """The objective of a state of the last residual."""
    states = model.final_norm(state)
    if objective.node is not None:
        return objective.along(model, states)[0]
    return objective.of_logits(model, model.unembedding.logits(states))[0]


def _gradient(model: Loaded, objective: Objective, state: Tensor) -> Float[Tensor, " d_model"]:
    with torch.inference_mode(False), torch.enable_grad():
        given = state.detach().clone().requires_grad_()
        (found,) = torch.autograd.grad(_value(model, objective, given), given)
    return accurate(found[0])


def _rows(
    model: Loaded, objective: Objective, state: Tensor
) -> tuple[Float[Tensor, " d_unembed"], float]:
    """What the objective is of what the unembedding reads: a direction, and a number beside it."""
    if objective.vector is not None:
        return objective.vector.to(accurate(state)), 0.0
    unembedding = model.unembedding
    logits = unembedding.logits(model.final_norm(state))
    factor = unembedding.scale / unembedding.divisor
    rows = objective.unembedded(model, logits) * factor
    if unembedding.bias is None:
        return rows, 0.0
    weights = objective.weights(model, logits)
    used = weights != 0  # a bias of -inf forbids tokens that do not count
    bias = weights[used] @ accurate(unembedding.bias).to(weights)[used]
    return rows, float(bias) * factor


Step = tuple[Callable[[Tensor], Tensor], Tensor | None]


def _steps(model: Loaded, state: Float[Tensor, "1 d_model"]) -> list[Step] | None:
    """The modules before the unembedding turned round, with their biases; None if not linear."""
    head = model.anatomy.head
    if head is None or head.container is not None:
        return None
    return _turned_round(model, head, state)


def _turned_round(
    model: Loaded, head: HeadAnatomy, state: Float[Tensor, "1 d_model"]
) -> list[Step] | None:
    """The modules of a head's chain turned round; None if one is not linear."""
    found: list[Step] = []
    with model.evaluating():
        for name in head.chain:
            module = model.module.get_submodule(name)
            step = _turned(module, state)
            if step is None:
                return None
            found.append(step)
            state = module(state[None])[0]
    return found


def _turned(module: nn.Module, state: Tensor) -> Step | None:
    if is_map(module):
        weight, bias = weight_in_out(module), bias_of(module)
        return (lambda rows: accurate(weight) @ rows), bias
    if isinstance(module, nn.Dropout | nn.Identity):
        return (lambda rows: rows), None
    try:
        norm = freeze(module, state)
    except CapabilityError:
        return None
    return (lambda rows: norm.back(rows[None])[0]), norm.bias
