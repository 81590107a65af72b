"""What nodes and directions are at every token of a run, as numbers: many of them at once.

Of a neuron or latent its activation, of other nodes the norm of what they write, of a direction the
residual stream along it. Nodes that are read from one activation are read together: an autoencoder
encodes once for all of its latents, and what a branch writes is found once for all heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from torch import Tensor

from unembed.analyses.tools.writes import (
    check_split,
    head_writes,
    node_of,
    write,
    write_capture,
)
from unembed.engine.derived import Derived
from unembed.engine.model import Model
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.passes.run import Run
from unembed.engine.targets import Name, Target
from unembed.errors import InputError, TargetError
from unembed.index.store import Array

Direction = tuple[Name, Tensor]  # a site of the residual stream, and a vector in it
Node = Name | Direction
Nodes = Node | Sequence[Node]
HEAD = "head"  # the kind of those of self-attention


class Measures:
    """A number of each of several nodes at every token.

    Raises TargetError, CapabilityError for what the model does not have; InputError for a node at
    one position, or a vector that does not fit.
    """

    def __init__(self, model: Model, nodes: Nodes) -> None:
        self.nodes = several(nodes)
        measured = [_measured(model, node) for node in self.nodes]
        self.names = tuple(one.name for one in measured)
        self.words = tuple(one.words for one in measured)
        self.targets = tuple(one.target for one in measured)
        self.capture = tuple(dict.fromkeys(name for one in measured for name in one.capture))
        heads = {one.layer or 0 for one in self.targets if one is not None and one.kind == HEAD}
        for layer in sorted(heads):  # before a pass that may take hours
            check_split(model, layer, "attn")
        groups: dict[object, list[int]] = {}
        for order, one in enumerate(measured):
            groups.setdefault(one.together or order, []).append(order)
        self._groups = [
            (np.array(orders), measured[orders[0]].reading([measured[order] for order in orders]))
            for orders in groups.values()
        ]

    def __len__(self) -> int:
        return len(self.names)

    def values(self, run: Run) -> Array:
        """[node, token], of special tokens too, of a run that captured `capture`."""
        return self.seen(run)[0]

    @torch.no_grad()
    def seen(self, run: Run) -> tuple[Array, list[Whole]]:
        """`values`, and whole activations that nodes with a number were read from."""
        found: Array = np.empty((len(self), len(run.ids)))
        wholes: list[Whole] = []
        for orders, read in self._groups:
            if isinstance(read, _Numbers | _Heads):
                whole = Whole(tuple(orders.tolist()), read.targets, read.numbers, read.whole(run))
                wholes.append(whole)
                rows = whole.values[:, read.numbers].T
            else:
                rows = read(run)
            found[orders] = rows.double().cpu().numpy()
        return found, wholes


def several(nodes: Nodes) -> list[Node]:
    """One node or direction, or several, as a list."""
    if isinstance(nodes, str | Target):
        return [nodes]
    if isinstance(nodes, tuple) and len(nodes) == 2 and isinstance(nodes[1], Tensor):
        return [nodes]
    return list(cast("Sequence[Node]", nodes))


@dataclass(frozen=True, eq=False)
class Whole:
    """One activation of a run: all neurons of a layer, all latents of an autoencoder, or what all
    heads of a layer write, as norms.

    Args:
        orders: which of the nodes that are measured are among them.
        targets: these nodes.
        numbers: where they stand in `values`.
        values: of all, special tokens too.
    """

    orders: tuple[int, ...]
    targets: Sequence[Target]
    numbers: Sequence[int]
    values: Tensor  # Float[token n]


# ---------------------------------------------------------------- what is read, and of what


class _Reading(Protocol):
    """[node, token] of some nodes that are read together."""

    def __call__(self, run: Run) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class _Measured:
    """One node: what it is called, and what is read of it."""

    name: str
    words: str
    capture: tuple[Name, ...]
    target: Target | None  # None of a direction
    together: object  # equal ones are read in one go; None: by itself
    unit: Tensor | None = None  # of a direction, of length one
    derived: Derived | None = None

    def reading(self, own: Sequence[_Measured]) -> _Reading:
        """How these are read, of which this is the first."""
        if self.target is None:
            return _Along(self.name, torch.stack([cast("Tensor", one.unit) for one in own]))
        if self.together is None:
            return _Alone(self.target)
        targets, layer = [cast("Target", one.target) for one in own], self.target.layer or 0
        if self.target.kind == HEAD:
            return _Heads(layer, targets)
        return _Numbers(self.capture[0], layer, targets, self.derived)


@dataclass(frozen=True, eq=False)
class _Numbers:
    """Neurons, or latents, of one activation."""

    site: Name
    layer: int
    targets: Sequence[Target]
    derived: Derived | None

    @property
    def numbers(self) -> list[int]:
        """Of each, among all that are read there."""
        if self.derived is not None:
            return [one.index or 0 for one in self.targets]
        return [one.neuron or 0 for one in self.targets]

    def whole(self, run: Run) -> Tensor:
        """[token, n] of all neurons, or latents, of the activation."""
        if self.derived is not None:
            return self.derived.encode(self.layer, run[self.site])
        return run[self.site].flatten(1)

    def __call__(self, run: Run) -> Tensor:
        return self.whole(run)[:, self.numbers].T


@dataclass(frozen=True, eq=False)
class _Heads:
    """Heads of a layer: the norm of what each writes."""

    layer: int
    targets: Sequence[Target]

    @property
    def numbers(self) -> list[int]:
        """Of each, among all heads of the layer."""
        return [one.head or 0 for one in self.targets]

    def whole(self, run: Run) -> Tensor:
        """[token, head] of all heads of the layer."""
        norms: Tensor = head_writes(run, self.layer).norm(dim=-1)
        return norms

    def __call__(self, run: Run) -> Tensor:
        return self.whole(run)[:, self.numbers].T


@dataclass(frozen=True, eq=False)
class _Alone:
    """One node: its value where that is a number, else the norm of what it writes."""

    target: Target

    def __call__(self, run: Run) -> Tensor:
        if self.target.is_number:
            return run.value_of(self.target, every_position=True)[None]
        lengths: Tensor = write(run, self.target).norm(dim=-1)
        return lengths[None]


@dataclass(frozen=True, eq=False)
class _Along:
    """Directions in one activation."""

    site: Name
    units: Tensor  # Float[n d_model]

    def __call__(self, run: Run) -> Tensor:
        state = run[self.site].double()
        if state.shape[1:] != self.units.shape[1:]:
            legal = '"L6.resid_post", "L6.attn_out" ...'
            raise TargetError(
                f"{self.site} is not of the width of the residual stream, as the direction is",
                field="target",
                value=self.site,
                legal=legal,
                fix=f"name a place of the residual stream: {legal}",
            )
        found: Tensor = self.units.to(state.device) @ state.T
        return found


def _measured(model: Model, node: Node) -> _Measured:
    if isinstance(node, tuple):
        return _along(model, *node)
    target = model.read_name(node)
    target = model.node(target) if target.row.derived else node_of(model, target)
    if target.position is not None:
        raise InputError(
            f"{target.text} is a node at one position; what is measured here is of all tokens",
            field="target",
            value=target.text,
            legal="a node without a position",
        )
    if target.row.derived:
        derived = model.attached(target)
        capture = (target.site_key.name,)
        return _Measured(
            target.text,
            target.row.called,
            capture,
            target,
            (target.kind, target.layer),
            derived=derived,
        )
    numbered = target.neuron is not None or target.kind == HEAD
    together = (target.kind, target.layer) if numbered else None
    words = target.site if target.is_number else "norm of the write"
    return _Measured(target.text, words, write_capture(model, target), target, together)


def _along(model: Model, site: Name, vector: Tensor) -> _Measured:
    target = parse_target(site)
    check_target(target, model.anatomy, model.name)
    width, length = model.anatomy.d_model, vector.detach().double().norm()
    if vector.shape != (width,) or not bool(length.isfinite()) or not bool(length):
        legal = f"{width} finite numbers that are not all zero"
        raise InputError(
            f"the direction has shape {list(vector.shape)}; it must be {legal}",
            field="direction",
            value=str(list(vector.shape)),
            legal=legal,
        )
    unit = vector.detach().double() / length
    name = target.text
    return _Measured(name, "along the direction", (name,), None, ("along", name), unit)
