"""Doing an edit: its place in the activation, and the arithmetic, each in one function.

`resolve_edit` checks an edit against a model and a prompt before anything runs; the result is
applied by the hook of its site, whichever site that is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from unembed.engine.derived import Derived
from unembed.engine.editing.edits import Edit, at_stage
from unembed.engine.editing.knocking import knocked_out, resolved_pairs
from unembed.engine.editing.taking import mean_taken, taken
from unembed.engine.names.sites import check_target, resolve_position
from unembed.engine.names.taps import EVERY, index_of
from unembed.engine.targets import Lengths, SiteKey, Target
from unembed.errors import EditError
from unembed.models.anatomy import Anatomy


@dataclass(eq=False)
class Late:
    """What an edit of derived nodes changes at another site than they are read at.

    It is known when they have been read, and made when the pass comes to that site.
    """

    site_key: SiteKey
    change: Tensor | None = None

    def apply(self, value: Tensor, seen: Lengths) -> Tensor:  # noqa: ARG002  # as an edit
        """The activation with the change made; itself where there is none."""
        return value if self.change is None else value + self.change.to(value)


@dataclass(frozen=True)
class ResolvedEdit:
    """An edit on one model and prompt: its place checked, its positions counted from the start."""

    edit: Edit
    target: Target
    positions: tuple[int, ...] | None
    source: Tensor | None = None
    field: str = "edit"
    derived: Derived | None = None  # what computes the node from its site
    pairs: Tensor | None = None  # of knock_out [pair, 2]
    lates: tuple[Late, ...] = ()  # of derived nodes that write elsewhere

    def apply(self, value: Tensor, seen: Lengths) -> Tensor:
        """The activation with this edit done; of a derived node, with what its maps leave kept.

        See `apply_to`.
        """
        if self.derived is None:
            return self.apply_to(value, seen)
        layer = self.target.layer or 0
        before = self.derived.encode(layer, value)
        after = self.apply_to(before, seen)
        change = None
        if after is not before:
            decode = self.derived.decode
            change = decode(layer, after, value) - decode(layer, before, value)
        if self.lates:
            n_sites = len(self.lates)
            parts = (None,) * n_sites if change is None else change.chunk(n_sites, -1)
            for late, part in zip(self.lates, parts, strict=True):
                late.change = part
            return value
        return value if change is None else value + change.to(value)

    def apply_to(self, value: Tensor, seen: Lengths) -> Tensor:
        """The activation, or the values of derived nodes, with this edit done.

        `value` is [pos, ...], or [head, query, key] for scores and pattern. It ends at the last of
        the positions `seen` so far and need not start at the first: with a cache the model sees
        one new token at a time, and keys may reach back a window only. Returns `value` itself
        where no edited position is in it.
        """
        site_key, pairs = self.target.site_key, self.target.is_pairs
        n_here = value.shape[1] if pairs else value.shape[0]
        local, order = self._local(seen.of(site_key) - n_here, n_here)
        n_keys = value.shape[-1]
        behind = seen.keys_of(site_key) - n_keys
        if self.pairs is not None:
            return self._knocked_out(value, (seen.of(site_key) - n_here, behind))
        key = None if self.target.key is None else self.target.key - behind
        if local == [] or (key is not None and not 0 <= key < n_keys):
            return value
        here = EVERY if local is None else torch.tensor(local, device=value.device)
        index = index_of(self.target, value.shape[-1], here, EVERY if key is None else key)
        changed = value.clone()  # the stream that goes past may be the same tensor
        region = value[index]
        changed[index] = self._operate(region, order).to(value.dtype)
        return changed

    def _knocked_out(self, value: Tensor, first: tuple[int, int]) -> Tensor:
        """A pattern [head, query, key] without the pairs, of one head or of all."""
        head, whole = self.target.head, value
        value = value if head is None else value[head, None]
        found = knocked_out(
            value,
            self.pairs,  # type: ignore[arg-type]  # there are some
            first,
            renormalise=self.edit.renormalise,
        )
        if head is None:
            return found
        changed = whole.clone()
        changed[head] = found[0]
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

    def _operate(self, region: Tensor, order: list[int] | None) -> Tensor:
        operation = self.edit.operation
        if operation == "zero":
            return torch.zeros_like(region)
        if operation == "patch":
            return self._patched(region, order)
        operand = self._operand(region, order)
        if self.edit.where is not None:
            return torch.where(self._where(region), operand, region)
        if operation == "scale":
            return region * operand
        return operand.expand_as(region) if operation == "set_to" else region + operand

    def _patched(self, region: Tensor, order: list[int] | None) -> Tensor:
        source = self.source
        if source is None:
            raise EditError("patch needs another run", field=f"{self.field}.source")
        if self.target.is_pairs:
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

    def _where(self, region: Tensor) -> Tensor:
        where = self.edit.where
        if where is None or where.shape != region.shape:
            raise EditError(
                f"where of the edit at {self.edit.target} has shape "
                f"{None if where is None else list(where.shape)}; the activation has "
                f"{list(region.shape)}",
                field=f"{self.field}.where",
                value=None if where is None else list(where.shape),
                legal=str(list(region.shape)),
            )
        return where.to(region.device)

    def _operand(self, region: Tensor, order: list[int] | None) -> Tensor:
        value = self.edit.value
        operand = torch.as_tensor(value, dtype=region.dtype, device=region.device)
        if operand.dim() == 0 or operand.numel() == 1:  # [1] would be read as one position's value
            return operand.reshape(())
        numbers = (self.target.neuron, self.target.entry, self.target.index)
        alone = any(number is not None for number in numbers)
        per_position = operand.dim() == 2 or alone
        n_positions = 0 if self.positions is None else len(self.positions)
        if per_position and order is not None and operand.shape[0] == n_positions:
            operand = operand[order]
        try:
            return operand.expand_as(region)
        except RuntimeError:
            raise EditError(
                f"the value of the edit at {self.edit.target} has shape {list(operand.shape)}; "
                f"one number, or {region.shape[-1]} numbers, fit there",
                field=f"{self.field}.value",
                value=list(operand.shape),
                legal=f"1 or {region.shape[-1]} numbers",
            ) from None


def resolve_edit(
    edit: Edit,
    anatomy: Anatomy,
    name: str,
    lengths: Lengths,
    field: str,
    derived: Derived | None = None,
) -> ResolvedEdit:
    """Check an edit against a model and a prompt of so many tokens.

    `derived` computes the node, where it is one that was attached.

    Raises:
        TargetError: layer, head, neuron or position that is not there.
        EditError: a patch whose source has not what is asked of it.
    """
    target = at_stage(edit.node, edit.stage, anatomy)
    check_target(target, anatomy, name, f"{field}.target")
    positions, n_positions = edit.positions, lengths.of(target.site_key)
    if target.position is not None:
        positions = (target.position,)
    if positions is not None:
        positions = tuple(
            resolve_position(pos, n_positions, f"{field}.positions") for pos in positions
        )
    if target.key is not None:
        n_keys = lengths.keys_of(target.site_key)
        key = resolve_position(target.key, n_keys, f"{field}.target")
        target = replace(target, key=key)
    source = None
    if edit.operation == "patch" and edit.take == "mean" and positions is None:
        # at every position, also those that generation adds
        edit = replace(edit, operation="set_to", value=mean_taken(edit, target, field))
    elif edit.operation == "patch":
        source, positions = taken(edit, target, positions, n_positions, field)
    pairs = resolved_pairs(edit, target, lengths, field)
    elsewhere = () if derived is None else derived.writes.get(target.layer or 0, ())
    lates = tuple(map(Late, elsewhere))
    return ResolvedEdit(edit, target, positions, source, field, derived, pairs, lates)
