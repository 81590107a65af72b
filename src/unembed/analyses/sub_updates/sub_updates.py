"""What each layer adds to the residual stream at one position, taken apart.

A sub-update is what one neuron writes: its activation times its value vector. A head's is its z
through its rows of W_O. Both include what the block applies after them (see `writes`). The largest
ones are shown; with the write of the biases and the rest, a row of its own, they sum to what was
added: `attn_out` or `mlp_out`. An edit of `attn_out` or `mlp_out` itself is in the rest.

Score: activation times the norm of what one unit of activation writes (signed). Share: of an added
vector a, a write w makes up <w, a>/‖a‖²; all shares of a branch sum to 1, and some are negative.
What a write promotes is its direct effect on the logits (see `effects`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.component.component import listed
from unembed.analyses.component.result import TokenEffect
from unembed.analyses.sub_updates.result import BranchUpdates, LayerUpdates, SubUpdates, Update
from unembed.analyses.tools.checks import checked_layers
from unembed.analyses.tools.directions import Directions, read_of_label
from unembed.analyses.tools.effects import (
    Effects,
    Method,
    Writes,
    check_effects,
    effects_of,
    effects_on,
    stream_capture,
)
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.shares import rounding, shares
from unembed.analyses.tools.target import TargetLike, explained_at, in_words
from unembed.analyses.tools.writes import INSIDE, BranchOutput, branch_output
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.taps import why_not
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey, node
from unembed.errors import CapabilityError, InputError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


FIELDS: Mapping[Branch, str] = {"attn": "heads", "cross": "cross_heads", "mlp": "neurons"}
"""What the parts of each branch are called in `LayerUpdates`."""


def sub_updates_capture(model: Loaded, layers: Sequence[int] | None = None) -> tuple[str, ...]:
    """What a run must have captured for `sub_updates` of these layers; None is all."""
    chosen = _checked_layers(model, layers)
    capture = [
        f"L{layer}.{site}"
        for layer in chosen
        for branch in _branches(model, layer)
        if _why_no_nodes(model, layer, branch) is None
        for site in (INSIDE[branch], f"{branch}_out")
    ]
    capture += stream_capture(model, chosen[0])
    return tuple(dict.fromkeys(capture))


@torch.no_grad()
def sub_updates(
    run: Run,
    position: int = -1,
    k: int = 10,
    *,
    layers: Sequence[int] | None = None,
    effects: int = 5,
    target: TargetLike | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> SubUpdates:
    """The k largest sub-updates of neurons, and of heads, in each layer, at one position of a run.

    The run must have captured `sub_updates_capture(model, layers)`. Branches whose nodes cannot be
    seen (experts) are None, with the reason. `effects` is how many tokens each part lists as
    promoted and as suppressed; 0 leaves out the product with the vocabulary, which costs most. A
    model without a lens lists none, and a rest that is rounding error has none. `target` is a token
    whose logit, or a `ue.Objective` at the position, that each part has a direct effect on; without
    a lens a direction of the stream has any, and the score of a label at the position that its head
    reads: along the head's gradient where it is not linear.

    Raises:
        TargetError: a position that is not there, or a site that was not captured.
        InputError: k is less than 1, or a layer that is not there.
    """
    model = run.model
    position = resolve_position(position, len(run.ids))
    _check_count("k", k, 1)
    _check_count("effects", effects, 0)
    chosen = _checked_layers(model, layers)
    objective = None if target is None else explained_at(model, target, position, len(run.ids))
    read = None if objective is None else _read(run, objective, position)
    rows: list[_Row] = []
    for done, layer in enumerate(chosen):
        if cancel is not None:
            cancel.check()
        if progress is not None:
            progress("sub-updates", done, len(chosen))
        branches = _branches(model, layer)
        found = {one: _branch_updates(run, layer, one, position, k) for one in branches}
        rows.append(_Row(layer, found))
    labels, method = _labels(run, rows, position, effects, objective, read, cancel)
    return SubUpdates(
        position=position,
        token=run.tokens[position],
        layers=tuple(row.labelled(labels) for row in rows),
        method=method,
        provenance=run.provenance,
        objective=None if objective is None else in_words(model, objective.at(-1)),
    )


@dataclass(frozen=True, eq=False)
class _Row:
    """One layer before its effects are known; a branch that is a string is the reason why not."""

    layer: int
    found: Mapping[Branch, BranchUpdates | str]

    def branches(self) -> list[tuple[Branch, BranchUpdates]]:
        return [(name, one) for name, one in self.found.items() if not isinstance(one, str)]

    def labelled(self, labels: _Labels) -> LayerUpdates:
        fields: dict[str, Any] = {"heads": None, "neurons": None}
        for branch, one in self.found.items():
            name = FIELDS[branch]
            if isinstance(one, str):
                fields[f"{name}_reason"] = one
            else:
                fields[name] = labels.put_on(one)
        return LayerUpdates(self.layer, **fields)


def _branches(model: Loaded, layer: int) -> tuple[Branch, ...]:
    """The branches that are listed of a layer; few attend to an encoder."""
    crosses = model.block(layer).cross is not None
    return tuple(one for one in FIELDS if one != "cross" or crosses)


def _branch_updates(
    run: Run, layer: int, branch: Branch, position: int, k: int
) -> BranchUpdates | str:
    """One branch, its effects still missing; or the reason why it cannot be taken apart."""
    reason = _why_no_nodes(run.model, layer, branch)
    if reason is not None:
        return reason
    try:
        whole = branch_output(run, layer, branch, position)
    except CapabilityError as error:
        return error.message
    added = accurate(run[f"L{layer}.{branch}_out"][position])
    if branch == "mlp":
        shown, writes = _neurons(layer, whole, k)
    else:
        shown, writes = _heads(run.model, layer, branch, whole, k)
    return _with_the_rest(shown, writes, accurate(whole.bias_write()), added)


def _neurons(layer: int, whole: BranchOutput, k: int) -> tuple[list[Update], Tensor]:
    """The neurons with the largest scores either way, and what they write [k, d_model]."""
    activations = accurate(whole.inside[0])
    scores = activations * whole.unit_norms()
    best = scores.abs().topk(min(k, len(scores))).indices
    writes = accurate(whole.carry(activations[None, best, None] * whole.weight[best])[0])
    shown = [
        Update(f"L{layer}.N{neuron}", activation, norm, score)
        for neuron, activation, norm, score in zip(
            best.tolist(),
            activations[best].tolist(),
            writes.norm(dim=-1).tolist(),
            scores[best].tolist(),
            strict=True,
        )
    ]
    return shown, writes


def _heads(
    model: Loaded, layer: int, branch: Branch, whole: BranchOutput, k: int
) -> tuple[list[Update], Tensor]:
    """The heads that write most, and what they write [k, d_model]."""
    n_heads = model.attention_of(layer, branch).n_heads
    kind = "cross_head" if branch == "cross" else "head"
    z = whole.inside[0].reshape(n_heads, -1)
    maps = whole.weight.reshape(n_heads, z.shape[1], -1)
    products = torch.einsum("hz,hzd->hd", accurate(z), accurate(maps))
    writes = accurate(whole.carry(products[None])[0])
    norms, best = writes.norm(dim=-1).topk(min(k, n_heads))
    shown = [
        Update(node(kind, layer, head).name, None, norm, norm)
        for head, norm in zip(best.tolist(), norms.tolist(), strict=True)
    ]
    return shown, writes[best]


def _with_the_rest(
    shown: list[Update], writes: Tensor, bias: Float[Tensor, "1 d_model"], added: Tensor
) -> BranchUpdates:
    """The shown parts, the biases where there are any, and what is left of `added`."""
    parts = [writes, bias] if bool(bias.any()) else [writes]
    rest = added - torch.cat(parts).sum(0)
    whole = torch.cat([*parts, rest[None]])
    names = ["bias"] * (len(parts) - 1) + ["rest"]
    norms = whole[len(shown) :].norm(dim=-1).tolist()
    extra = [Update(name, None, norm, norm) for name, norm in zip(names, norms, strict=True)]
    found = shares(whole, added)
    updates = [
        replace(one, share=share) for one, share in zip([*shown, *extra], found, strict=True)
    ]
    return BranchUpdates(
        added_norm=float(added.cpu().double().norm()),
        shown=tuple(updates[: len(shown)]),
        bias=updates[-2] if len(extra) == 2 else None,
        rest=updates[-1],
        explained=sum(found[: len(shown)]),
        writes=whole,
    )


class _Labels:
    """Hands out the effects of the view's writes in the order in which they were read."""

    def __init__(
        self, model: Loaded, effects: Effects | None, attributed: Sequence[float] | None = None
    ) -> None:
        self._model, self._effects, self._next = model, effects, 0
        self._attributed = attributed
        self._rounding = rounding(model.dtype)

    def put_on(self, one: BranchUpdates) -> BranchUpdates:
        return replace(
            one,
            shown=tuple(self._labelled(update) for update in one.shown),
            bias=None if one.bias is None else self._labelled(one.bias),
            rest=self._labelled(one.rest, one.rest.norm > self._rounding * one.added_norm),
        )

    def _labelled(self, update: Update, means_something: bool = True) -> Update:
        effects, row = self._effects, self._next
        self._next += 1
        if self._attributed is not None:
            update = replace(update, attributed=self._attributed[row])
        if effects is None or not means_something:
            return update
        promotes: tuple[TokenEffect, ...] = listed(
            self._model, effects.raised_ids[row], effects.raised[row]
        )
        suppresses = listed(self._model, effects.lowered_ids[row], effects.lowered[row])
        return replace(update, promotes=promotes, suppresses=suppresses)


