"""Finding the anatomy of a model by its structure.

One short forward pass is written down (`trace`) and read: which module made the attention call,
what joined the residual stream, what the last residual went through. Every finding is an equation
between tensors that were seen, so no family needs a table; where no equation holds, the anatomy
carries the reason instead of a guess. `engine.selfcheck` then proves the result on other input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unembed.errors import LoadError
from unembed.models import discover_mlp
from unembed.models.anatomy import (
    Anatomy,
    Arrangement,
    AttentionAnatomy,
    BlockAnatomy,
    HeadAnatomy,
    Tap,
)
from unembed.models.maps import is_map
from unembed.models.trace import Call, KernelCall, Trace, record

SITES_OF_ATTENTION = ("q", "k", "v", "scores", "pattern")


def discover(model: nn.Module, ids: Tensor, name: str) -> Anatomy:
    """Read the anatomy of `model` off one forward pass on `ids` [1, pos].

    Raises:
        LoadError: the model has no chain of blocks with attention that could be understood.
    """
    config = model.config.get_text_config()  # type: ignore[union-attr,operator]
    family = str(getattr(config, "model_type", type(model).__name__))
    if getattr(config, "is_encoder_decoder", False):
        raise LoadError(
            f"{name} is an encoder-decoder model ({family}); causal and masked models are supported"
        )
    trace = record(model, ids)
    found = _find_blocks(model, trace, name, family)
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
    head = _read_head(model, found[-1][0], trace, config, reasons)
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


def _find_blocks(
    model: nn.Module, trace: Trace, name: str, family: str
) -> list[tuple[Call, KernelCall]]:
    """The block around each attention call: the outermost list member that holds just that one."""
    if not trace.kernels:
        raise LoadError(
            f"{name} ({family}) makes no attention call of a known form, so its layers could not "
            "be told apart; models without softmax attention are not supported"
        )
    found = []
    for kernel in trace.kernels:
        holders = [
            call
            for call in kernel.call.ancestors()
            if call.name.rsplit(".", 1)[-1].isdigit()
            and sum(other.call.within(call) for other in trace.kernels) == 1
        ]
        if not holders:
            raise LoadError(
                f"{name} ({family}): the attention of {kernel.call.name} is not inside a list of "
                "blocks with one attention each, so its layers could not be told apart"
            )
        found.append((holders[-1], kernel))
    _refuse_hybrids(model, found, trace, name, family)
    return found


def _refuse_hybrids(
    model: nn.Module, found: list[tuple[Call, KernelCall]], trace: Trace, name: str, family: str
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
    for layer, (before, after) in enumerate(zip(found, found[1:], strict=False)):
        if not same(before[0].output, after[0].input):
            raise LoadError(
                f"{name}: the residual stream changes between layers {layer} and {layer + 1}, "
                "outside both; that is not understood"
            )


def same(left: Tensor | None, right: Tensor | None) -> bool:
    """Equal up to the rounding of their type."""
    if left is None or right is None or left.shape != right.shape:
        return False
    tolerance = {torch.float64: 1e-10, torch.float32: 2e-5}.get(left.dtype, 2e-2)
    size = float(right.abs().max())
    return bool((left - right).abs().max() <= tolerance * max(size, 1e-30))


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
    arranged = _arrange(block, inside, output_map, unit, config)
    if arranged is None:
        raise LoadError(
            f"{name}: what layer {layer} ({type(block.module).__name__}) adds to the residual "
            "stream is not its attention's and its feed-forward's output in any known order; "
            "it is refused because its numbers could be wrong"
        )
    arrangement, multiplier, attention_call, mlp_call, resid_mid, norms = arranged
    attention = _read_attention(
        inside, kernel, output_map, attention_call, multiplier, trace.own_code
    )
    mlp = discover_mlp.read(inside, unit, output_map, mlp_call, multiplier)
    return BlockAnatomy(
        layer, block.name, arrangement, attention, mlp, resid_mid, norms, block.n_outputs
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
    added: Call,
    multiplier: float,
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
        added=Tap(added.name, "output", multiplier),
        post_norm=post_norm(added, output_map.output),
    )


def post_norm(added: Call, written: Tensor | None) -> str | None:
    """The module between an output map and the stream, if what is added is not the map's output."""
    if same(added.output, written):
        return None
    return added.name if same(added.input, written) else None


# ---------------------------------------------------------------- how the branches join the stream

_Arranged = tuple[Arrangement, float, Call, Call, Tap | None, tuple[str, str] | None]


