"""What a flow graph attributes to cuts: minus the direct effect of what the stream no longer gets.

Of several cuts together that is the effect of their union: a head and one of its own rows of W_O,
or a neuron and its layer's feed-forward, lose what they share once. What is lost of a branch is
said as rows of its output map, pairs of query and key of the heads whose rows are not lost, and
the bias; a branch that is cut whole has all of them. The stream past a branch has everything that
was written before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from unembed.analyses.flow.names import CutName, is_latent, parse_cut
from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.effects import Writes, effects_on, has_effects, step_of
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import (
    BranchOutput,
    branch_output,
    gate,
    joins_stream,
    write,
)
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import check_target, resolve_position
from unembed.engine.names.taps import refuse
from unembed.engine.nodes import CROSS, CROSS_SITES, Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import Lengths, SiteKey, Target, site
from unembed.errors import CapabilityError, TargetError
from unembed.latents.sae import direction_of, sae_of

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


WHOLE: dict[str, Branch] = {"attn_out": "attn", "cross_out": "cross", "mlp_out": "mlp"}
BOXES: dict[str, Branch] = {"mixer_out": "attn", "ple_out": "mlp"}  # beside those, in their steps
INPUTS: dict[str, Branch] = {
    "z": "attn",
    "cross_z": "cross",
    "mlp_post": "mlp",
}  # of the output maps


@torch.no_grad()
def attributed(
    run: Run,
    name: str | CutName | None,
    position: int,
    objective: int | Objective,
    read: Directions | None = None,
) -> float | None:
    """The change of an objective that the graph attributes to a cut.

    None where what is cut does not write to the residual stream itself, or the effects of writes
    are not known in this model; 0 where it writes at other positions only.
    """
    return attributed_together(run, [name], position, objective, read)


@torch.no_grad()
def attributed_together(
    run: Run,
    names: Sequence[str | CutName | None],
    position: int,
    objective: int | Objective,
    read: Directions | None = None,
) -> float | None:
    """The change of an objective that the graph attributes to cuts made together.

    A token is the objective of its logit, at `position`, where cuts act that name none themselves.
    `read` is how a head reads the stream to score a label, of an objective that is one.
    It is that of the union of what they take away. None where that is not known of one of them.
    The run captured what `flow_capture` says for the layers of the cuts; raises TargetError for
    what it did not capture.
    """
    known = [checked_cut(run.model, name) for name in names if name is not None]
    if len(known) < len(names) or not all(_writes(cut) for cut in known):
        return None
    if _overlap(run.model, known):
        return None
    n_positions = len(run.ids)
    usual = resolve_position(position, n_positions)
    if isinstance(objective, int):
        objective = Objective.logit(objective, position=usual)
    if read is None and not has_effects(objective):
        return None
    here = resolve_position(objective.position, n_positions) if read is None else read.position
    at = [usual if cut.at is None else resolve_position(cut.at, n_positions) for cut in known]
    groups = _lost(run, [cut for cut, own in zip(known, at, strict=True) if own == here], here)
    if not groups:
        return 0.0
    if read is not None:
        return -float(read.effects(run.model, groups).sum())
    try:
        return -float(effects_on(run, groups, [objective], joint=True)[0, 0])
    except CapabilityError:
        return None


def checked_cut(model: Loaded, name: str | CutName) -> CutName:
    """A cut of something that this model has; raises TargetError."""
    found = parse_cut(name)
    whole = (site("attn_out", found.layer),) if found.into is None else (found.into,)
    if any(is_latent(target) for target in found.targets):
        read = tuple(model.node(target, "name") for target in found.targets)
        return replace(found, targets=read)
    for target in found.targets or whole:
        check_target(target, model.anatomy, model.name, "name")
    _check_crossed(model, found)
    return found


def _check_crossed(model: Loaded, found: CutName) -> None:
    """What is of attention to an encoder needs one; the stream past it is not past two branches.

    Raises CapabilityError, or TargetError.
    """
    for target in (*found.targets, found.into, found.site):
        if target is not None and target.site in CROSS_SITES:
            refuse(model.anatomy, target.site_key, model.name, "name")
    if found.branch == "cross":
        refuse(model.anatomy, SiteKey("cross_out", found.layer), model.name, "name")
    streams = model.block(found.layer).stream_sites
    if found.site is None or found.into is None or "resid_mid_cross" not in streams:
        return
    behind = (*streams, "resid_post")[_reached(model, found)[1] + 1]
    if found.into.site != behind:
        raise TargetError(
            f"no link goes from {found.site.text} to {found.into.text} in {model.name}: its layers "
            "attend to the encoder between them",
            field="name",
            value=found.text,
            legal=f"L{found.layer}.{behind}",
        )


def _writes(cut: CutName) -> bool:
    """Whether what is cut writes to the residual stream itself."""
    return all(
        is_latent(target) or target.site in (*WHOLE, *BOXES, *INPUTS) or target.key is not None
        for target in cut.targets
    )


# ------------------------------------------------------------------ what is lost


@dataclass
class _Loss:
    """What a branch no longer adds."""

    whole: bool = False
    bias: bool = False
    inputs: list[Target] = field(default_factory=list)  # parts of z, cross_z or mlp_post
    pairs: set[tuple[int, int]] = field(default_factory=set)  # (head, key)


def _lost(run: Run, cuts: Iterable[CutName], at: int) -> list[Writes]:
    """The union of what cuts at one position take away, branch by branch."""
    losses: dict[tuple[int, Branch], _Loss] = defaultdict(_Loss)
    boxes: dict[tuple[int, str], Branch] = {}
    streams: list[CutName] = []
    latents: list[Target] = []
    for cut in cuts:
        if cut.kind == "residual":
            streams.append(cut)
        elif cut.branch is not None:
            losses[cut.layer, cut.branch].bias = True
        for target in cut.targets:
            if target.row.derived:
                latents.append(target)
            elif target.site in BOXES:
                boxes[cut.layer, target.site] = BOXES[target.site]
            else:
                _take(losses, cut.layer, target, run.lengths)
    model = run.model
    last = max((_reached(model, one) for one in streams), default=(-1, 0))
    groups = [
        Writes(_of_branch(run, layer, branch, loss, at)[None], layer, branch)
        for (layer, branch), loss in losses.items()
        if (layer, step_of(model, layer, branch)) >= last
    ]
    groups += [
        Writes(accurate(run[f"L{layer}.{name}"][at])[None], layer, branch)
        for (layer, name), branch in boxes.items()
        if (layer, step_of(model, layer, branch)) >= last
    ]
    groups += [group for one in latents for group in _of_latent(run, one, at, last)]
    for stream in streams:
        if _reached(model, stream) == last and stream.site is not None:
            past = _past(model, *last)
            passed = accurate(run[stream.site][at])[None]
            passed = passed * model.block(stream.layer).stream_factors[last[1]]
            groups.append(Writes(passed, stream.layer, past))
            break  # the others are in this one
    return groups


def _of_latent(run: Run, latent: Target, at: int, last: tuple[int, int]) -> list[Writes]:
    """What a latent writes, unless a stream that is cut has it already."""
    step = joins_stream(run.model, _written_at(run.model, latent))
    if step is None:
        raise LookupError(latent.text)
    layer, branch = step
    place = (-1, 0) if layer is None else (layer, step_of(run.model, layer, branch))
    if place < last:
        return []
    return [Writes(accurate(write(run, latent)[at])[None], layer, branch)]


def _written_at(model: Loaded, latent: Target) -> SiteKey:
    """Where its autoencoder writes; what was attached without one is read and written at a site."""
    if direction_of(model, latent) is None:
        return latent.site_key
    return sae_of(model, latent).description.writes or latent.site_key


def _overlap(model: Loaded, cuts: Sequence[CutName]) -> bool:
    """Whether a latent's write is no direct effect, or shares what it is with something else.

    A latent of a branch is made of what the branch's own nodes write, one of the stream of all
    that was written before.
    """
    latents = [one for cut in cuts for one in cut.targets if one.row.derived]
    places = {_written_at(model, one) for one in latents}
    if any(joins_stream(model, place) is None for place in places) or any(
        direction_of(model, one) is None for one in latents
    ):
        return True
    own = [cut for cut in cuts if not any(one.row.derived for one in cut.targets)]
    if any(place.site not in WHOLE for place in places):
        return bool(own) or len(places) > 1
    branches = {(place.layer, WHOLE[place.site]) for place in places}
    return any((cut.layer, branch) in branches for cut in own for branch in _branches(cut))


def _branches(cut: CutName) -> list[Branch | None]:
    return [cut.branch, *map(_branch_of, cut.targets)]


def _branch_of(target: Target) -> Branch | None:
    if target.key is not None:
        return target.row.writes or "attn"
    return (WHOLE | INPUTS).get(target.site)


def _take(
    losses: dict[tuple[int, Branch], _Loss], layer: int, target: Target, lengths: Lengths
) -> None:
    if target.site in WHOLE:
        losses[layer, WHOLE[target.site]].whole = True
    elif target.site in INPUTS:
        losses[layer, INPUTS[target.site]].inputs.append(target)
    elif target.head is not None and target.key is not None:
        key = resolve_position(target.key, lengths.keys_of(target.site_key), "name")
        losses[layer, target.row.writes or "attn"].pairs.add((target.head, key))


def _reached(model: Loaded, stream: CutName) -> tuple[int, int]:
    """(layer, step): everything written before that step is in this stream."""
    streams = model.block(stream.layer).stream_sites
    name = "" if stream.site is None else stream.site.site
    return stream.layer, streams.index(name) if name in streams else 0


def _past(model: Loaded, layer: int, step: int) -> Branch:
    """The branch that the stream passes in a step."""
    if step == 0:
        return "attn"
    return "mlp" if step == step_of(model, layer, "mlp") else "cross"


def _of_branch(
    run: Run, layer: int, branch: Branch, loss: _Loss, at: int
) -> Float[Tensor, " d_model"]:
    if loss.whole:
        return accurate(run[site(f"{branch}_out", layer)][at])
    out = branch_output(run, layer, branch, at)
    inside = accurate(out.inside[0])
    lost = torch.zeros_like(inside)
    gates = gate(run, layer, at) if loss.pairs and branch == "attn" else None
    for head, key in loss.pairs:
        fetched = _from_key(run, layer, branch, head, key, at)
        fetched = fetched if gates is None else fetched * accurate(gates[head])
        lost[_rows(run.model, layer, branch, head)] += fetched
    for target in loss.inputs:
        rows = _inputs(run.model, layer, branch, target)
        lost[rows] = inside[rows]
    total = _written(out, lost)
    return total + accurate(out.bias_write()[0]) if loss.bias else total


def _inputs(model: Loaded, layer: int, branch: Branch, target: Target) -> slice | int:
    """Which inputs of the output map a part of z or of mlp_post is."""
    if target.head is not None:
        return _rows(model, layer, branch, target.head)
    number = target.neuron if target.entry is None else target.entry
    return slice(None) if number is None else number


def _rows(model: Loaded, layer: int, branch: Branch, head: int) -> slice:
    width = model.attention_of(layer, branch).d_head
    return slice(head * width, (head + 1) * width)


def _from_key(
    run: Run, layer: int, branch: Branch, head: int, key: int, at: int
) -> Float[Tensor, " d_head"]:
    """What a head gets from one position, before any gate."""
    prefix = CROSS if branch == "cross" else ""
    values = run[site(f"{prefix}v", layer)]
    n_heads = run.model.attention_of(layer, branch).n_heads
    score = accurate(run[f"L{layer}.H{head}.{prefix}pattern@{at}"])[key]
    return score * accurate(values[key, head * values.shape[1] // n_heads])


def _written(out: BranchOutput, inputs: Float[Tensor, " d_in"]) -> Float[Tensor, " d_model"]:
    """What some inputs of an output map write."""
    rows = inputs.nonzero()[:, 0]
    product = inputs[rows] @ accurate(out.weight[rows])
    return accurate(out.carry(product[None, None])[0, 0])
