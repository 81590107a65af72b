"""The calls of transformer-utils, with its names and their order: one import to change.

    from unembed.compat.transformer_utils import plot_logit_lens, partial_forward

What is drawn and returned is Unembed's: a Plotly figure, and outputs of the named modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from unembed.analyses.lens.grid import logit_lens
from unembed.engine.load import load
from unembed.engine.model import Model
from unembed.engine.partial import partial_forward as partial
from unembed.errors import InputError

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["enable_low_memory_load", "partial_forward", "plot_logit_lens"]


def plot_logit_lens(
    model: nn.Module | Model,
    tokenizer: Any,
    input_ids: Tensor,
    start_ix: int,
    end_ix: int,
    probs: bool = False,
    ranks: bool = False,
    kl: bool = False,
    block_step: int = 1,
    include_input: bool = True,
    force_include_output: bool = True,
    include_subblocks: bool = False,
    decoder_layer_names: Sequence[str] = ("final_layernorm", "lm_head"),
    top_down: bool = False,
    verbose: bool = False,  # noqa: ARG001 - it printed what it did
) -> go.Figure:
    """The logit lens at positions `start_ix` to `end_ix` (left out, and at most the text's end).

    kl goes before ranks, ranks before probs; without any, logits. As there, KL clips both
    distributions at 1 / (10 * vocabulary). The last row is the model's own output, always.
    Gives the figure back, which a notebook shows and `figure.write_html(path)` keeps.

    Raises InputError where no position is left, or the decoder is no end of the model.
    """
    del force_include_output  # the output is always there
    known = model if isinstance(model, Model) else load(model, tokenizer)
    length = len(known.tokenize(input_ids))
    positions = range(start_ix, min(end_ix, length))
    if start_ix < 0 or not positions:
        raise InputError(
            f"positions {start_ix} to {end_ix} are not in this text of {length} tokens",
            field="start_ix",
            value=start_ix,
            legal=f"0 to {length - 1}",
        )
    lens = logit_lens(
        known,
        tuple(known.tokenize(input_ids)),
        positions=positions,
        layer_step=block_step,
        include_embedding=include_input,
        subblocks=include_subblocks,
        decoder=list(decoder_layer_names),
        kl_floor=1 / (10 * known.vocab_size) if kl else None,
    )
    kind = "kl" if kl else "rank" if ranks else "probability" if probs else "logit"
    figure: go.Figure = lens.plot(kind, top_down=top_down)
    return figure


def partial_forward(
    model: nn.Module | Model,
    output_names: str | Iterable[str],
    *args: Any,
    verbose: bool = False,  # noqa: ARG001 - it printed what it did
    debug: bool = False,  # noqa: ARG001
    **kwargs: Any,
) -> dict[str, Any]:
    """Outputs of the named modules; nothing behind the last of them runs. `ue.partial_forward`."""
    return partial.partial_forward(model, output_names, *args, **kwargs)


def enable_low_memory_load() -> None:
    """Nothing: transformers itself now reads weights one by one, into memory allocated once.

    `unembed.load(source, low_memory=True)` keeps them mapped from their files, and `stream=True`
    runs a model that is larger than memory. Nothing of transformers is replaced.
    """
