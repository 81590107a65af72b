"""How much of the answer goes through each node and edge, and which are kept (Ameisen et al. 2025).

The share of a target that an edge makes is its size over that of all edges into the target. Along a
path shares are multiplied; a node's influence is the sum over all paths from it to the logits, each
logit counting by its weight. Knows tensors, no model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

LEAST = 1e-10  # that a target is divided by


@dataclass(frozen=True, eq=False)
class Kept:
    """Which nodes and edges are kept, and how they rank.

    `reached` of a node is the part of all influence that it and those of more have together: a
    threshold keeps the nodes at or below it. `edges_reached` is the same of edges.
    """

    nodes: Bool[Tensor, " node"]
    edges: Bool[Tensor, "target source"]
    influence: Float[Tensor, " node"]
    reached: Float[Tensor, " node"]
    edges_reached: Float[Tensor, "target source"]


def shares(edges: Float[Tensor, "target source"]) -> Float[Tensor, "target source"]:
    """Each edge's part of all that goes into its target."""
    sizes = edges.abs()
    return sizes / sizes.sum(1, keepdim=True).clamp_min(LEAST)


def influence(
    parts: Float[Tensor, "target source"], weights: Float[Tensor, " target"]
) -> Float[Tensor, " source"]:
    """The sum over all paths from each node to what counts by `weights`.

    Nodes are both: `parts` is square, and no path comes back to where it was.
    """
    now = weights @ parts
    found = now.clone()
    for _ in range(len(parts)):
        now = now @ parts
        if not bool(now.any()):
            break
        found += now
    return found


def scores(
    parts: Float[Tensor, "node node"],
    weights: Float[Tensor, " node"],
    tokens: slice,
    errors: slice,
) -> tuple[float, float]:
    """Replacement and completeness of a graph, 1 where there are no errors.

    Replacement: of the influence that comes from tokens and errors, that of tokens. Completeness:
    of what goes into nodes, the part that is no error, each node by its influence.
    """
    found = influence(parts, weights)
    of_tokens, of_errors = float(found[tokens].sum()), float(found[errors].sum())
    whole = of_tokens + of_errors
    through = found + weights
    plain = 1 - parts[:, errors].sum(1)
    inner = through * (parts.sum(1) > 0).to(through)  # tokens and errors have nothing going in
    total = float(inner.sum())
    return of_tokens / whole if whole else 0.0, float(plain @ inner) / total if total else 0.0


def kept(
    edges: Float[Tensor, "node node"],
    weights: Float[Tensor, " node"],
    inner: slice,
    free: slice,
    thresholds: tuple[float, float],
) -> Kept:
    """Prunes a graph by influence.

    Args:
        edges: [target, source], nodes both.
        weights: of the logits; 0 of other nodes.
        inner: nodes that need something going in, too: latents.
        free: nodes that may go: latents and errors. Tokens and logits stay.
        thresholds: the part of all influence that is kept, of nodes and of edges.
    """
    parts = shares(edges)
    found = influence(parts, weights)
    nodes = found >= _least(found, thresholds[0])
    fixed = torch.ones_like(nodes)
    fixed[free] = False
    nodes |= fixed
    left = edges * nodes[:, None] * nodes[None]
    parts_left = shares(left)
    through = influence(parts_left, weights) + weights
    sizes = parts_left * through[:, None]
    lines = (sizes >= _least(sizes.flatten(), thresholds[1])) & (left != 0)
    nodes, lines = _connected(nodes, lines, inner, free)
    return Kept(nodes, lines, found, reached(found), reached(sizes.flatten()).view_as(sizes))


def _connected(
    nodes: Tensor, lines: Tensor, inner: slice, free: slice
) -> tuple[Bool[Tensor, " node"], Bool[Tensor, "target source"]]:
    """Without nodes that lead nowhere, and latents that nothing leads to, until there are none."""
    while True:
        before = nodes.clone()
        nodes[free] &= lines[:, free].any(0)
        nodes[inner] &= lines[inner].any(1)
        lines = lines & nodes[:, None] & nodes[None]
        if bool((nodes == before).all()):
            return nodes, lines


def _least(values: Float[Tensor, " n"], threshold: float) -> Tensor:
    """The smallest of the largest values that together are this part of all."""
    ordered = values.sort(descending=True).values
    parts = ordered.cumsum(0) / ordered.sum().clamp_min(LEAST)
    place = int(torch.searchsorted(parts, torch.tensor(threshold).to(parts)))
    return ordered[min(place, len(ordered) - 1)]


def reached(values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """For each value the part of the sum that it and the larger ones have together."""
    ordered, order = values.sort(descending=True, stable=True)
    parts = ordered.cumsum(0) / ordered.sum().clamp_min(LEAST)
    return torch.empty_like(values).index_copy_(0, order, parts)
