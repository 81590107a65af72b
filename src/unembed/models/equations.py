"""Equations between tensors that were seen, up to the rounding of their type."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor, nn

from unembed.models.trace import Call

LARGE = 64.0
SNAPPED = {torch.float64: 1e-7, torch.float32: 1e-4}
"""How far, relatively, a factor that was solved for may be from the number that it is."""
ROUNDINGS = 3  # in half precision, of a sum of a few parts with factors of their own
NEGLIGIBLE = 1e-6  # a factor this small says that a part is no part of a sum


def same(left: Tensor | None, right: Tensor | None) -> bool:
    """Equal up to the rounding of their type."""
    if left is None or right is None or left.shape != right.shape:
        return False
    tolerance = {torch.float64: 1e-10, torch.float32: 2e-5}.get(left.dtype, 2e-2)
    size = float(right.abs().max())
    return bool((left - right).abs().max() <= tolerance * max(size, 1e-30))


def adds_up(total: Tensor | None, parts: Sequence[Tensor]) -> bool:
    """Whether a tensor is the sum of others, up to rounding.

    Of half precision entry by entry, beside the size of the parts there: next to the largest entry
    of all a whole part could be missing.
    """
    if total is None or any(part.shape != total.shape for part in parts):
        return False
    if not is_half(total):
        return same(sum(parts[1:], parts[0]), total)
    wide = [part.float() for part in parts]
    error = (sum(wide[1:], wide[0]) - total.float()).abs()
    size = sum((part.abs() for part in wide), torch.zeros_like(error))
    return bool((error <= ROUNDINGS * torch.finfo(total.dtype).eps * size).all())


def is_half(value: Tensor) -> bool:
    """Whether it has so few digits that a small part of a sum is lost in its rounding."""
    return value.dtype in (torch.bfloat16, torch.float16)


def distance(total: Tensor, parts: Sequence[Tensor], factors: Sequence[float]) -> float:
    """How far, root mean square, a sum is from a tensor."""
    wide = (factor * part.float() for factor, part in zip(factors, parts, strict=True))
    error = sum(wide, -total.float())
    return float(torch.as_tensor(error).square().mean().sqrt())


def result(call: Call) -> Tensor:
    """The activation that a call returned; only for calls chosen because they return one."""
    if call.output is None:
        raise LookupError(f"{call.name} returns no activation")
    return call.output


def is_norm(call: Call) -> bool:
    """Whether a call of one module only scales what it is given, each row to the same size.

    Twice as much of a large input must come out the same; of an activation function it does not.
    """
    given, output = call.input, call.output
    if given is None or output is None or given.shape != output.shape or call.children:
        return False
    if len(call.inputs) != 1 or any(weight.dim() > 1 for weight in call.module.parameters()):
        return False
    large = given * (LARGE / given.abs().max().clamp_min(1e-30))  # its epsilon is nothing beside it
    with torch.no_grad():
        once, twice = call.module(large), call.module(2 * large)
    if not isinstance(once, Tensor) or not isinstance(twice, Tensor):
        return False  # I-BERT's modules return their scale, too
    return bool((once - twice).abs().max() <= 1e-2 * once.abs().max())


def inner_norm(calls: Iterable[Call], output_map: Call) -> Call | None:
    """The norm whose result an output map reads, if it reads one."""
    return next(
        (
            call
            for call in calls
            if call.end < output_map.start
            and same(call.output, output_map.input)
            and not same(call.input, call.output)
            and is_norm(call)
        ),
        None,
    )


def post_norm(added: Call, written: Tensor | None) -> str | None:
    """The module between an output map and the stream, if what is added is not the map's output."""
    if same(added.output, written):
        return None
    return added.name if same(added.input, written) else None


def combination(
    total: Tensor, parts: Sequence[Tensor], known: Collection[float] = ()
) -> tuple[float, ...] | None:
    """The factors with which the parts sum to a tensor; None where they do not, or one is zero.

    They are solved for. One that is close to a `known` number, or to 1, is taken to be it, so that
    it is exact whatever the precision of the tensors.
    """
    if any(part.shape != total.shape for part in parts):
        return None
    columns = torch.stack([part.flatten().double() for part in parts], dim=1)
    solved = torch.linalg.lstsq(columns, total.flatten().double()[:, None]).solution[:, 0].tolist()
    if not all(math.isfinite(one) and abs(one) > NEGLIGIBLE for one in solved):
        return None
    within = SNAPPED.get(total.dtype, 2e-2)
    noise = 3 * distance(total, parts, solved) / total.numel() ** 0.5  # three standard errors
    snapped = [
        _nearest(one, known, max(within * abs(one), noise / max(_size(part), 1e-30)))
        for one, part in zip(solved, parts, strict=True)
    ]
    for factors in (snapped, solved):
        if adds_up(total, [factor * one for factor, one in zip(factors, parts, strict=True)]):
            return tuple(factors)
    return None


def _size(part: Tensor) -> float:
    return float(part.float().square().mean().sqrt())


def _nearest(value: float, known: Collection[float], within: float) -> float:
    nearest = min((1.0, *known), key=lambda one: abs(one - value))
    return nearest if abs(nearest - value) <= within else value


def numbers_of_config(config: object) -> frozenset[float]:
    """Plain numbers that a config states."""
    return frozenset(value for value in vars(config).values() if isinstance(value, float) and value)


def numbers_of(module: nn.Module) -> frozenset[float]:
    """Plain numbers that a module and those in it hold: what it could multiply with."""
    found: set[float] = set()
    for each in module.modules():
        held = [value for key, value in vars(each).items() if not key.startswith("_")]
        held += [one.item() for one in each.buffers(recurse=False) if one.numel() == 1]
        held += [one.item() for one in each.parameters(recurse=False) if one.numel() == 1]
        found |= {float(value) for value in held if isinstance(value, float) and value}
    return frozenset(found)
