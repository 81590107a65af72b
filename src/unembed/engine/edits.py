"""Edits: interventions as plain data.

An edit names a target, an operation and a value; positions are absolute, None is every position.
Edits at heads act on z, at neurons on the input of the output map (or, with stage "pre", on the
argument of the activation function), at attention pairs on the pattern after the softmax, with no
renormalisation. Several edits of one site apply in the order of the list.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, get_args

import torch
from torch import Tensor

from unembed.engine.sites import Target, check_target, parse_target, resolve_position
from unembed.errors import EditError
from unembed.models.anatomy import Anatomy

if TYPE_CHECKING:
    from unembed.engine.run import Run

Operation = Literal["zero", "scale", "set_to", "add", "patch"]
Stage = Literal["pre", "post"]
Value = float | tuple[float, ...] | Tensor | None
NOT_EDITABLE = ("logits",)


@dataclass(frozen=True, eq=False)
class Edit:
    """An intervention; make one with zero, scale, set_to, add or patch."""

    target: str
    operation: Operation
    value: Value = None
    positions: tuple[int, ...] | None = None
    stage: Stage = "post"
    source: Run | None = field(default=None, repr=False)
    source_positions: tuple[int, ...] | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """What the edit does, as something hashable: equal keys give equal runs."""
        value = self.value
        if isinstance(value, Tensor):
            data = value.detach().to(torch.float64).cpu().contiguous()
            value = (tuple(data.shape), data.numpy().tobytes())  # type: ignore[assignment]
        source = None if self.source is None else self.source.key
        return (
            self.target,
            self.operation,
            value,
            self.positions,
            self.stage,
            source,
            self.source_positions,
        )


def zero(target: str, *, positions: Sequence[int] | None = None, stage: Stage = "post") -> Edit:
    """Set the target to zero."""
    return _edit(target, "zero", None, positions, stage)


def scale(
    target: str, factor: float, *, positions: Sequence[int] | None = None, stage: Stage = "post"
) -> Edit:
    """Multiply the target by `factor`."""
    return _edit(target, "scale", factor, positions, stage)


def set_to(
    target: str,
    value: float | Sequence[float] | Tensor,
    *,
    positions: Sequence[int] | None = None,
    stage: Stage = "post",
) -> Edit:
    """Set the target to a number, a vector of its width, or one vector per position."""
    return _edit(target, "set_to", value, positions, stage)


def add(
    target: str,
    vector: float | Sequence[float] | Tensor,
    *,
    positions: Sequence[int] | None = None,
    stage: Stage = "post",
) -> Edit:
    """Add a number, a vector of the target's width, or one vector per position."""
    return _edit(target, "add", vector, positions, stage)


def patch(
    target: str,
    other_run: Run,
    *,
    positions: Sequence[int] | None = None,
    source_positions: Sequence[int] | None = None,
    stage: Stage = "post",
) -> Edit:
    """Set the target to what it was in another run, there at `source_positions` if given.

    The other run must have captured the site: see `required_capture`.
    """
    edit = _edit(target, "patch", None, positions, stage)
    sources = None if source_positions is None else tuple(int(pos) for pos in source_positions)
    return replace(edit, source=other_run, source_positions=sources)


def required_capture(target: str, anatomy: Anatomy, stage: Stage = "post") -> str:
    """The site that a run must capture before `patch(target, run)` can read it."""
    parsed = at_stage(parse_target(target), stage, anatomy)
    return parsed.site if parsed.layer is None else f"L{parsed.layer}.{parsed.site}"


def at_stage(target: Target, stage: Stage, anatomy: Anatomy) -> Target:
    """Where an edit of `target` acts: before the activation function, a neuron is its argument."""
    if stage == "post" or target.layer is None:
        return target
    gated = anatomy.blocks[min(target.layer, anatomy.n_layers - 1)].mlp.gate is not None
    return replace(target, site="mlp_gate" if gated else "mlp_pre")


