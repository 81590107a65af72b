"""Cutting nodes and links of a flow graph: the edits, what the graph says of them, what they do.

What a graph attributes to a cut is minus the direct effect of what is cut: straight to the
unembedding, with norms frozen, as if no later layer noticed. What it really does is measured, by
running the model with the cut. The two differ where later layers read what was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from unembed.analyses.flow.draft import accurate
from unembed.analyses.flow.names import CutName, parse_cut
from unembed.analyses.flow.result import FlowTarget
from unembed.analyses.flow.target import flow_target
from unembed.analyses.tools.effects import effect_on_tokens
from unembed.analyses.tools.writes import INSIDE, Part, branch, write
from unembed.engine.editing.edits import Edit, add, zero
from unembed.engine.names.sites import check_target, parse_target, resolve_position
from unembed.errors import CapabilityError

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from unembed.engine.model import Model
    from unembed.engine.passes.cancel import Cancel
    from unembed.engine.passes.hooks import Progress
    from unembed.engine.passes.run import Run


@dataclass(frozen=True)
class CutScore:
    """How a run rates the target."""

    probability: float
    logit: float
    rank: int  # 1 for the most likely


@dataclass(frozen=True)
class CutEffect:
    """What a cut does to the target: by the graph, and measured."""

    name: str
    attributed: float | None  # change of the logit; None: what is cut writes nothing itself
    measured: CutScore
    logit_change: float
    probability_change: float


@dataclass(frozen=True)
class CutReport:
    """Some cuts, each alone, and all of them together."""

    target: FlowTarget
    baseline: CutScore
    cuts: tuple[CutEffect, ...]
    together: CutEffect | None  # None for fewer than two, and for more edits than a run takes


def cut_capture(model: Model, name: str) -> tuple[str, ...]:
    """What a run must have captured for `cut` of this node or link; often nothing."""
    found = _checked(model, name)
    if found.kind == "bias" and found.part is not None:
        return (f"L{found.layer}.{INSIDE[found.part]}",)
    if found.kind == "residual" and found.site is not None:
        return (found.site,)
    return ()


@torch.no_grad()
def cut(run: Run, name: str, position: int = -1) -> tuple[Edit, ...]:
    """The edits that cut a node or a link of a flow graph, by its id, at one position.

    Cut are: a head ("L14.H7"), what it gets from one position ("L14.H7.value@3", no attention
    being given to others), its query, a neuron, an entry of z ("L14.z448"), a bias, what a branch
    reads or adds, the stream past a branch ("L14.resid_pre>L14.resid_mid"). `run` is the run whose
    values are cut; it must have captured `cut_capture(model, name)`.

    Raises:
        TargetError: no such node or link, or position.
        CapabilityError: the stream past a branch, where blocks normalise it.
    """
    found = _checked(run.model, name)
    at = resolve_position(position if found.at is None else found.at, len(run.ids))
    return _EDITS[found.kind](run, found, at)


@torch.no_grad()
def measure_cuts(
    run: Run,
    names: Sequence[str],
    *,
    target: str | int | None = None,
    position: int = -1,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> CutReport:
    """Cut nodes or links, each alone and all together, and see what becomes of the target.

    `run` is the baseline, which captured `flow_capture(model, layers, position)` of every layer
    with a cut. A target of several tokens is rated by its first; None is the baseline's top token.

    Raises as `cut` does; TargetError also where something was not captured.
    """
    groups = [(name, cut(run, name, position)) for name in names]
    return measure_edits(
        run, groups, target=target, position=position, cancel=cancel, progress=progress
    )


@torch.no_grad()
def measure_edits(
    run: Run,
    groups: Sequence[tuple[str | None, Sequence[Edit]]],
    *,
    target: str | int | None = None,
    position: int = -1,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> CutReport:
    """The same for edits that were made already; a name says which node or link they cut.

    Edits without a name have no attribution. All are added to the edits of `run`.
    """
    position = resolve_position(position, len(run.ids))
    rated, _ = flow_target(run, target, "first", position)
    token = rated.tokens[0].id
    sets = [list(edits) for _, edits in groups]
    inside = _inside([name for name, _ in groups], position)
    every = [edit for order, edits in enumerate(sets) if order not in inside for edit in edits]
    if all(name is not None for name, _ in groups):  # what is taken out is not to be left of zero
        every.sort(key=lambda edit: edit.operation != "add")
    if len(sets) > 1 and len(run.edits) + len(every) <= run.model.settings.max_edits:
        sets.append(every)
    states = [_last(run, position)]
    for edits in sets:
        states.append(_last(_run_again(run, edits, cancel, progress), position))
    scores = _scores(run.model, torch.stack(states), token, cancel)
    parts = [attributed(run, name, position, token) for name, _ in groups]
    if len(sets) > len(groups):
        parts.append(_sum(parts))
    names = [name or "" for name, _ in groups] + ["together"] * (len(sets) - len(groups))
    effects = [
        CutEffect(
            name,
            part,
            score,
            score.logit - scores[0].logit,
            score.probability - scores[0].probability,
        )
        for name, part, score in zip(names, parts, scores[1:], strict=True)
    ]
    return CutReport(
        target=rated,
        baseline=scores[0],
        cuts=tuple(effects[: len(groups)]),
        together=effects[-1] if len(sets) > len(groups) else None,
    )


@torch.no_grad()
def attributed(run: Run, name: str | None, position: int, token: int) -> float | None:
    """The change of a token's logit at a position that the graph attributes to a cut.

    None where what is cut does not write to the residual stream itself, or the effects of writes
    are not known in this model; 0 where it writes at other positions only.
    """
    found = None if name is None else _checked(run.model, name)
    if found is None:
        return None
    at = found.at if found.at is not None else position
    lost = _lost(run, found, resolve_position(at, len(run.ids)))
    if lost is None:
        return None
    if at % len(run.ids) != position:
        return 0.0
    vector, part = lost
    try:
        effect = effect_on_tokens(run, vector[None], found.layer, part, position, [token])
    except CapabilityError:
        return None
    return -float(effect[0, 0])


def _checked(model: Model, name: str) -> CutName:
    """The name, of something that this model has."""
    found = parse_cut(name)
    prefix = f"L{found.layer}"
    shown = {
        "pair": f"{prefix}.H{found.head}",
        "query": f"{prefix}.H{found.head}",
        "target": found.target,
        "z_row": f"{prefix}.z{found.row}",
        "residual": found.into,
    }.get(found.kind) or f"{prefix}.attn"
    check_target(parse_target(shown), model.anatomy, model.name, "name")
    return found


# ------------------------------------------------------------------ edits


def _cut_target(_run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    return (zero(f"{found.target}@{at}"),)


def _cut_pair(run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    key = resolve_position(found.key or 0, len(run.ids), "name")
    return (zero(f"L{found.layer}.H{found.head}@{at}<{key}"),)


def _cut_query(_run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    return (zero(f"L{found.layer}.H{found.head}.q@{at}"),)


def _cut_qkv(_run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    return tuple(zero(f"L{found.layer}.{site}@{at}") for site in "qkv")


def _cut_norm(_run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    return tuple(zero(f"L{found.layer}.{site}@{at}") for site in ("attn_in", "mlp_in"))


def _cut_z_row(_run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    return (zero(f"L{found.layer}.z{found.row}@{at}"),)


def _cut_bias(run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    bias = branch(run, found.layer, _part(found), at).bias_write()[0]
    return (add(f"L{found.layer}.{found.part}_out@{at}", -bias),)


def _cut_residual(run: Run, found: CutName, at: int) -> tuple[Edit, ...]:
    model = run.model
    if model.block(found.layer).stream_norms is not None:
        raise CapabilityError(
            f"{found.text} cannot be cut: {model.name} normalises the stream behind each branch, "
            "so that what goes past it is no part of a sum",
            field="name",
            value=found.text,
            legal="other nodes and links",
        )
    return (add(f"{found.into}@{at}", -run[found.site or ""][at]),)


_EDITS: dict[str, Callable[[Run, CutName, int], tuple[Edit, ...]]] = {
    "target": _cut_target,
    "pair": _cut_pair,
    "query": _cut_query,
    "qkv": _cut_qkv,
    "norm": _cut_norm,
    "z_row": _cut_z_row,
    "bias": _cut_bias,
    "residual": _cut_residual,
}


# ------------------------------------------------------------------ what is lost


def _lost(run: Run, found: CutName, at: int) -> tuple[Float[Tensor, " d_model"], Part] | None:
    """What the residual stream no longer gets, and from which branch; None: nothing directly."""
    layer = found.layer
    if found.kind == "pair":
        return _lost_pair(run, found, at), "attn"
    if found.kind == "z_row":
        whole = branch(run, layer, "attn", at)
        row = found.row or 0
        written = accurate(whole.inside[0, row]) * accurate(whole.weight[row])
        return accurate(whole.carry(written[None, None])[0, 0]), "attn"
    if found.kind == "bias":
        part = _part(found)
        return accurate(branch(run, layer, part, at).bias_write()[0]), part
    if found.kind == "residual":
        after = found.site is not None and found.site.endswith("resid_mid")
        return accurate(run[found.site or ""][at]), "mlp" if after else "attn"
    if found.kind != "target" or found.target is None:
        return None
    target = parse_target(found.target)
    text = {"attn_out": f"L{layer}.attn", "mlp_out": f"L{layer}.mlp"}.get(target.site, found.target)
    if parse_target(text).kind == "site":
        return (_all_heads(run, layer, at), "attn") if target.site == "z" else None
    node: Part = "mlp" if parse_target(text).site in ("mlp_post", "mlp_out") else "attn"
    return accurate(write(run, text)[at]), node


def _all_heads(run: Run, layer: int, at: int) -> Tensor:
    whole = branch(run, layer, "attn", at)
    return accurate(whole.carry((accurate(whole.inside) @ accurate(whole.weight))[:, None])[0, 0])


def _lost_pair(run: Run, found: CutName, at: int) -> Tensor:
    layer, head = found.layer, found.head or 0
    whole = branch(run, layer, "attn", at)
    values = run[f"L{layer}.v"]
    attention = run.model.block(layer).attention
    score = accurate(run[f"L{layer}.H{head}.pattern@{at}"])[found.key]
    value = accurate(values[found.key, head * values.shape[1] // attention.n_heads])
    rows = whole.weight[head * attention.d_head : (head + 1) * attention.d_head]
    return accurate(whole.carry((score * value @ accurate(rows))[None, None])[0, 0])


def _part(found: CutName) -> Part:
    return "mlp" if found.part == "mlp" else "attn"


def _inside(names: Sequence[str | None], position: int) -> set[int]:
    """Cuts of a stream past a branch where the stream itself is cut too: nothing is left of it."""
    found = {order: parse_cut(name) for order, name in enumerate(names) if name is not None}
    at = {order: position if one.at is None else one.at for order, one in found.items()}
    streams = {(one.target, at[order]) for order, one in found.items()}
    return {order for order, one in found.items() if (one.site or "", at[order]) in streams}


def _sum(parts: Sequence[float | None]) -> float | None:
    """What is attributed to all of them; None where one of them has no attribution."""
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


# ------------------------------------------------------------------ measuring


def _last(run: Run, position: int) -> Float[Tensor, " d_model"]:
    return run[f"L{run.model.anatomy.n_layers - 1}.resid_post"][position]


def _run_again(
    run: Run, edits: Sequence[Edit], cancel: Cancel | None, progress: Progress | None
) -> Run:
    capture = (f"L{run.model.anatomy.n_layers - 1}.resid_post",)
    return run.model.run(
        run.ids, capture, (*run.edits, *edits), logits="none", cancel=cancel, progress=progress
    )


def _scores(
    model: Model, states: Float[Tensor, "n d_model"], token: int, cancel: Cancel | None
) -> list[CutScore]:
    targets = torch.full((len(states),), token)
    readout = model.unembedding.read(model.final_norm(states), k=1, targets=targets, cancel=cancel)
    columns = (readout.target_probabilities, readout.target_logits, readout.ranks)
    rows = zip(*(column[:, 0].tolist() for column in columns), strict=True)
    return [CutScore(*row) for row in rows]
