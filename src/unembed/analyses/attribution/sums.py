"""Effects of nodes summed: of a component over positions, of a position over what writes there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import torch

from unembed.analyses.attribution.options import NodeKindName, SortBy

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

_HEADS = ("pair", "head", "cross_head")
_BY_HEAD = (*_HEADS, "query", "key")
_COLUMN = {"embed": "embedding", "neuron": "neurons"} | dict.fromkeys(_HEADS, "heads")


class Nodes(Protocol):
    """What is read of a group of nodes; `result.NodeGroup` is one."""

    @property
    def kind(self) -> NodeKindName: ...
    @property
    def layer(self) -> int | None: ...
    @property
    def stem(self) -> str: ...
    @property
    def beside(self) -> bool: ...
    @property
    def total(self) -> Float[Tensor, "pos ..."]: ...
    @property
    def held(self) -> Float[Tensor, "pos ..."] | None: ...
    def of(self, metric: SortBy, position: int) -> Float[Tensor, "pos ..."] | None: ...


@dataclass(frozen=True)
class ComponentEffects:
    """What all nodes of one component do together: sums over positions, and of pairs over keys."""

    name: Annotated[str, 'A head, a branch, or all neurons or latents of a layer: "L3.N*".']
    kind: NodeKindName
    layer: Annotated[int | None, "Null of the embedding."]
    direct: Annotated[float | None, "Null where nothing has a direct effect."]
    total: Annotated[
        float, "Estimated, as of each node; of neurons with the norm behind them held."
    ]


@dataclass(frozen=True)
class PositionEffects:
    """Estimated total effects of what is written at one position, summed by kind of node."""

    embedding: float
    heads: Annotated[
        float, "Pairs count where they write: at the query. Norms behind branches are held."
    ]
    neurons: float
    others: Annotated[float, "Biases, and branches that are not taken apart."]
    looked_at: Annotated[float | None, "Of pairs by where they look; null without pairs."]


def component_effects(groups: Sequence[Nodes], position: int) -> Iterator[ComponentEffects]:
    """Every component, layer by layer.

    Args:
        position: the objective's; direct effects are 0 at all others.
    """
    for group in groups:
        totals = _of_each(group, group.total if group.kind in _BY_HEAD else _together(group))
        spread = group.of("direct", position)
        directs = [None] * len(totals) if spread is None else _of_each(group, spread)
        for number, (direct, total) in enumerate(zip(directs, totals, strict=True)):
            name = _of_head(group, number) if group.kind in _BY_HEAD else _whole(group)
            yield ComponentEffects(name, group.kind, group.layer, direct, total)


def position_effects(groups: Sequence[Nodes]) -> tuple[PositionEffects, ...]:
    """The sums at every position."""
    n_positions = len(groups[0].total)
    written = {
        name: torch.zeros(n_positions, dtype=torch.float64)
        for name in ("embedding", "heads", "neurons", "others")
    }
    looked_at: Tensor | None = None
    for group in groups:
        if group.beside:
            continue
        here = _together(group).double().cpu()
        written[_COLUMN.get(group.kind, "others")] += here.flatten(1).sum(-1)
        if group.kind == "pair":
            by_key = here.sum((0, 1))
            looked_at = by_key if looked_at is None else looked_at + by_key
    embedding, heads, neurons, others = (column.tolist() for column in written.values())
    keys = None if looked_at is None else looked_at.tolist()
    return tuple(
        PositionEffects(
            embedding[at], heads[at], neurons[at], others[at], None if keys is None else keys[at]
        )
        for at in range(n_positions)
    )


def _together(group: Nodes) -> Float[Tensor, "pos ..."]:
    """Totals for a sum over all nodes of a branch."""
    return group.total if group.held is None else group.held


def _of_each(group: Nodes, values: Float[Tensor, "pos ..."]) -> list[float]:
    """Of each head, its query or key; or of all nodes of the group."""
    if group.kind not in _BY_HEAD:
        return [float(values.sum())]
    by_head = values.flatten(2).sum(-1) if values.dim() > 2 else values
    return [float(one) for one in by_head.sum(0)]


def _of_head(group: Nodes, head: int) -> str:
    part = f".{group.kind[0]}" if group.kind in ("query", "key") else ""
    return f"{group.stem}{head}{part}"


def _whole(group: Nodes) -> str:
    return f"{group.stem}*" if group.kind in ("neuron", "latent") else group.stem
