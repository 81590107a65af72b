"""The tokens that a node promotes: what it writes, through the unembedding.

A neuron, a latent and a direction write along one vector, which the weights say. Heads and branches
do not: of them it is the mean of what they write where they are strongest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unembed.analyses.tools.projections import TokenScore, projected, scores_of
from unembed.analyses.tools.vectors import value_vectors
from unembed.analyses.tools.writes import write, write_capture
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.reading.extremes import extremes
from unembed.engine.targets import Target
from unembed.errors import CapabilityError
from unembed.explanations.sample import Sample
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.passes import runs_of
from unembed.index.store import Array
from unembed.latents.sae import direction_of

STRONGEST = 16  # tokens that a mean write is of


@torch.no_grad()
def promoted(
    model: Model,
    measures: Measures,
    sample: Sample,
    values: Array,
    k: int,
    cancel: Cancel | None = None,
) -> list[tuple[TokenScore, ...] | None]:
    """The k tokens that each node raises most; None of what has no vector, or no vocabulary.

    What it writes goes through the weight of the final norm and the unembedding; where the head of
    the model is more than a norm, through the unembedding alone.

    Args:
        values: [node, token] over the tokens of the sample.
    """
    vectors = written_vectors(model, measures)
    for order, target in enumerate(measures.targets):
        if target is not None and not target.is_number:
            vectors[order] = mean_write(model, target, sample, values[order], cancel)
    some = [order for order, vector in enumerate(vectors) if vector is not None]
    rows = _read(model, [vectors[order] for order in some])
    found: list[tuple[TokenScore, ...] | None] = [None] * len(vectors)
    if rows is None:
        return found
    weight = model.unembedding.weight
    ends = extremes(rows.to(weight.device), weight, min(k, model.vocab_size), cancel)
    for order, ids, scores in zip(
        some, ends.raised_ids.tolist(), ends.raised.tolist(), strict=True
    ):
        found[order] = scores_of(model, ids, scores)
    return found


def written_vectors(model: Model, measures: Measures) -> list[Tensor | None]:
    """What each node adds to the stream for a value of 1 [d_model]; None: no one vector."""
    layers: dict[int, Tensor] = {}
    found: list[Tensor | None] = []
    for node, target in zip(measures.nodes, measures.targets, strict=True):
        if target is None:
            found.append(node[1].detach().double() if isinstance(node, tuple) else None)
        elif target.row.derived:
            found.append(direction_of(model, target))
        elif target.row.has_vector and target.layer is not None and target.neuron is not None:
            if target.layer not in layers:
                layers[target.layer] = value_vectors(model, target.layer)
            found.append(layers[target.layer][target.neuron])
        else:
            found.append(None)
    return found


@torch.no_grad()
def mean_write(
    model: Model, target: Target, sample: Sample, values: Array, cancel: Cancel | None = None
) -> Tensor:
    """The mean of what a node writes at its strongest tokens, one of each sentence [d_model].

    Of the sentences that labels are made from.
    """
    own = np.flatnonzero(~sample.held_out)
    places = sample.first_of_sentences(own[np.argsort(-values[own], kind="stable")], STRONGEST)
    at = {int(sample.rows[place] - sample.positions[place]): place for place in places}
    spans = [span for span in sample.spans if span[0] in at]
    capture = write_capture(model, target)
    total = torch.zeros(model.anatomy.d_model, dtype=torch.float64)
    for (first, _), run in runs_of(model, sample.columns, spans, capture, cancel=cancel):
        total += write(run, target)[int(sample.positions[at[first]])].double().cpu()
    return total / max(len(spans), 1)


def _read(model: Model, vectors: Sequence[Tensor | None]) -> Tensor | None:
    """What the unembedding reads of each; None where there is none of either."""
    rows = [vector for vector in vectors if vector is not None]
    if not rows or not model.capabilities()["lens"].available:
        return None
    accurate = torch.promote_types(model.dtype, torch.float32)
    whole = torch.stack([row.to(model.device, accurate) for row in rows])
    try:
        return projected(model, whole, "final_norm")
    except CapabilityError:
        pass
    try:
        return projected(model, whole, "raw")
    except CapabilityError:
        return None
