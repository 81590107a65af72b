"""Many runs of one prompt that differ from some position on: what comes before is not run again.

In a causal model positions before the first edit stay as they were. Their keys and values come from
one plain pass, and a batch of rows enters at its first edited layer, at its first edited position.
Only the states that the unembedding reads at one position are handed out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers import DynamicCache

from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit
from unembed.engine.editing.resolving import resolve_edits
from unembed.engine.loaded import Loaded
from unembed.engine.passes.capture import Wanted
from unembed.engine.passes.hooks import Instrument, Row
from unembed.engine.passes.inputs import cache_name, keeps_last_logits
from unembed.engine.targets import Lengths, SiteKey

if TYPE_CHECKING:
    from jaxtyping import Float

FINAL = SiteKey("final_norm", None)
AGREEMENT = 1e-4  # relative: of a pass over a suffix with the plain one
HALF = 3e-2  # the same where weights are half precision


@dataclass(frozen=True, eq=False)
class Prefix:
    """A prompt that was run: keys and values of every layer, and the stream before every block."""

    ids: tuple[int, ...]
    keys: Sequence[Tensor]  # [1, head, pos, d_head] each
    values: Sequence[Tensor]
    residuals: dict[int, Float[Tensor, "pos d_model"]]


@torch.no_grad()
def prefix_of(
    model: Loaded,
    ids: tuple[int, ...],
    residuals: dict[int, Float[Tensor, "pos d_model"]],
    final: Float[Tensor, "pos d_unembed"],
) -> Prefix | None:
    """The prefix of a prompt without edits; None where this model cannot be gone on from one.

    That is found out by going on from the middle and comparing with `final`, what the unembedding
    read in the plain run.
    """
    plain = all(
        block.mixer is not None and block.mixer.is_attention for block in model.anatomy.blocks
    )
    if model.kind != "causal" or not plain or model.anatomy.shares_keys or model.has_encoder:
        return None
    name = cache_name(model.module)
    if name is None or len(ids) < 2:
        return None
    cache = DynamicCache()
    tokens = torch.tensor([ids], device=model.device)
    options = {"logits_to_keep": 1} if keeps_last_logits(model) else {}
    try:
        with model.evaluating():
            model.module(input_ids=tokens, use_cache=True, **{name: cache}, **options)
        kept = [(layer.keys, layer.values) for layer in cache.layers]
        whole = len(kept) == model.anatomy.n_layers
        if not whole or any(keys.shape[2] != len(ids) for keys, _ in kept):
            return None
        found = Prefix(ids, [keys for keys, _ in kept], [values for _, values in kept], residuals)
        start = (min(residuals), len(ids) // 2)
        states = states_after(model, found, [()], start, len(ids) - 1)
    except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
        return None  # a cache of a form of its own
    return found if agrees(model, states[0], final[-1]) else None


def agrees(model: Loaded, state: Tensor, plain: Tensor) -> bool:
    """Whether what the unembedding reads is what it read in the plain run, but for rounding."""
    limit = AGREEMENT if model.dtype in (torch.float32, torch.float64) else HALF
    return bool((state - plain).abs().max() <= limit * plain.abs().max())


@torch.no_grad()
def states_after(
    model: Loaded,
    prefix: Prefix,
    edits: Sequence[Sequence[Edit]],
    start: tuple[int, int],
    position: int,
    cancel: Cancel | None = None,
) -> Float[Tensor, "row d_unembed"]:
    """What the unembedding reads at a position, for each row of edits.

    Args:
        start: a layer and a position: no edit acts before either, and `position` is not before it.
    """
    layer, offset = start
    n_rows, lengths = len(edits), Lengths(len(prefix.ids))
    rows = [Row({FINAL: Wanted()}, resolve_edits(model, one, lengths)) for one in edits]
    instrument = Instrument(
        model.module, model.anatomy, rows, cancel, stop=FINAL, volatile=model.volatile
    )
    residual = prefix.residuals[layer][offset:]
    tokens = torch.tensor([prefix.ids[offset:]], device=model.device).expand(n_rows, -1)
    with model.evaluating(running=True):
        cache = DynamicCache()
        for number, both in enumerate(zip(prefix.keys, prefix.values, strict=True)):
            keys, values = (one[:, :, :offset].expand(n_rows, -1, -1, -1) for one in both)
            cache.update(keys, values, number)
        instrument.begin([Lengths(len(prefix.ids) - offset)] * n_rows, offset)
        instrument.start = (layer, residual[None].expand(n_rows, -1, -1))
        past = {cache_name(model.module) or "past_key_values": cache}
        instrument.through(lambda: model.module(input_ids=tokens, use_cache=True, **past))
    return torch.stack([one[position - offset] for one in instrument.captured[FINAL]])
