"""One value vector, of a neuron or latent, from the weights alone: no index has to be there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.projections import projection_of, scores_of
from unembed.analyses.tools.vectors import key_tokens_of, value_vectors, vector_of
from unembed.analyses.tools.writes import node_of
from unembed.engine.model import Model
from unembed.engine.reading.extremes import extremes
from unembed.engine.targets import Target
from unembed.errors import CapabilityError
from unembed.index.hits import SHOWN_PROMOTED, SHOWN_SUPPRESSED, Hit, Scores
from unembed.latents.sae import STREAM, directions_of, sae_of, writes_several

if TYPE_CHECKING:
    from jaxtyping import Float

KEY_TOKENS = 20
ROWS_AT_ONCE = 256  # of products with all vectors


@dataclass(frozen=True)
class LayerWrite:
    """What a latent writes at one of several layers, for an activation of 1."""

    site: Annotated[str, 'Where: "L9.mlp_out".']
    norm: float
    cosine: Annotated[float, "With all that it writes, together."]
    promoted: Annotated[Scores, "The first that it raises."]
    suppressed: Annotated[Scores, "The first that it lowers."]


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
    writes: Annotated[
        tuple[LayerWrite, ...],
        "Of a latent that writes at several layers, each of its vectors; the others are their sum.",
    ] = ()
    promoted_reason: Annotated[
        str | None, "Why no token is raised or lowered: the model has no language-model head."
    ] = None


@torch.no_grad()
def live_page(model: Model, node: str, projection: str = "raw", top_k: int = 50) -> LivePage:
    """The page of one neuron, or of a latent; lists of neurons are those that `build_index` stores.

    Of a model without a language-model head it has no tokens that are raised or lowered, and
    `promoted_reason` says why; what makes the node fire is there.

    Raises TargetError for what is neither of this model, CapabilityError where it has none, or a
    latent writes inside of a branch.
    """
    (page,) = live_pages(model, [node_of(model, node)], projection, top_k)
    return page


@torch.no_grad()
def live_pages(
    model: Model, targets: Sequence[Target], projection: str = "raw", top_k: int = 50
) -> list[LivePage]:
    """The pages of several neurons of one layer, or latents of one autoencoder, read together."""
    numbers, vectors = _among(model, targets)
    norms = vectors.norm(dim=-1)
    reason = model.capabilities()["lens"].reason
    lists = _lists(model, vectors[numbers], projection, top_k, top_k)
    return [
        LivePage(
            target.stem,
            target.layer or 0,
            number,
            float(norms[number]),
            100.0 * float((norms < norms[number]).sum()) / max(len(norms) - 1, 1),
            both[0],
            both[1],
            *keys,
            each,
            reason,
        )
        for target, number, both, keys, each in zip(
            targets,
            numbers,
            lists,
            _keys(model, targets),
            _writes(model, targets, projection),
            strict=True,
        )
    ]


def _writes(
    model: Model, targets: Sequence[Target], projection: str
) -> list[tuple[LayerWrite, ...]]:
    """Of each latent that writes at several layers, each of its vectors."""
    sae = sae_of(model, targets[0]) if writes_several(model, targets[0]) else None
    if sae is None:
        return [()] * len(targets)
    numbers = torch.tensor([one.index or 0 for one in targets])
    whole, found = accurate(sae.in_all(numbers)), [list[LayerWrite]() for _ in targets]
    for key in sae.description.ends:
        rows = accurate(sae.directions_at(key)[numbers])
        cosines = torch.nn.functional.cosine_similarity(rows, whole, dim=-1).tolist()
        lists = _lists(model, rows, projection, SHOWN_PROMOTED, SHOWN_SUPPRESSED)
        each = zip(found, rows.norm(dim=-1).tolist(), cosines, lists, strict=True)
        for own, norm, cosine, both in each:
            own.append(LayerWrite(key.name, norm, cosine, *both))
    return [tuple(own) for own in found]


@dataclass(frozen=True)
class NearNode:
    """Another node that is numbered among the same, and how similar its direction is."""

    node: str
    cosine: float


@torch.no_grad()
def nearest(model: Model, targets: Sequence[Target], limit: int = 5) -> list[tuple[NearNode, ...]]:
    """Of each the nodes of its layer, or autoencoder, that write in the most similar direction."""
    numbers, vectors = _among(model, targets)
    unit = torch.nn.functional.normalize(vectors, dim=-1)
    found = []
    for part in torch.split(torch.tensor(numbers), ROWS_AT_ONCE):
        cosines = unit[part] @ unit.T
        cosines[torch.arange(len(part)), part] = -torch.inf
        best = cosines.topk(min(limit, len(unit) - 1))
        for near, values in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            names = [targets[0].numbered(one).text for one in near]
            found.append(tuple(map(NearNode, names, values)))
    return found


@torch.no_grad()
def nearest_hits(
    model: Model, node: str, projection: str = "raw", limit: int = 10
) -> tuple[Hit, ...]:
    """The latents of the same autoencoder, or neurons of the layer, that write in the most similar
    direction: cosines.
    """
    target = node_of(model, node)
    ((_, vectors), (near,)) = _among(model, [target]), nearest(model, [target], limit)
    nodes = [model.node(one.node) for one in near]
    numbers = [(one.index if one.row.derived else one.neuron) or 0 for one in nodes]
    lists = _lists(model, vectors[numbers], projection, SHOWN_PROMOTED, SHOWN_SUPPRESSED)
    norms, layer = vectors[numbers].norm(dim=-1).tolist(), target.layer or 0
    return tuple(
        Hit(one.node, layer, number, one.cosine, norm, (), *both)
        for one, number, norm, both in zip(near, numbers, norms, lists, strict=True)
    )


@torch.no_grad()
def written_direction(model: Model, node: str) -> Float[Tensor, " d_model"]:
    """What a neuron, or a latent, adds to the residual stream for an activation of 1.

    Raises TargetError for what is neither of this model, CapabilityError where it has none.
    """
    (number,), vectors = _among(model, [node_of(model, node)])
    return vectors[number]


def _among(model: Model, targets: Sequence[Target]) -> tuple[list[int], Float[Tensor, "n d_model"]]:
    """The numbers of nodes of one layer, and the vectors of all that they are numbered among."""
    target = targets[0]
    if not target.row.derived:
        numbers = [vector_of(model, one)[1] for one in targets]
        return numbers, value_vectors(model, vector_of(model, target)[0])
    vectors = directions_of(model, target)
    if vectors is None:
        raise CapabilityError(
            f"{target.text} writes inside of a branch: it has no vector of the residual stream",
            field="target",
            value=target.text,
            legal=f"latents of {', '.join(STREAM)}",
        )
    return [one.index or 0 for one in targets], accurate(vectors)


def _lists(
    model: Model, vectors: Tensor, projection: str, n_raised: int, n_lowered: int
) -> list[tuple[Scores, Scores]]:
    """Of each vector the tokens that it raises most, and lowers most; none without a head."""
    if not model.capabilities()["lens"].available:
        return [((), ())] * len(vectors)
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


_Keys = tuple[Scores, Scores, Scores | None, str | None]


def _keys(model: Model, targets: Sequence[Target]) -> list[_Keys]:
    """What the key directions fire on, or why that cannot be said."""
    try:
        found = key_tokens_of(model, targets, min(KEY_TOKENS, model.vocab_size))
    except CapabilityError as error:
        return [((), (), None, error.message)] * len(targets)
    return [(one.promotes, one.suppresses, one.gate_promotes, None) for one in found]
