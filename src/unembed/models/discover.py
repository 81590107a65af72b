"""Finding the anatomy of a model by its structure.

One short forward pass is written down (`trace`) and read: which module made the attention call,
what joined the residual stream, what the last residual went through. Every finding is an equation
between tensors that were seen, so no family needs a table; where no equation holds, the anatomy
carries the reason instead of a guess. `engine.selfcheck` then proves the result on other input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from unembed.errors import LoadError
from unembed.models import discover_mlp
from unembed.models.anatomy import (
    Anatomy,
    AttentionAnatomy,
    BlockAnatomy,
    Tap,
)
from unembed.models.arrange import Arranged, arrange
from unembed.models.discover_head import read_head
from unembed.models.equations import post_norm, same
from unembed.models.maps import is_map
from unembed.models.trace import Call, KernelCall, Trace, record

SITES_OF_ATTENTION = ("q", "k", "v", "scores", "pattern")


def discover(
    model: nn.Module, ids: Tensor, name: str, skipped: frozenset[str] = frozenset()
) -> Anatomy:
    """Read the anatomy of `model` off one forward pass on `ids` [1, pos].

    `skipped` are blocks that hand on what they are given: they are not part of the anatomy.

    Raises:
        LoadError: the model has no chain of blocks with attention that could be understood.
    """
    config = model.config.get_text_config()  # type: ignore[union-attr,operator]
    family = str(getattr(config, "model_type", type(model).__name__))
    if getattr(config, "is_encoder_decoder", False):
        raise LoadError(
            f"{name} is an encoder-decoder model ({family}); causal and masked models are supported"
        )
    trace = record(model, ids, skipped)
    found = _find_blocks(trace, name, family)
    _check_stream(found, name)
    reasons: dict[str, str] = {}
    blocks = tuple(
        _read_block(layer, block, kernel, trace, config, name)
        for layer, (block, kernel) in enumerate(found)
    )
    for layer, (_, kernel) in enumerate(found):
        for site in SITES_OF_ATTENTION:
            if site not in kernel.seen:
                reasons.setdefault(
                    site, f"layer {layer}'s attention code shows no {site} of the usual form"
                )
    head = read_head(model, found[-1][0], trace, config, reasons)
    attention = [block.attention for block in blocks]
    stream = found[0][0].input
    return Anatomy(
        family=family,
        n_layers=len(blocks),
        n_heads=max(part.n_heads for part in attention),
        n_kv_heads=max(part.n_kv_heads for part in attention),
        d_model=0 if stream is None else stream.shape[-1],
        d_head=max(part.d_head for part in attention),
        d_mlp=max(block.mlp.d_mlp for block in blocks),
        vocab_size=trace.logits.shape[-1],
        blocks=blocks,
        head=head,
        reasons=reasons,
    )


# ---------------------------------------------------------------- blocks


def _find_blocks(trace: Trace, name: str, family: str) -> list[tuple[Call, KernelCall]]:
    """The block around each attention call: the outermost list member that holds just that one."""
    calls = [kernel for kernel in trace.kernels if "pattern" in kernel.seen]
    if not calls:
        raise LoadError(
            f"{name} ({family}) makes no attention call of a known form, so its layers could not "
            "be told apart; models without softmax attention are not supported"
        )
    found = []
    for kernel in calls:
        holders = [
            call
            for call in kernel.call.ancestors()
            if call.name.rsplit(".", 1)[-1].isdigit()
            and sum(other.call.within(call) for other in calls) == 1
        ]
        if not holders:
            raise LoadError(
                f"{name} ({family}): the attention of {kernel.call.name} is not inside a list of "
                "blocks with one attention each, so its layers could not be told apart"
            )
        found.append((holders[-1], kernel))
    _refuse_hybrids(found, trace, name, family)
    return found


def _refuse_hybrids(
    found: list[tuple[Call, KernelCall]], trace: Trace, name: str, family: str
) -> None:
    with_attention = {block.name for block, _ in found}
    for parent in {block.rsplit(".", 1)[0] for block in with_attention}:
        for call in trace.calls:
            sibling = call.name.rpartition(".")
            if sibling[0] == parent and sibling[2].isdigit() and call.name not in with_attention:
                raise LoadError(
                    f"{name} ({family}): {call.name} has no attention of a known form while its "
                    "neighbours do; models that mix kinds of layers are not supported"
                )


def _check_stream(found: list[tuple[Call, KernelCall]], name: str) -> None:
    for layer, (block, _) in enumerate(found):
        if block.input is None or block.output is None or block.input.shape != block.output.shape:
            raise LoadError(
                f"{name}: what enters {block.name} (layer {layer}) and what leaves it have "
                "different shapes, so there is no residual stream to follow"
            )
    for layer, (before, after) in enumerate(pairwise(found)):
        if not same(before[0].output, after[0].input):
            raise LoadError(
                f"{name}: the residual stream changes between layers {layer} and {layer + 1}, "
                "outside both; that is not understood"
            )


def _read_block(
    layer: int, block: Call, kernel: KernelCall, trace: Trace, config: Any, name: str
) -> BlockAnatomy:
    inside = _called_once(call for call in trace.calls if call.within(block) and call is not block)
    if block.input is None:
        raise LoadError(f"{name}: layer {layer} takes no activation")
    width = block.input.shape[-1]
    output_map = _find_output_map(inside, kernel, width)
    if output_map is None:
        raise LoadError(
            f"{name}: no output map (W_O) was found after the attention of layer {layer}"
        )
    unit = discover_mlp.find_unit(inside, output_map, width)
    if unit is None:
        raise LoadError(f"{name}: no feed-forward was found after the attention of layer {layer}")
    arranged = arrange(block, inside, output_map, unit, config)
    if arranged is None:
        raise LoadError(
            f"{name}: what layer {layer} ({type(block.module).__name__}) adds to the residual "
            "stream is not its attention's and its feed-forward's output in any known order; "
            "it is refused because its numbers could be wrong"
        )
    return BlockAnatomy(
        layer,
        block.name,
        arranged.arrangement,
        _read_attention(inside, kernel, output_map, arranged, trace.own_code),
        discover_mlp.read(inside, unit, output_map, arranged.mlp, arranged.multiplier),
        arranged.resid_mid,
        arranged.stream_norms,
        block.n_outputs,
    )


def _called_once(calls: Iterator[Call]) -> list[Call]:
    """Without modules that one block calls twice (Phi's dropout): a hook could not tell which."""
    listed = list(calls)
    count = Counter(call.name for call in listed)
    return [call for call in listed if count[call.name] == 1]


def _find_output_map(inside: list[Call], kernel: KernelCall, width: int) -> Call | None:
    if "q" not in kernel.seen:
        return None
    value = kernel.seen.get("v", kernel.seen["q"])
    mixed = kernel.seen["q"].shape[0] * value.shape[-1]
    for call in inside:
        if call.start > kernel.time and is_map(call.module) and call.output is not None:
            reads = call.input is not None and call.input.shape[-1] == mixed
            if reads and call.output.shape[-1] == width:
                return call
    return None


def _read_attention(
    inside: list[Call],
    kernel: KernelCall,
    output_map: Call,
    arranged: Arranged,
    own_code: bool,
) -> AttentionAnatomy:
    before = [call for call in inside if is_map(call.module) and call.end < kernel.time]
    maps = tuple(call.name for call in before if same(call.input, before[0].input))
    query, key = kernel.seen["q"], kernel.seen.get("k", kernel.seen["q"])
    return AttentionAnatomy(
        core=kernel.call.name,
        own_code=own_code,
        maps=maps,
        output_map=output_map.name,
        n_heads=query.shape[0],
        n_kv_heads=key.shape[0],
        d_head=kernel.seen.get("v", query).shape[-1],
        added=Tap(arranged.attention.name, "output", arranged.multiplier),
        post_norm=post_norm(arranged.attention, output_map.output),
    )
