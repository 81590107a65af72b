"""The nodes of a branch by its output map: how strongly each writes, and what its writes reach.

Norms behind the map have the scale of the run. Nothing of size positions x nodes x d_model is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.directions import Directions
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.writes import ROWS_AT_ONCE, BranchOutput
from unembed.engine.loaded import Loaded
from unembed.engine.nodes import Branch

if TYPE_CHECKING:
    from jaxtyping import Float


def direct_of(
    written: Float[Tensor, "pos d_model"],
    model: Loaded,
    directions: Directions | None,
    layer: int | None,
    branch: Branch | None,
) -> Float[Tensor, " 1"] | None:
    """The direct effect of all that joins the stream at the objective's position."""
    if directions is None:
        return None
    direction = directions.of(model, layer, branch)
    here = written[directions.position].to(direction)
    return (here @ direction)[None]


def held_units(out: BranchOutput, slope: Float[Tensor, "pos d_model"]) -> Float[Tensor, "pos d_in"]:
    """The gradient at each input, of a gradient at what the branch adds, its own norms held."""
    units = out.back(slope) @ accurate(out.stored).T.to(accurate(slope))
    return units if out.inner is None else units * accurate(out.inner.gain)


def head_norms(out: BranchOutput, n_heads: int) -> Float[Tensor, "pos head"]:
    """Norm of what each head writes, one head at a time."""
    width = out.stored.shape[0] // n_heads
    read = accurate(out.read)
    norms = []
    for head in range(n_heads):
        own = slice(head * width, (head + 1) * width)
        norms.append(out.carry(read[:, own] @ accurate(out.stored[own])).norm(dim=-1))
    return torch.stack(norms, dim=-1)


def unit_norms(out: BranchOutput) -> Tensor:
    """Norm of what one unit of each input writes: [pos, d_in], or [d_in] where it is everywhere so.

    ‖gain ∘ w‖² is a product of squares: no vector for each position and neuron.
    """
    if out.norm is None:
        plain = replace(out, inner=None).unit_norms()
        if out.inner is None:
            return plain
        return accurate(out.inner.gain).abs() * plain
    squares = []
    for rows in torch.split(out.stored, ROWS_AT_ONCE):
        rows = accurate(rows)
        rows = rows - rows.mean(-1, keepdim=True) if out.norm.centres else rows
        squares.append(accurate(out.norm.gain).square() @ rows.square().T.to(out.norm.gain))
    found = torch.cat(squares, dim=-1).sqrt() * abs(out.multiplier)
    return found if out.inner is None else found * accurate(out.inner.gain).abs()
