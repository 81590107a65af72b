"""Edits: interventions as plain data.

An edit names a target, an operation and a value; positions are absolute, None is every position.
Edits at heads act on z, at neurons on the input of the output map (or, with stage "pre", on the
argument of the activation function), at attention pairs on the pattern after the softmax, with no
renormalisation (`knocking` has one with it). Several edits of one site apply in the order of the
list. A mask acts on the tokens, before all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor

from unembed.engine.loaded import Loaded
from unembed.engine.names.sites import perhaps_attached
from unembed.engine.nodes import READ_ONLY, STAGES, TAKES, UNREAD, Operation, Stage, Take
from unembed.engine.targets import Lengths, Name, Target
from unembed.errors import EditError
from unembed.models.anatomy import Anatomy

MAX_NAMED = 4  # pairs in the words of an edit

Value = float | tuple[float, ...] | Tensor | None


class Recorded(Protocol):
    """What a patch reads: a run, seen from below."""

    @property
    def lengths(self) -> Lengths:
        """How many tokens it has."""

    @property
    def key(self) -> tuple[object, ...]:
        """Equal keys give equal numbers."""

    def value_of(self, target: Target, every_position: bool = False) -> Tensor:
        """What `target` names of its activations; `every_position`: not only at its own."""


@dataclass(frozen=True, eq=False)
class Edit:
    """An intervention; make one with zero, scale, set_to, add, patch, mask or knock_out."""

    node: Target
    operation: Operation
    value: Value = None
    positions: tuple[int, ...] | None = None
    stage: Stage = "post"
    source: Recorded | None = field(default=None, repr=False)
    source_positions: tuple[int, ...] | None = None
    take: Take = "same"
    seed: int = 0  # of what is drawn
    pairs: Tensor | None = field(default=None, repr=False)  # of knock_out: [pair, 2]
    renormalise: bool = False
    where: Tensor | None = field(default=None, repr=False)  # of set_to, as the activation
    counted: bool = field(default=True, repr=False)  # of max_edits: see `by_analysis`

    def __post_init__(self) -> None:
        object.__setattr__(self, "node", perhaps_attached(self.node))  # by hand: a name

    @property
    def target(self) -> str:
        """The name of what it changes, as it was written."""
        return self.node.text

    @property
    def words(self) -> str:
        """What it does, in a few words: "scale L12.mlp by 0.5 at 3, 4"."""
        said = f"{self.operation} {self.target}"
        if isinstance(self.value, int | float):
            said += f"{' by' if self.operation == 'scale' else ''} {self.value:g}"
        if self.positions is not None:
            said += f" at {', '.join(map(str, self.positions))}"
        if self.pairs is not None:
            said += _pair_words(self.pairs, self.renormalise)
        if self.where is not None:
            said += f" in {int(self.where.sum()):,} places"
        return said + (" before the activation" if self.stage == "pre" else "")

    @property
    def key(self) -> tuple[object, ...]:
        """What the edit does, as something hashable: equal keys give equal runs."""
        value = self.value
        if isinstance(value, Tensor):
            data = value.detach().to(torch.float64).cpu().contiguous()
            value = (tuple(data.shape), data.numpy().tobytes())  # type: ignore[assignment]
        source = None if self.source is None else self.source.key
        return (
            self.node.name,
            self.node.row.derived,
            self.operation,
            value,
            self.positions,
            self.stage,
            source,
            self.source_positions,
            self.take,
            self.seed,
            None if self.pairs is None else self.pairs.numpy().tobytes(),
            self.renormalise,
            None if self.where is None else self.where.cpu().numpy().tobytes(),
        )


def _pair_words(pairs: Tensor, renormalise: bool) -> str:
    """Which pairs, or how many, and what becomes of the others."""
    few = ", ".join(f"{query}<{key}" for query, key in pairs[:MAX_NAMED].tolist())
    said = few if len(pairs) <= MAX_NAMED else f"{len(pairs):,} pairs"
    return f" at {said}" + (", renormalised" if renormalise else "")


def zero(target: Name, *, positions: Sequence[int] | None = None, stage: Stage = "post") -> Edit:
    """Set the target to zero."""
    return _edit(target, "zero", None, positions, stage)


def scale(
    target: Name, factor: float, *, positions: Sequence[int] | None = None, stage: Stage = "post"
) -> Edit:
    """Multiply the target by `factor`."""
    return _edit(target, "scale", factor, positions, stage)


def set_to(
    target: Name,
    value: float | Sequence[float] | Tensor,
    *,
    positions: Sequence[int] | None = None,
    stage: Stage = "post",
    where: Tensor | None = None,
) -> Edit:
    """Set the target to a number, a vector of its width, or one vector per position.

    With `where`, a mask of the whole activation's shape (of z [pos, head, d_head], of pattern
    [head, query, key]), only where it is true: any number of nodes at once, each at positions of
    its own. `value` is then of that shape too, or fits it.
    """
    edit = _edit(target, "set_to", value, positions, stage)
    if where is None:
        return edit
    if where.dtype != torch.bool or edit.positions is not None or edit.node.position is not None:
        raise EditError(
            f"where of the edit at {edit.target} must be a mask of true and false, and without "
            "positions: it says them itself",
            field="where",
            value=str(where.dtype).removeprefix("torch."),
            legal="a tensor of bool, and no positions",
        )
    return replace(edit, where=where.detach().clone())


def add(
    target: Name,
    vector: float | Sequence[float] | Tensor,
    *,
    positions: Sequence[int] | None = None,
    stage: Stage = "post",
) -> Edit:
    """Add a number, a vector of the target's width, or one vector per position."""
    return _edit(target, "add", vector, positions, stage)


