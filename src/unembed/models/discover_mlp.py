"""Finding a block's feed-forward: its maps, its activation function, or that it is experts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn

from unembed.models.activations import recognised
from unembed.models.anatomy import MlpAnatomy, Tap
from unembed.models.arrange import Added, Unit
from unembed.models.equations import (
    combination,
    inner_norm,
    numbers_of,
    post_norm,
    result,
    same,
)
from unembed.models.maps import is_map
from unembed.models.trace import Call

PASSES_THROUGH = (nn.Dropout, nn.Identity)


def find_units(inside: list[Call], after: int, width: int) -> list[Unit]:
    """What could be the feed-forward behind the token mixer, which ended at `after`.

    The likeliest comes first: experts, or what ends in the last map back to the stream's width.
    """
    later = [call for call in inside if call.start > after]
    experts = next((call for call in later if _holds_experts(call.module)), None)
    if experts is not None:
        return [Unit(experts.start, experts.end, None, experts)]
    maps = [call for call in later if is_map(call.module) and call.output is not None]
    outputs = [call for call in maps if call.output is not None and call.output.shape[-1] == width]
    return [Unit(maps[0].start, output.end, output, None) for output in reversed(outputs)]


def _holds_experts(module: nn.Module) -> bool:
    if any(weight.dim() >= 3 and len(weight) > 1 for weight in module.parameters()):
        return True
    return names_experts(module)


def names_experts(module: nn.Module) -> bool:
    """Whether a module in it is called after experts."""
    return any("expert" in name for name, _ in module.named_modules())


def read(inside: list[Call], unit: Unit, after: int, added: Added) -> MlpAnatomy:
    """The anatomy of `unit`; what is not understood of its inside is its `reason`."""
    if unit.experts is not None:
        shared = [added.call, *added.also] if added.also else []
        readers = [unit.experts, *(call for call in shared if not unit.experts.within(call))]
        return MlpAnatomy(
            kind="experts",
            inputs=tuple(Tap(call.name, "input") for call in readers),
            added=added.tap,
            reason="its feed-forward is a mixture of experts, which has no single neurons",
        )
    output_map = unit.output_map
    if output_map is None or output_map.input is None:
        raise AssertionError("a unit has an output map or experts")
    d_mlp = output_map.input.shape[-1]
    between = [
        call for call in inside if after < call.start < output_map.start and call.output is not None
    ]
    maps = [call for call in between if is_map(call.module)]
    maps = [call for call in maps if same(call.input, maps[0].input)]
    # A norm before the maps is as wide as they are where d_mlp is d_model.
    inner = [call for call in between if maps and call.start > maps[0].end]
    act = next((call for call in inner if _is_activation(call, d_mlp)), None)
    within = None if act is None else inner_norm((c for c in inner if c is not act), output_map)
    post = output_map.input if within is None or within.input is None else within.input
    found = _inner_maps(maps, act, post)
    added = _unscaled(added, output_map)
    norm = post_norm(added.call, output_map.output)
    if norm is None and not same(added.call.output, output_map.output):
        kind = type(added.call.module).__name__
        words = f"what {kind} does between its maps and what it adds is not understood"
        inputs = tuple(Tap(call.name, "input") for call in maps)
        return MlpAnatomy("plain", inputs, added.tap, reason=words)
    return MlpAnatomy(
        kind=found.kind,
        inputs=tuple(Tap(call.name, "input") for call in maps),
        added=added.tap,
        d_mlp=d_mlp,
        output_map=output_map.name,
        activation=None if act is None else act.name,
        function=found.function,
        pre=found.pre,
        gate=found.gate,
        post_norm=norm,
        inner_norm=None if within is None else within.name,
        reason=found.reason,
    )


def _unscaled(added: Added, output_map: Call) -> Added:
    """What is added as the output map's own result times a number, where it is that."""
    written, joined = output_map.output, added.call.output
    if added.also or written is None or joined is None or same(joined, written):
        return added
    factors = combination(joined, [written], numbers_of(added.call.module))
    return added if factors is None else Added(output_map, added.multiplier * factors[0])


def _is_activation(call: Call, d_mlp: int) -> bool:
    if call.children or is_map(call.module) or isinstance(call.module, PASSES_THROUGH):
        return False
    return call.output is not None and call.output.shape[-1] == d_mlp


@dataclass(frozen=True)
class _Inner:
    """Where mlp_pre and mlp_gate are, or the reason why that is not known."""

    kind: Literal["plain", "gated"] = "plain"
    pre: Tap | None = None
    gate: Tap | None = None
    function: str | None = None
    reason: str | None = None


def _inner_maps(maps: list[Call], act: Call | None, post: Tensor) -> _Inner:
    """An equation for `post`: act(pre), or act(gate) * pre."""
    if act is None or act.output is None:
        return _functional(maps, post) or _Inner(
            reason="its activation function is not a module that can be watched"
        )
    known = numbers_of(act.parent.module) if act.parent is not None else ()
    for own, other in _ways(maps, post):
        if other is None and same(own.value, act.input) and same(act.output, post):
            return _Inner(pre=Tap(act.name, "input"))
        if other is None or not same(act.output * other.value, post):
            continue
        if same(own.value, act.input):
            return _Inner("gated", other.tap, Tap(act.name, "input"))
        factors = None if act.input is None else combination(act.input, [own.value], known)
        if factors is not None:  # the gate is scaled on its way to the activation function
            return _Inner("gated", other.tap, replace(own.tap, scale=factors[0]))
    return _Inner(reason="what its maps and activation function compute is not understood")


def _functional(maps: list[Call], post: Tensor) -> _Inner | None:
    """The same where the activation function is no module: it is recognised by its values."""
    for own, other in _ways(maps, post):
        function = recognised(own.value, None if other is None else other.value, post)
        if function is not None and other is None:
            return _Inner(pre=own.tap, function=function)
        if function is not None and other is not None:
            return _Inner("gated", other.tap, own.tap, function)
    return None


@dataclass(frozen=True)
class _Read:
    """What a map, or half of a map that is two in one, gave."""

    value: Tensor
    tap: Tap


def _ways(maps: list[Call], post: Tensor) -> Iterator[tuple[_Read, _Read | None]]:
    """What could go through the activation function, and what would be multiplied with that."""
    width = post.shape[-1]
    outputs = [call for call in maps if call.output is not None]
    reads = [_Read(result(call), Tap(call.name, "output")) for call in outputs]
    if len(reads) == 1 and reads[0].value.shape[-1] == 2 * width:
        parts = reads[0].value.chunk(2, dim=-1)
        reads = [_Read(parts[half], replace(reads[0].tap, half=half)) for half in (0, 1)]
    if len(reads) == 1:
        yield reads[0], None
    elif len(reads) == 2:
        yield reads[0], reads[1]
        yield reads[1], reads[0]
