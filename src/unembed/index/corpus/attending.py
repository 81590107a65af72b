"""What tokens of a corpus attend to, computed anew in a run of their sentence: it is not kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.names.sites import check_target, parse_target
from unembed.engine.names.taps import refuse
from unembed.engine.targets import SiteKey
from unembed.errors import InputError
from unembed.index.corpus.hits import CorpusToken

if TYPE_CHECKING:
    from jaxtyping import Float


def checked_heads(model: Model, layer: int, heads: Sequence[int] | None) -> tuple[int, ...]:
    """Heads of a layer, in the order given; None: all.

    Raises TargetError for a layer, InputError for a head that there is not, CapabilityError where
    the layer has none.
    """
    check_target(parse_target(f"L{layer}.pattern"), model.anatomy, model.name, "layer")
    refuse(model.anatomy, SiteKey("pattern", layer), model.name, "layer")
    n_heads = model.block(layer).attention.n_heads
    found = tuple(range(n_heads)) if heads is None else tuple(heads)
    wrong = [head for head in found if not 0 <= head < n_heads]
    if wrong or not found:
        legal = f"0-{n_heads - 1}"
        said = f"head {wrong[0]} is not in layer {layer}" if wrong else "heads is empty"
        raise InputError(
            f"{said}: layer {layer} has heads {legal}",
            field="heads",
            value=wrong[0] if wrong else (),
            legal=legal,
        )
    return found


def attention_from(
    model: Model,
    tokens: Sequence[CorpusToken],
    at: int,
    layer: int,
    heads: Sequence[int] | None,
    cancel: Cancel | None = None,
) -> Float[Tensor, " key"]:
    """Attention from one token of a sentence to each, the mean of heads. Raises `checked_heads`."""
    names = [f"L{layer}.H{head}.pattern@{at}" for head in checked_heads(model, layer, heads)]
    ids = [one.token.id for one in tokens]
    run = model.run(ids, capture=names, logits="none", cancel=cancel)
    return torch.stack([run[name].reshape(-1) for name in names]).mean(0)


def most_attended(tokens: Sequence[CorpusToken], attention: Float[Tensor, " key"]) -> CorpusToken:
    """The token of the text that gets most, the first of equals; special ones are left out."""
    row = attention.clone()
    row[[one.start is None or one.token.special for one in tokens]] = -1.0
    return tokens[int(row.argmax())]
