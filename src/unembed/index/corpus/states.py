"""What of a model is kept of each token: states and contexts as directions, their lengths apart.

A vector is divided by its length, in the model's precision, before it is rounded to half precision:
Gemma's residuals are longer than half precision can add up. Of z every head has a length of its
own. A vector of zeros stays one. A query is made by the same function.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.tools.checks import checked_layers
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.taps import refuse, why_not
from unembed.engine.passes.run import Run
from unembed.engine.sweep import sweep
from unembed.engine.targets import SiteKey
from unembed.index.corpus.about import Site
from unembed.index.corpus.options import Kept, State
from unembed.index.corpus.rows import Rows

if TYPE_CHECKING:
    from jaxtyping import Float

CONTEXT = "z"


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


def kept_of(
    model: Model, ids: Sequence[tuple[int, ...]], sites: Sequence[Site], cancel: Cancel | None
) -> list[Run]:
    """A run of each sentence that captured the sites, many in one pass."""
    capture = [site.name for site in sites]
    return list(sweep(model, list(ids), capture=capture, logits="none", cancel=cancel))


def add_states(
    model: Model,
    rows: Rows,
    sites: Sequence[Site],
    first: int,
    ids: Sequence[tuple[int, ...]],
    cancel: Cancel | None,
) -> None:
    """Compute and append the vectors of sentences whose first token is row `first`."""
    runs = kept_of(model, ids, sites, cancel)
    for site in sites:
        parts = [directions(run[site.name], site.heads) for run in runs]
        vectors = torch.cat([part.flatten(1).cpu().half() for part, _ in parts])
        lengths = torch.cat([part.cpu() for _, part in parts])
        rows.add_vectors(site, first, vectors.numpy(), lengths.numpy())
