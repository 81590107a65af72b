"""LoRA beside a map, as peft puts it there: what the map computes with it, and what tells it apart.

Known by its parts, not by its package: a `base_layer`, and for each adapter in force a low-rank
change of its weight, which the layer itself states (`get_delta_weight`). Anything else that stands
in a map's place is no map.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

_PARTS = ("base_layer", "lora_A", "lora_B", "scaling", "active_adapters", "disable_adapters")


def is_adapted(module: nn.Module) -> bool:
    """Whether the module is a map with LoRA beside it that is a change of its weight alone.

    Not DoRA and its like, which change the weight's size too, nor LoRA with a bias of its own.
    """
    if not all(hasattr(module, name) for name in (*_PARTS, "get_delta_weight")):
        return False
    layer: Any = module
    plain = not getattr(layer, "lora_variant", None)
    return plain and all(one.bias is None for one in _maps(layer) if hasattr(one, "bias"))


def _maps(layer: Any) -> Iterator[Any]:
    for maps in (layer.lora_A, layer.lora_B):
        yield from maps.values()


def changes(module: nn.Module) -> list[Tensor]:
    """What each adapter in force adds to the weight of the base layer, in its orientation."""
    layer: Any = module
    if layer.disable_adapters or layer.merged:
        return []
    return [layer.get_delta_weight(name) for name in layer.active_adapters if name in layer.lora_A]


def inside_adapted(module: nn.Module) -> frozenset[nn.Module]:
    """The modules within adapted maps, which are parts of one matrix."""
    adapted = [one for one in module.modules() if is_adapted(one)]
    return frozenset(part for one in adapted for part in one.modules() if part is not one)


def in_force(module: nn.Module) -> list[tuple[Any, ...]]:
    """Which adapters are in force, and how strongly: no weight shows that."""
    return [
        (name, bool(layer.disable_adapters), bool(layer.merged), _strengths(layer))
        for name, layer in module.named_modules()
        if _may_be_adapted(layer) and is_adapted(layer)
    ]


def _may_be_adapted(module: nn.Module) -> bool:
    """Without `hasattr`, which is slow for what a module does not have: every pass asks each."""
    return "lora_A" in module._modules or "lora_A" in module.__dict__


def _strengths(layer: Any) -> tuple[tuple[str, float], ...]:
    return tuple((str(one), float(layer.scaling.get(one, 0))) for one in layer.active_adapters)
