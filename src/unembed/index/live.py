"""One value vector, of a neuron or latent, from the weights alone: no index has to be there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import projection_of, scores_of
from unembed.analyses.tools.vectors import key_tokens, value_vectors, vector_of
from unembed.analyses.tools.writes import node_of
from unembed.engine.model import Model
from unembed.engine.reading.extremes import extremes
from unembed.engine.targets import Target
from unembed.errors import CapabilityError
from unembed.index.hits import SHOWN_PROMOTED, SHOWN_SUPPRESSED, Hit, Scores
from unembed.latents.sae import STREAM, directions_of

if TYPE_CHECKING:
    from jaxtyping import Float

KEY_TOKENS = 20


@dataclass(frozen=True)
class LivePage:
    """One value vector: what the neuron, or the latent, writes for an activation of 1, and what it
    listens to. Percentiles: 0 to 100.
    """

    target: str
    layer: int
    neuron: Annotated[int, "Its number in the layer: of the neuron, or of the latent."]
    norm: float
    layer_percentile: Annotated[
        float, "Of the norm, within the layer; of a latent, within its autoencoder."
    ]
    promoted: Annotated[Scores, "Most raised first."]
    suppressed: Annotated[Scores, "Most lowered first."]
    key_promotes: Annotated[
        Scores,
        "Tokens whose input embedding the key direction fires on most: cosines. Of a gated neuron: "
        "its input, not its gate.",
    ]
    key_suppresses: Scores
    gate_promotes: Annotated[Scores | None, "The same of the gate; null where there is none."]
    key_reason: Annotated[str | None, "Why nothing is said of the key direction."]


@torch.no_grad()
def live_page(model: Model, node: str, projection: str = "raw", top_k: int = 50) -> LivePage:
    """The page of one neuron, or of a latent; lists of neurons are those that `build_index` stores.

    Raises TargetError for what is neither of this model, CapabilityError where it has none, or a
    latent writes inside of a branch.
    """
    target = node_of(model, node)
    number, vectors = _among(model, target)
    norms = vectors.norm(dim=-1)
    ((promoted, suppressed),) = _lists(model, vectors[number, None], projection, top_k, top_k)
    return LivePage(
        target.stem,
        target.layer or 0,
        number,
        float(norms[number]),
        100.0 * float((norms < norms[number]).sum()) / max(len(norms) - 1, 1),
        promoted,
        suppressed,
        *_keys(model, target),
    )


@torch.no_grad()
def nearest_latents(
    model: Model, node: str, projection: str = "raw", limit: int = 10
) -> tuple[Hit, ...]:
    """The latents of the same autoencoder that write in the most similar direction: cosines."""
    target = node_of(model, node)
    number, vectors = _among(model, target)
    norms = vectors.norm(dim=-1)
    cosines = vectors @ vectors[number] / (norms * norms[number]).clamp_min(1e-30)
    cosines[number] = -torch.inf
    best = cosines.topk(min(limit, len(cosines) - 1)).indices.tolist()
    lists = _lists(model, vectors[best], projection, SHOWN_PROMOTED, SHOWN_SUPPRESSED)
    layer = target.layer or 0
    return tuple(
        Hit(f"L{layer}.F{one}", layer, one, float(cosines[one]), float(norms[one]), (), *both)
        for one, both in zip(best, lists, strict=True)
    )


def _among(model: Model, target: Target) -> tuple[int, Float[Tensor, "n d_model"]]:
    """A node's number, and the vectors of all that it is numbered among."""
    if not target.row.derived:
        layer, number = vector_of(model, target)
        return number, value_vectors(model, layer)
    vectors = directions_of(model, target)
    if vectors is None:
        raise CapabilityError(
            f"{target.text} writes inside of a branch: it has no vector of the residual stream",
            field="target",
            value=target.text,
            legal=f"latents of {', '.join(STREAM)}",
        )
    return target.index or 0, accurate(vectors)


def _lists(
    model: Model, vectors: Tensor, projection: str, n_raised: int, n_lowered: int
) -> list[tuple[Scores, Scores]]:
    """Of each vector the tokens that it raises most, and lowers most."""
    weight = model.unembedding.weight
    rows = projection_of(model, projection)(vectors).to(weight.device)
    ends = extremes(rows, weight, min(max(n_raised, n_lowered), len(weight)))
    sides = (
        (ends.raised_ids, ends.raised, n_raised),
        (ends.lowered_ids, ends.lowered, n_lowered),
    )
    raised, lowered = (
        [
            scores_of(model, some[:n], those[:n])
            for some, those in zip(ids.tolist(), scores.tolist(), strict=True)
        ]
        for ids, scores, n in sides
    )
    return list(zip(raised, lowered, strict=True))


def _keys(model: Model, node: Target) -> tuple[Scores, Scores, Scores | None, str | None]:
    """What the key directions fire on, or why that cannot be said."""
    try:
        keys = key_tokens(model, node, min(KEY_TOKENS, model.vocab_size))
    except CapabilityError as error:
        return (), (), None, error.message
    return keys.promotes, keys.suppresses, keys.gate_promotes, None