def _labels(
    run: Run,
    rows: Sequence[_Row],
    position: int,
    k: int,
    objective: Objective | None,
    read: Directions | None,
    cancel: Cancel | None,
) -> tuple[_Labels, Method | None]:
    """The effects of every write of the view, in one product."""
    groups = [
        Writes(one.writes, row.layer, branch) for row in rows for branch, one in row.branches()
    ]
    has_lens = run.model.capabilities()["lens"].available
    if not groups or not (has_lens or (objective and not objective.is_of_logits)):
        return _Labels(run.model, None), None
    attributed: list[float] | None = None
    if read is not None:
        attributed = read.effects(run.model, groups).tolist()
    elif objective is not None:
        attributed = effects_on(run, groups, [objective])[:, 0].tolist()
    if not k or not has_lens:
        return _Labels(run.model, None, attributed), None
    effects = effects_of(run, groups, position, min(k, run.model.vocab_size), cancel)
    return _Labels(run.model, effects, attributed), effects.method


def _read(run: Run, objective: Objective, position: int) -> Directions | None:
    """How the head reads what is written here, where a label is scored; None of other objectives.

    Raises InputError for an objective that nothing written here has a direct effect on.
    """
    if objective.scored is None:
        check_effects(objective)
        return None
    read = read_of_label(run, objective)
    if read is None:
        raise InputError(
            f"nothing written at one position has a direct effect on the {objective.words}: its "
            "head reads no single position",
            field="target",
            value=objective.words,
            legal="an objective that is read at one position",
            fix="ue.attribute(model, prompt, objective), or ue.sweep with objective=",
        )
    if read.position != position:
        raise InputError(
            f"the head reads the {objective.words} at position {read.position} alone, and what is "
            f"written at position {position} is shown",
            field="position",
            value=position,
            legal=str(read.position),
            fix=f"position={read.position}",
        )
    return read


def _why_no_nodes(model: Loaded, layer: int, branch: Branch) -> str | None:
    """Why a branch cannot be taken apart in this layer; None where it can."""
    sites = (INSIDE[branch], f"{branch}_out")
    return next(
        (why for site in sites if (why := why_not(model.anatomy, SiteKey(site, layer)))), None
    )


def _checked_layers(model: Loaded, layers: Sequence[int] | None) -> list[int]:
    return list(range(model.anatomy.n_layers)) if layers is None else checked_layers(model, layers)


def _check_count(name: str, value: int, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        legal = f"{least} or more"
        raise InputError(
            f"{name} is {value!r}; it must be {legal}", field=name, value=value, legal=legal
        )