def _edit(
    target: str,
    operation: Operation,
    value: float | Sequence[float] | Tensor | None,
    positions: Sequence[int] | None,
    stage: Stage,
) -> Edit:
    parsed = parse_target(target)
    if parsed.site in NOT_EDITABLE:
        raise EditError(
            f"{parsed.site} cannot be edited: nothing is computed from it; edit final_norm instead",
            field="target",
            value=target,
            legal="any other site",
        )
    if stage not in get_args(Stage):
        raise EditError(
            f'stage is {stage!r}; it must be "pre" or "post"',
            field="stage",
            value=stage,
            legal='"pre" or "post"',
        )
    if stage == "pre" and parsed.kind != "neuron":
        raise EditError(
            f'stage "pre" is for neurons, and {target} is none; leave it out',
            field="stage",
            value=stage,
            legal='"post"',
        )
    chosen = None if positions is None else tuple(int(pos) for pos in positions)
    if chosen is not None and parsed.position is not None:
        raise EditError(
            f"{target} names its position already; leave positions out",
            field="positions",
            value=chosen,
            legal="none",
        )
    if chosen == ():
        raise EditError(
            "positions is empty; leave it out to edit every position",
            field="positions",
            value=(),
            legal="at least one position",
        )
    return Edit(target, operation, _checked_value(operation, value), chosen, stage)


def _checked_value(operation: Operation, value: object) -> Value:
    if operation in ("zero", "patch"):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Sequence | Tensor):
        raise EditError(
            f"{operation} takes a number{'' if operation == 'scale' else ' or a vector'}, "
            f"not {type(value).__name__}",
            field="value",
            value=value,
            legal="finite numbers",
        )
    if isinstance(value, int | float):
        number = float(value)
        if not math.isfinite(number):
            raise EditError(
                f"{operation} takes a finite number, not {number}",
                field="value",
                value=number,
                legal="finite numbers",
            )
        return number
    tensor = value.detach().clone() if isinstance(value, Tensor) else _as_tensor(value)
    if operation == "scale" and tensor.numel() != 1:
        raise EditError(
            f"scale takes one factor, not {tensor.numel()} numbers; use set_to for a vector",
            field="value",
            value=f"{tensor.numel()} numbers",
            legal="one finite number",
        )
    if tensor.numel() == 0 or not bool(torch.isfinite(tensor).all()):
        raise EditError(
            f"{operation} takes finite numbers, and at least one",
            field="value",
            value="not finite" if tensor.numel() else "empty",
            legal="finite numbers",
        )
    return tensor


def _as_tensor(value: object) -> Tensor:
    try:
        return torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise EditError(
            "the value is not a rectangular list of numbers",
            field="value",
            value=str(value)[:40],
            legal="finite numbers",
        ) from None


@dataclass(frozen=True)
class ResolvedEdit:
    """An edit on one model and prompt: its place checked, its positions counted from the start."""

    edit: Edit
    target: Target
    positions: tuple[int, ...] | None
    source: Tensor | None = None
    field: str = "edit"

    def apply(self, value: Tensor, offset: int) -> Tensor:
        """The activation with this edit done.

        `value` is [pos, ...], or [head, query, key] for scores and pattern; its first position is
        `offset`, which is not 0 while generating with a cache. Returns `value` itself where no
        edited position is in it.
        """
        pairs = self.target.site in ("scores", "pattern")
        n_here = value.shape[1] if pairs else value.shape[0]
        local, order = self._local(offset, n_here)
        if local is not None and not local:
            return value
        rows: object = slice(None) if local is None else torch.tensor(local, device=value.device)
        index = self._index(rows, pairs)
        changed = value.clone()
        region = value[index]
        changed[index] = self._operate(region, order).to(value.dtype)
        return changed

    def _local(self, offset: int, n_here: int) -> tuple[list[int] | None, list[int] | None]:
        """Rows of this tensor to edit, and which of the edit's positions each one is."""
        if self.positions is None:
            return None, None
        inside = [
            (pos - offset, order)
            for order, pos in enumerate(self.positions)
            if offset <= pos < offset + n_here
        ]
        return [row for row, _ in inside], [order for _, order in inside]

    def _index(self, rows: object, pairs: bool) -> tuple[object, ...]:
        target = self.target
        if pairs:
            head: object = slice(None) if target.head is None else target.head
            key: object = slice(None) if target.key is None else target.key
            return head, rows, key
        if target.neuron is not None:
            return rows, target.neuron
        if target.head is not None:
            return rows, target.head
        return (rows,)

    def _operate(self, region: Tensor, order: list[int] | None) -> Tensor:
        operation = self.edit.operation
        if operation == "zero":
            return torch.zeros_like(region)
        if operation == "patch":
            return self._patched(region, order)
        operand = self._operand(region, order)
        if operation == "scale":
            return region * operand
        return operand.expand_as(region) if operation == "set_to" else region + operand

    def _patched(self, region: Tensor, order: list[int] | None) -> Tensor:
        source = self.source
        if source is None:
            raise EditError("patch needs another run", field=f"{self.field}.source")
        if self.target.site in ("scores", "pattern"):
            chosen = source if order is None else source[..., order, :]
            if self.target.head is not None:
                chosen = source if order is None else source[order]
            if self.target.key is not None:
                chosen = chosen[..., self.target.key]
        else:
            chosen = source if order is None else source[order]
        if chosen.shape != region.shape:
            raise EditError(
                f"patch at {self.edit.target}: the other run's activation is "
                f"{list(chosen.shape)}, here it is {list(region.shape)}; name the positions",
                field=f"{self.field}.positions",
                value=list(chosen.shape),
                legal=str(list(region.shape)),
            )
        return chosen.to(region)

    def _operand(self, region: Tensor, order: list[int] | None) -> Tensor:
        value = self.edit.value
        operand = torch.as_tensor(value, dtype=region.dtype, device=region.device)
        if operand.dim() == 0 or operand.numel() == 1:
            return operand.reshape(())
        per_position = operand.dim() == 2 or self.target.neuron is not None
        if per_position and order is not None and self.positions is not None:
            if operand.shape[0] == len(self.positions):
                operand = operand[order]
        try:
            fits = torch.broadcast_shapes(operand.shape, region.shape) == region.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise EditError(
                f"the value of the edit at {self.edit.target} has shape {list(operand.shape)}; "
                f"one number, or {region.shape[-1]} numbers, fit there",
                field=f"{self.field}.value",
                value=list(operand.shape),
                legal=f"1 or {region.shape[-1]} numbers",
            )
        return operand


