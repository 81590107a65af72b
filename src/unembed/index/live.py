"""One value vector from the weights alone, for models that have no index yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch

from unembed.analyses.tools.projections import projection_of, scores_of
from unembed.analyses.tools.vectors import key_tokens, value_vectors, vector_of
from unembed.engine.model import Model
from unembed.engine.reading.extremes import extremes
from unembed.errors import CapabilityError
from unembed.index.hits import Scores

KEY_TOKENS = 20


@dataclass(frozen=True)
class LivePage:
    """One value vector: what the neuron writes, and what it listens to. Percentiles: 0 to 100."""

    target: str
    layer: int
    neuron: int
    norm: float
    layer_percentile: Annotated[float, "Of the norm, within the layer."]
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
    """The page of one neuron; its lists are those that `build_index` stores.

    Raises TargetError for what is no neuron of this model, CapabilityError where it has none.
    """
    layer, neuron = vector_of(model, node)
    vectors = value_vectors(model, layer)
    norms = vectors.norm(dim=-1)
    weight = model.unembedding.weight
    rows = projection_of(model, projection)(vectors[neuron, None]).to(weight.device)
    ends = extremes(rows, weight, min(top_k, len(weight)))
    return LivePage(
        f"L{layer}.N{neuron}",
        layer,
        neuron,
        float(norms[neuron]),
        100.0 * float((norms < norms[neuron]).sum()) / max(len(norms) - 1, 1),
        scores_of(model, ends.raised_ids[0].tolist(), ends.raised[0].tolist()),
        scores_of(model, ends.lowered_ids[0].tolist(), ends.lowered[0].tolist()),
        *_keys(model, node),
    )


def _keys(model: Model, node: str) -> tuple[Scores, Scores, Scores | None, str | None]:
    """What the key directions fire on, or why that cannot be said."""
    try:
        keys = key_tokens(model, node, min(KEY_TOKENS, model.vocab_size))
    except CapabilityError as error:
        return (), (), None, error.message
    return keys.promotes, keys.suppresses, keys.gate_promotes, None
