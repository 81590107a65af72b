"""Finding a block's feed-forward: its maps, its activation function, or that it is experts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from unembed.models.anatomy import MlpAnatomy, Tap
from unembed.models.equations import inner_norm, post_norm, same
from unembed.models.maps import is_map
from unembed.models.trace import Call

PASSES_THROUGH = (nn.Dropout, nn.Identity)


@dataclass(frozen=True)
class Unit:
    """The feed-forward of a block: one output map, or one module that holds experts."""

    start: int
    end: int
    output_map: Call | None
    experts: Call | None


def find_unit(inside: list[Call], after: int, width: int) -> Unit | None:
    """The feed-forward that runs after the token mixer, which ended at `after`."""
    later = [call for call in inside if call.start > after]
    experts = next((call for call in later if _holds_experts(call.module)), None)
    if experts is not None:
        return Unit(experts.start, experts.end, None, experts)
    maps = [call for call in later if is_map(call.module) and call.output is not None]
    outputs = [call for call in maps if call.output is not None and call.output.shape[-1] == width]
    if not outputs:
        return None
    return Unit(maps[0].start, outputs[-1].end, outputs[-1], None)


def _holds_experts(module: nn.Module) -> bool:
    if any(parameter.dim() >= 3 for parameter in module.parameters()):
        return True
    return names_experts(module)


def names_experts(module: nn.Module) -> bool:
    """Whether a module in it is called after experts."""
    return any("expert" in name for name, _ in module.named_modules())


def read(inside: list[Call], unit: Unit, after: int, added: Call, multiplier: float) -> MlpAnatomy:
    """The anatomy of `unit`; what is not understood of its inside is its `reason`."""
    tap = Tap(added.name, "output", multiplier)
    if unit.experts is not None:
        return MlpAnatomy(
            kind="experts",
            inputs=(Tap(unit.experts.name, "input"),),
            added=tap,
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
    norm = None if act is None else inner_norm((one for one in inner if one is not act), output_map)
    post = output_map.input if norm is None or norm.input is None else norm.input
    kind, pre, gate, reason = _inner_maps(maps, act, post)
    return MlpAnatomy(
        kind=kind,
        inputs=tuple(Tap(call.name, "input") for call in maps),
        added=tap,
        d_mlp=d_mlp,
        output_map=output_map.name,
        activation=None if act is None else act.name,
        pre=pre,
        gate=gate,
        post_norm=post_norm(added, output_map.output),
        inner_norm=None if norm is None else norm.name,
        reason=reason,
    )


def _is_activation(call: Call, d_mlp: int) -> bool:
    if call.children or is_map(call.module) or isinstance(call.module, PASSES_THROUGH):
        return False
    return call.output is not None and call.output.shape[-1] == d_mlp


def _inner_maps(
    maps: list[Call], act: Call | None, post: Tensor
) -> tuple[Literal["plain", "gated"], Tap | None, Tap | None, str | None]:
    """(kind, tap of mlp_pre, tap of mlp_gate, reason why not): an equation for `post` each."""
    outputs = [call.output for call in maps if call.output is not None]
    if act is None or act.output is None:
        return "plain", None, None, "its activation function is not a module that can be watched"
    argument = Tap(act.name, "input")
    if len(outputs) == 1 and same(outputs[0], act.input):
        if same(act.output, post):
            return "plain", argument, None, None
    elif len(outputs) == 1 and outputs[0].shape[-1] == 2 * post.shape[-1]:
        halves = outputs[0].chunk(2, dim=-1)
        for half in (0, 1):
            gated = same(halves[half], act.input)
            if gated and same(act.output * halves[1 - half], post):
                return "gated", Tap(maps[0].name, "output", half=1 - half), argument, None
    elif len(outputs) == 2:
        for first in (0, 1):
            gated = same(outputs[first], act.input)
            if gated and same(act.output * outputs[1 - first], post):
                return "gated", Tap(maps[1 - first].name, "output"), argument, None
    return "plain", None, None, "what its maps and activation function compute is not understood"