def resolve_edit(
    edit: Edit, anatomy: Anatomy, name: str, n_positions: int, field: str
) -> ResolvedEdit:
    """Check an edit against a model and a prompt of `n_positions` tokens.

    Raises:
        TargetError: layer, head, neuron or position that is not there.
        EditError: a patch whose source has not what is asked of it.
    """
    target = parse_target(edit.target, f"{field}.target")
    target = at_stage(target, edit.stage, anatomy)
    check_target(target, anatomy, name, f"{field}.target")
    positions = edit.positions
    if target.position is not None:
        positions = (target.position,)
    if positions is not None:
        positions = tuple(
            resolve_position(pos, n_positions, f"{field}.positions") for pos in positions
        )
    if target.key is not None:
        key = resolve_position(target.key, n_positions, f"{field}.target")
        target = replace(target, key=key)
    source = None
    if edit.operation == "patch":
        source, positions = _source(edit, target, positions, n_positions, field)
    return ResolvedEdit(edit, target, positions, source, field)


def _source(
    edit: Edit, target: Target, positions: tuple[int, ...] | None, n_positions: int, field: str
) -> tuple[Tensor, tuple[int, ...]]:
    """What a patch writes, one entry for each position, and those positions."""
    run = edit.source
    if run is None:
        raise EditError(
            f"patch at {edit.target} has no run to take the activation from",
            field=f"{field}.source",
            legal="a run",
        )
    there = len(run.ids)
    sources = edit.source_positions
    if positions is None:
        if sources is None and there != n_positions:
            raise EditError(
                f"patch at {edit.target}: this prompt has {n_positions} tokens and the other run "
                f"{there}; say which positions",
                field=f"{field}.positions",
                legal="positions and source_positions",
            )
        positions = tuple(range(n_positions))
    if sources is None:
        sources = positions
    if len(sources) != len(positions):
        raise EditError(
            f"patch at {edit.target}: {len(positions)} positions here and {len(sources)} in the "
            "other run; give one for each",
            field=f"{field}.source_positions",
            value=len(sources),
            legal=f"{len(positions)} positions",
        )
    rows = [resolve_position(pos, there, f"{field}.source_positions") for pos in sources]
    whole = run.part(replace(target, position=None, key=None, text=edit.target), full=True)
    paired = target.site in ("scores", "pattern") and target.head is None
    return (whole[:, rows] if paired else whole[rows]), positions