def patch(
    target: Name,
    other_run: Recorded,
    *,
    positions: Sequence[int] | None = None,
    source_positions: Sequence[int] | None = None,
    stage: Stage = "post",
    take: Take = "same",
    seed: int = 0,
) -> Edit:
    """Set the target to what it was in another run, there at `source_positions` if given.

    Args:
        other_run: must have captured the site: see `required_capture`. May be of the same prompt.
        take: "same": of each position what it is there; "mean": its mean over all positions
            there, or `source_positions` (mean ablation); "drawn": what it is at a position drawn
            from there, the first one from first ones (resample ablation). Of the latter two the
            other prompt may have any length.
        seed: of that draw.

    Raises:
        EditError: bad input; no `source_positions` are drawn from.
    """
    edit = _edit(target, "patch", None, positions, stage)
    sources = None if source_positions is None else tuple(int(pos) for pos in source_positions)
    if take not in TAKES:
        raise EditError(
            f"take is {take!r}; it must be {', '.join(TAKES)}",
            field="take",
            value=take,
            legal=", ".join(f'"{one}"' for one in TAKES),
        )
    if take == "drawn" and sources is not None:
        raise EditError(
            "positions are drawn from all of the other run; leave source_positions out",
            field="source_positions",
            value=sources,
            legal='none, or take "same" or "mean"',
        )
    return replace(edit, source=other_run, source_positions=sources, take=take, seed=int(seed))


def mask(positions: int | Sequence[int]) -> Edit:
    """Put the mask token of a masked model in the place of tokens, before anything is computed.

    Wherever it stands among edits, it comes first. The run keeps the tokens of the prompt: what
    stands at a position, and the token that a lens follows there, is what was masked.
    """
    return _edit("embed", "mask", None, [positions] if isinstance(positions, int) else positions)


def by_analysis(edit: Edit) -> Edit:
    """The edit as one that nobody asked for: an analysis makes some for every layer, which
    `max_edits` does not count.
    """
    return replace(edit, counted=False)


def required_capture(target: Name, model: Loaded, stage: Stage = "post") -> str:
    """The site that a run must capture before `patch(target, run)` can read it."""
    parsed = at_stage(model.read_name(target), stage, model.anatomy)
    return parsed.site_key.name


def on_model(edit: Edit, model: Loaded, field: str = "edit") -> Edit:
    """The edit with its target read, which may be named as only the model knows.

    Raises TargetError, or EditError where nodes of its kind take no such edit.
    """
    if edit.node.row is not UNREAD:
        return edit
    node = model.node(edit.node, f"{field}.target")
    _check_legal(node, edit.operation, edit.stage)
    return replace(edit, node=node)


def at_stage(target: Target, stage: Stage, anatomy: Anatomy) -> Target:
    """Where an edit of `target` acts: before the activation function, a neuron is its argument."""
    if stage == "post" or target.layer is None:
        return target
    blocks = (anatomy.encoder if target.encoder and anatomy.encoder else anatomy).blocks
    mlp = blocks[min(target.layer, len(blocks) - 1)].feed_forward
    gated = mlp is not None and mlp.gate is not None
    return replace(target, site="mlp_gate" if gated else "mlp_pre")


def _edit(
    target: Name,
    operation: Operation,
    value: float | Sequence[float] | Tensor | None,
    positions: Sequence[int] | None,
    stage: Stage = "post",
) -> Edit:
    parsed = perhaps_attached(target)
    _check_legal(parsed, operation, stage)
    chosen = None if positions is None else tuple(int(pos) for pos in positions)
    if chosen is not None and parsed.position is not None:
        raise EditError(
            f"{parsed.text} names its position already; leave positions out",
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
    return Edit(parsed, operation, _checked_value(operation, value), chosen, stage)


def _check_legal(target: Target, operation: Operation, stage: Stage) -> None:
    """Raise EditError unless the kind of node takes such an edit."""
    row = target.row
    if target.site in READ_ONLY:
        raise EditError(
            f"{target.site} cannot be edited: nothing is computed from it; edit final_norm instead",
            field="target",
            value=target.text,
            legal="any other site",
        )
    if operation not in row.operations:
        legal = ", ".join(row.operations)
        raise EditError(
            f"{target.text} is a {row.title}, which takes {legal}, not {operation}",
            field="operation",
            value=operation,
            legal=legal,
        )
    if stage in row.stages:
        return
    if stage in STAGES:
        raise EditError(
            f'stage "{stage}" is for neurons, and {target.text} is none; leave it out',
            field="stage",
            value=stage,
            legal=" or ".join(f'"{one}"' for one in row.stages),
        )
    raise EditError(
        f'stage is {stage!r}; it must be "pre" or "post"',
        field="stage",
        value=stage,
        legal='"pre" or "post"',
    )


def _checked_value(operation: Operation, value: object) -> Value:
    if operation in ("zero", "patch", "mask"):
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
