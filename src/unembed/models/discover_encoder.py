"""Finding the two stacks of an encoder-decoder in one forward pass of it.

The encoder and the decoder are read as any stack is. Attention to the encoder is told from the
decoder's own by its keys: it has as many as the source has tokens, which the prompt has not. What
the encoder hands over is what the maps of those keys are seen to read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from unembed.errors import LoadError
from unembed.models.anatomy import Anatomy, Tap
from unembed.models.discover import Found, find_blocks, read_stack
from unembed.models.discover_head import read_head
from unembed.models.equations import same
from unembed.models.labels import labels_of
from unembed.models.maps import input_embeddings, is_map
from unembed.models.trace import Call, KernelCall, Trace, record

NO_LOGITS = "an encoder predicts no tokens; its decoder does"


def is_encoder_decoder(model: nn.Module) -> bool:
    """Whether it says that it has two stacks."""
    return bool(getattr(model.config, "is_encoder_decoder", False))


def encoder_of(model: nn.Module) -> nn.Module:
    """The module that reads the source."""
    found: nn.Module = model.get_encoder()  # type: ignore[operator]  # a method of transformers
    return found


def discover_both(model: nn.Module, ids: Tensor, source: Tensor, name: str) -> Anatomy:
    """The anatomy of an encoder-decoder: the decoder's, with that of its encoder in it.

    `ids` [1, pos] are for the decoder; `source` is for the encoder, and of another length.

    Raises:
        LoadError: one of the stacks, or what is between them, could not be understood.
    """
    if labels_of(model) is not None:
        raise LoadError(
            f"{name} ({type(model).__name__}) is an encoder-decoder that gives labels; of those "
            "only models that write text are understood"
        )
    trace = record(model, ids, source=source)
    encoder_module = encoder_of(model)
    whole = next((call for call in trace.calls if call.module is encoder_module), None)
    if whole is None:
        raise LoadError(f"{name}: its encoder ({type(encoder_module).__name__}) was not called")
    inner, outer = _parted(trace, whole)
    config: Any = model.config
    family = str(getattr(config, "model_type", type(model).__name__))
    found = find_blocks(inner, f"the encoder of {name}", family)
    settings = config.get_text_config(encoder=True)
    encoder = read_stack(model, found, inner, settings, family, f"the encoder of {name}")
    if len({block.name for block, _ in found}) < len(found):
        raise LoadError(
            f"{name}: one module ({found[0][0].name}) is several layers of its encoder, which "
            "could not be told apart"
        )
    vocab_size = input_embeddings(encoder_module).weight.shape[0]
    reasons = {"lens": NO_LOGITS, "logits": NO_LOGITS}
    encoder = replace(encoder, vocab_size=vocab_size, reasons={**encoder.reasons, **reasons})
    anatomy, states = _decoder(model, outer, source.shape[1], family, name)
    return replace(anatomy, encoder=encoder, encoded=_handed_over(found, inner, states, name))


def _parted(trace: Trace, whole: Call) -> tuple[Trace, Trace]:
    """What happens in the encoder, and what else."""
    calls = [call for call in trace.calls if call.within(whole)]
    kernels = [kernel for kernel in trace.kernels if kernel.call.within(whole)]
    others = [call for call in trace.calls if not call.within(whole)]
    rest = [kernel for kernel in trace.kernels if not kernel.call.within(whole)]
    return trace.part(calls, kernels), trace.part(others, rest)


def _decoder(
    model: nn.Module, trace: Trace, n_source: int, family: str, name: str
) -> tuple[Anatomy, Tensor]:
    """The decoder's anatomy, and the states of the source that its blocks attend to."""
    crosses = [kernel for kernel in trace.kernels if _n_keys(kernel) == n_source]
    own = [kernel for kernel in trace.kernels if _n_keys(kernel) != n_source]
    found = find_blocks(trace.part(trace.calls, own), name, family)
    by_block = [_cross_of(block, crosses, layer, name) for layer, (block, _) in enumerate(found)]
    settings: Any = model.config
    config = settings.get_text_config(decoder=True)
    anatomy = read_stack(model, found, trace, config, family, name, by_block)
    reasons = dict(anatomy.reasons)
    head = read_head(model, found[-1][0], trace, config, reasons)
    states = _read_by_keys(by_block[0], trace, n_source, name)
    return replace(anatomy, head=head, reasons=reasons), states


def _n_keys(kernel: KernelCall) -> int:
    key = kernel.seen.get("k")
    return 0 if key is None else key.shape[-2]


def _cross_of(block: Call, crosses: list[KernelCall], layer: int, name: str) -> KernelCall:
    inside = [kernel for kernel in crosses if kernel.call.within(block)]
    if len(inside) != 1:
        raise LoadError(
            f"{name}: layer {layer} ({block.name}) attends to the encoder {len(inside)} times; "
            "only once, between its own attention and its feed-forward, is understood"
        )
    return inside[0]


def _read_by_keys(cross: KernelCall, trace: Trace, n_source: int, name: str) -> Tensor:
    """What the map of the keys of a cross-attention reads."""
    for call in trace.calls:
        within = call.within(cross.call) and call.input is not None and is_map(call.module)
        if within and call.input is not None and len(call.input) == n_source:
            return call.input
    raise LoadError(f"{name}: no map in {cross.call.name} reads what the encoder hands over")


def _handed_over(found: list[Found], inner: Trace, states: Tensor, name: str) -> Tap:
    """Where in the encoder that is made: its last block, or a norm behind it."""
    done = found[-1][0].end
    for call in sorted(inner.calls, key=lambda call: call.end):
        if call.end >= done and same(call.output, states):
            return Tap(call.name, "output")
    raise LoadError(
        f"{name}: what its decoder attends to is not the output of {found[-1][0].name}, nor of any "
        "module behind it, so what the encoder hands over could not be found"
    )
