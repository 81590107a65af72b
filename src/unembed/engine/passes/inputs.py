"""What a model's forward pass is given for rows of different lengths, and what its signature takes.

Shorter rows are padded at the end, where a causal model does not look; a masked model and an
encoder get an attention mask as well.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unembed.engine.loaded import Loaded
from unembed.errors import InputError


def inputs_of(
    model: Loaded, tokens: Tensor, sources: Sequence[tuple[int, ...]]
) -> dict[str, Tensor]:
    """What the model's forward pass calls tokens [row, pos], and each row's source beside them."""
    if model.anatomy.encoder is None:
        return {"input_ids": tokens}
    if not all(sources):
        raise InputError(
            f"{model.name} is an encoder-decoder and this pass has no source for its encoder",
            field="source",
        )
    lengths = [len(one) for one in sources]
    found = {"input_ids": padded_ids(model, sources, max(lengths)), "decoder_input_ids": tokens}
    if min(lengths) < max(lengths):
        found["attention_mask"] = attention_mask(model, lengths)
    return found


def types_of(model: Loaded, segments: Sequence[tuple[int, ...]], width: int) -> dict[str, Tensor]:
    """Which text of a sentence pair each token is of, where a row has two and the model asks."""
    if model.n_token_types < 2 or not any(segments):
        return {}
    types = [[*of_row, *[0] * (width - len(of_row))] for of_row in segments]
    return {"token_type_ids": torch.tensor(types, device=model.device)}


def padded_ids(model: Loaded, rows: Sequence[tuple[int, ...]], width: int) -> Tensor:
    """Tokens [row, pos], each row filled up at its end."""
    pad = getattr(model.module.config, "pad_token_id", None)
    if model.kind == "causal" or not isinstance(pad, int):
        pad = filler(model)
    padded = [[*ids, *[pad] * (width - len(ids))] for ids in rows]
    return torch.tensor(padded, device=model.device)


def attention_mask(model: Loaded, lengths: Sequence[int]) -> Tensor:
    """An attention mask [row, pos]: 1 where there is a token and no padding."""
    real = [[position < length for position in range(max(lengths))] for length in lengths]
    return torch.tensor(real, device=model.device).long()


def filler(model: Loaded) -> int:
    """A token that nobody reads; the padding token would make transformers warn."""
    return 1 if getattr(model.module.config, "pad_token_id", None) == 0 else 0


def padded_residuals(residuals: Sequence[Tensor], width: int) -> Tensor:
    """Residuals [pos, d_model] that rows enter with, as [row, pos, d_model]."""
    padded = [
        residual
        if len(residual) == width
        else torch.cat([residual, residual.new_zeros(width - len(residual), residual.shape[1])])
        for residual in residuals
    ]
    # made under inference_mode, it could not be kept: such tensors count no versions
    usable = [one.clone() if one.is_inference() else one for one in padded]
    return usable[0][None] if len(usable) == 1 else torch.stack(usable)


@contextmanager
def last_states_only(model: Loaded, lengths: Sequence[int]) -> Iterator[None]:
    """Give the unembedding the last state of each row, so that [row, pos, vocab] is never made."""
    head = model.anatomy.head
    if head is None:
        yield
        return

    def gather(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        states = args[0]
        if states.dim() != 3 or states.shape[:2] != (len(lengths), max(lengths)):
            return None
        last = torch.tensor(lengths, device=states.device) - 1
        rows = torch.arange(len(lengths), device=states.device)
        return states[rows, last][:, None], *args[1:]

    handle = model.module.get_submodule(head.unembedding).register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()


def keeps_last_logits(model: Loaded) -> bool:
    """Whether the model can be asked for the logits of the last position alone.

    One whose layers share keys and values then leaves positions out in its last layers, too.
    """
    return takes(model.module, "logits_to_keep") and not model.anatomy.shares_keys


def cache_name(module: nn.Module) -> str | None:
    """What the forward pass calls keys and values to go on from; None where it takes none.

    "cache" from transformers 5.24 on.
    """
    return next((name for name in ("past_key_values", "cache") if takes(module, name)), None)


def takes(module: nn.Module, argument: str) -> bool:
    """Whether the model's forward pass has an argument of this name."""
    return argument in inspect.signature(type(module).forward).parameters