def _arrange(
    block: Call, inside: list[Call], output_map: Call, unit: discover_mlp.Unit, config: Any
) -> _Arranged | None:
    """Which equation joins attention and feed-forward to the stream."""
    attention = _outputs(inside, block, output_map.end, unit.start)
    mlp = _outputs(inside, block, unit.end, None)
    for multiplier in _multipliers(config):
        for hypothesis in (_sequential, _post_norm, _parallel):
            found = hypothesis(block, inside, attention, mlp, multiplier)
            if found is not None:
                return found
    return None


def _multipliers(config: Any) -> Iterator[float]:
    yield 1.0
    value = getattr(config, "residual_multiplier", None)
    if isinstance(value, int | float) and value != 1.0:
        yield float(value)


def _outputs(inside: list[Call], block: Call, after: int, before: int | None) -> list[Call]:
    """Calls whose result could be what joins the stream, latest first."""
    calls = [
        call
        for call in inside
        if call.end >= after
        and (before is None or call.end < before)
        and call.output is not None
        and block.input is not None
        and call.output.shape == block.input.shape
    ]
    return sorted(calls, key=lambda call: -call.end)


def _sequential(
    block: Call, inside: list[Call], attention: list[Call], mlp: list[Call], scale: float
) -> _Arranged | None:
    for first in attention:
        middle = block.input + scale * first.output  # type: ignore[operator]
        reader = next(
            (call for call in inside if call.start > first.end and same(call.input, middle)), None
        )
        if reader is None:
            continue
        for second in mlp:
            if same(middle + scale * second.output, block.output):  # type: ignore[operator]
                tap = Tap(reader.name, "input", in_place=True)
                return "sequential", scale, first, second, tap, None
    return None


def _post_norm(
    block: Call, inside: list[Call], attention: list[Call], mlp: list[Call], scale: float
) -> _Arranged | None:
    for first in attention:
        norm = _norm_of(inside, block.input + scale * first.output, first)  # type: ignore[operator]
        if norm is None or norm.output is None:
            continue
        for second in mlp:
            last = _norm_of(inside, norm.output + scale * second.output, second)  # type: ignore[operator]
            if last is not None and same(last.output, block.output):
                tap = Tap(norm.name, "output")
                return "post_norm", scale, first, second, tap, (norm.name, last.name)
    return None


def _norm_of(inside: list[Call], total: Tensor, after: Call) -> Call | None:
    return next(
        (call for call in inside if call.start > after.start and same(call.input, total)), None
    )


def _parallel(
    block: Call, inside: list[Call], attention: list[Call], mlp: list[Call], scale: float
) -> _Arranged | None:
    for first in attention:
        for second in mlp:
            total = block.input + scale * first.output + scale * second.output  # type: ignore[operator]
            if first is not second and same(total, block.output):
                return "parallel", scale, first, second, None, None
    return None


# ---------------------------------------------------------------- from the last residual to logits


def _read_head(
    model: nn.Module, last: Call, trace: Trace, config: Any, reasons: dict[str, str]
) -> HeadAnatomy | None:
    unembedding = model.get_output_embeddings()  # type: ignore[operator]
    call = next((c for c in reversed(trace.calls) if c.module is unembedding), None)
    if call is None or not is_map(call.module) or call.output is None:
        reasons["lens"] = "the model has no unembedding that is one linear map"
        return None
    chain, container = _read_chain(last, call, trace)
    if chain is None:
        reasons["lens"] = (
            "what lies between the last block and the unembedding is not a chain of modules"
        )
        return None
    for multiplier, divisor, softcap in _logit_forms(config):
        logits = call.output * multiplier / divisor
        if softcap is not None:
            logits = torch.tanh(logits / softcap) * softcap
        if same(logits.to(trace.logits.dtype), trace.logits):
            return HeadAnatomy(chain, call.name, container, multiplier, divisor, softcap)
    reasons["lens"] = "the logits are not the unembedding's output times a known factor or soft cap"
    return None


def _read_chain(
    last: Call, unembedding: Call, trace: Trace
) -> tuple[tuple[str, ...] | None, str | None]:
    current, chain, done = last.output, [], last.end
    for call in trace.calls:
        if call.start < done or not same(call.input, current):
            continue
        if call is unembedding:
            return tuple(chain), None
        if unembedding.within(call):
            return tuple(chain), call.name
        if call.output is not None:
            chain.append(call.name)
            current, done = call.output, call.end
    return None, None


def _logit_forms(config: Any) -> Iterator[tuple[float, float, float | None]]:
    multiplier = float(getattr(config, "logit_scale", None) or 1.0)
    divisor = float(getattr(config, "logits_scaling", None) or 1.0)
    softcap = getattr(config, "final_logit_softcapping", None)
    yield 1.0, 1.0, None
    yield multiplier, divisor, None
    if softcap:
        yield multiplier, divisor, float(softcap)
        yield 1.0, 1.0, float(softcap)
