"""What of a model is kept of each token: states and contexts as directions, their lengths apart.

A vector is divided by its length, in the model's precision, before it is rounded to half precision:
Gemma's residuals are longer than half precision can add up. Of z every head has a length of its
own. A vector of zeros stays one. A query is made by the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.passes.forward import Request, capture_rows
from unembed.engine.sweep import rows_at_once
from unembed.engine.targets import SiteKey
from unembed.index.corpus.about import Site
from unembed.index.corpus.options import Kept, State
from unembed.index.corpus.rows import Rows
from unembed.index.store import Array

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

CONTEXT = "z"
CPU_TOKENS = 1024  # of one pass: with more, what a layer makes outgrows the caches of a core
LEAST_OF_LONGEST = (
    0.8  # as long as the longest row of a pass each other one is: the rest is padding
)


def sites_for(
    model: Model, layers: Sequence[int] | None, kept: Kept, state: State
) -> tuple[Site, ...]:
    """The sites to keep, layer by layer; layers without attention have no context.

    Raises InputError for a layer that there is not, CapabilityError where nothing is left.
    """
    every = range(model.anatomy.n_layers)
    chosen = checked_layers(model, every if layers is None else layers)
    found = []
    for layer in chosen:
        if kept in ("both", "hidden"):
            refuse(model.anatomy, SiteKey(state, layer), model.name, "state")
            found.append(Site(layer, state, model.anatomy.d_model, 1))
        if kept in ("both", "context") and why_not(model.anatomy, SiteKey(CONTEXT, layer)) is None:
            attention = model.block(layer).attention
            width = attention.n_heads * attention.d_head
            found.append(Site(layer, CONTEXT, width, attention.n_heads))
    if not found:
        refuse(model.anatomy, SiteKey(CONTEXT, chosen[0]), model.name, "kept")
    return tuple(found)


def directions(
    states: Float[Tensor, "pos ..."], heads: int
) -> tuple[Float[Tensor, "pos head width"], Float[Tensor, "pos head"]]:
    """Directions and lengths of states [pos, d_model] or [pos, head, d_head]."""
    rows = states.detach().reshape(len(states), heads, -1)
    rows = rows if rows.dtype == torch.float64 else rows.float()
    lengths = rows.norm(dim=-1)
    shown = lengths.clamp_min(torch.finfo(lengths.dtype).tiny)
    return rows / shown[..., None], lengths


def vectors_of(
    model: Model,
    ids: Sequence[tuple[int, ...]],
    sites: Sequence[Site],
    cancel: Cancel | None,
    heard: Callable[[int], None] = lambda _: None,
) -> dict[Site, tuple[Array, Array]]:
    """Of each site the directions [rows, width] and lengths [rows, head] of sentences' tokens.

    Many sentences go through the model at once, those of like length together; rows are in the
    order given. `heard` is told how many tokens each pass was of.
    """
    sizes = [len(one) for one in ids]
    starts = [0, *accumulate(sizes)]
    found = {
        site: (
            np.empty((starts[-1], site.width), np.float16),
            np.empty((starts[-1], site.heads), np.float32),
        )
        for site in sites
    }
    names = [site.name for site in sites]
    for batch in batches(model, ids, names):
        states = capture_rows(model, [ids[one] for one in batch], names, cancel)
        rows = np.concatenate([np.arange(starts[one], starts[one + 1]) for one in batch])
        real = _real([sizes[one] for one in batch]).to(model.device)
        for site, (vectors, lengths) in found.items():
            own, size = directions(states[site.name][real], site.heads)
            vectors[rows] = own.flatten(1).half().cpu().numpy()
            lengths[rows] = size.float().cpu().numpy()
        heard(len(rows))
    return found


def batches(
    model: Model, ids: Sequence[tuple[int, ...]], names: Sequence[str]
) -> Iterator[list[int]]:
    """Which sentences go through the model together: like ones, the longest first."""
    order = sorted(range(len(ids)), key=lambda one: -len(ids[one]))
    while order:
        longest = len(ids[order[0]])
        most = rows_at_once(model, Request(ids[order[0]], names, logits="none"))
        if model.device.type == "cpu":
            most = min(most, max(1, CPU_TOKENS // longest))
        n = sum(len(ids[one]) >= LEAST_OF_LONGEST * longest for one in order[:most])
        yield order[:n]
        del order[:n]


def _real(sizes: Sequence[int]) -> Bool[Tensor, "row pos"]:
    """Where rows of these lengths have tokens, and no padding."""
    return torch.arange(max(sizes)) < torch.tensor(sizes)[:, None]


def add_states(
    model: Model,
    rows: Rows,
    sites: Sequence[Site],
    first: int,
    ids: Sequence[tuple[int, ...]],
    cancel: Cancel | None,
    heard: Callable[[int], None] = lambda _: None,
) -> None:
    """Compute and append the vectors of sentences whose first token is row `first`."""
    for site, (vectors, lengths) in vectors_of(model, ids, sites, cancel, heard).items():
        rows.add_vectors(site, first, vectors, lengths)
