"""The part of a norm that is the same in every run: its weight, and whether it centres.

    norm(y) = weight ∘ (y - c·mean(y)) / scale(y) + bias        c = 1 for LayerNorm, 0 for RMSNorm

Which norm it is is found by asking the module: Gemma keeps weight - 1, others the weight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unembed.analyses.tools.frozen import AGREEMENT, STRICT, freeze
from unembed.engine.loaded import Loaded
from unembed.errors import CapabilityError
from unembed.models.maps import device_of, stored

if TYPE_CHECKING:
    from jaxtyping import Float


LARGE = 4096.0  # beside an input of this size the norm's epsilon is nothing, in float16 as well


@dataclass(frozen=True)
class StaticNorm:
    """A norm without its scale and bias: a linear map."""

    weight: Float[Tensor, " d"]
    centres: bool

    def carry(self, vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """What becomes of each vector, up to one positive number for each run."""
        return self._centred(vectors) * self.weight

    def transposed(self, rows: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """`transposed(a) @ b` is `a @ carry(b)`."""
        return self._centred(rows * self.weight)

    def _centred(self, vectors: Tensor) -> Tensor:
        return vectors - vectors.mean(-1, keepdim=True) if self.centres else vectors


@torch.no_grad()
def static_norm(
    model: Loaded, norm: Callable[[Tensor], Tensor], width: int | None = None
) -> StaticNorm:
    """Weight and form of a norm of `width` numbers (None: of as many as the stream has).

    Raises CapabilityError if the module is no norm of known form.
    """
    probe = _probe(model, norm, width)
    with model.evaluating():
        frozen = freeze(norm, probe)
    probe = probe.to(frozen.gain.dtype)
    moved = probe - probe.mean(-1, keepdim=True) if frozen.centres else probe
    measured = frozen.gain[0] * moved.pow(2).mean().sqrt()
    # The module's own numbers where it has them: what was measured is rounded.
    limit = AGREEMENT.get(model.dtype, STRICT) * measured.abs().max()
    for candidate in _candidates(norm, measured):
        if bool(((candidate - measured).abs() <= limit).all()):
            return StaticNorm(candidate, frozen.centres)
    return StaticNorm(measured, frozen.centres)


def _candidates(norm: Callable[[Tensor], Tensor], like: Tensor) -> Iterator[Tensor]:
    own = stored(norm, "weight") if isinstance(norm, nn.Module) else None
    if own is None:
        yield torch.ones_like(like)
    elif own.shape == like.shape:
        weight = own.detach().to(device=like.device, dtype=like.dtype)
        yield from (weight, 1 + weight)


def _probe(
    model: Loaded, norm: Callable[[Tensor], Tensor], width: int | None
) -> Float[Tensor, "1 d"]:
    """An input with no small entry and no pattern, the same in every call."""
    width, device = width or model.anatomy.d_model, model.device
    if isinstance(norm, nn.Module):
        weight = getattr(norm, "weight", None)
        if isinstance(weight, Tensor):
            width, device = weight.shape[-1], device_of(norm)
    angles = torch.arange(width, dtype=torch.float64) * 2.399963  # the golden angle
    signs = torch.where(angles.cos() >= 0, 1.0, -1.0)
    probe = LARGE * signs * (1 + angles.sin().abs())
    return probe[None].to(device=device, dtype=model.dtype)


def input_norm(
    model: Loaded, block: nn.Module, given: Tensor, received: Tensor
) -> StaticNorm | None:
    """The norm of a block that turns `given` into `received`; None where they are the same.

    Raises CapabilityError where none of its modules does.
    """
    if _same(given, received):
        return None
    for module in block.modules():
        if any(True for _ in module.children()):
            continue
        with model.evaluating():
            output = _attempt(module, given)
        if output is not None and _same(output, received):
            return static_norm(model, module)
    raise CapabilityError(
        f"what {model.name} does to the residual stream before its feed-forward is no norm",
        field="target",
    )


def _attempt(module: nn.Module, states: Tensor) -> Tensor | None:
    """What a module makes of states [pos, d]; None where it takes something else."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, Tensor) or weight.shape != states.shape[-1:]:
        return None
    output = module(states[None])
    return output[0] if isinstance(output, Tensor) else None


def _same(found: Tensor, wanted: Tensor) -> bool:
    if found.shape != wanted.shape:
        return False
    limit = AGREEMENT.get(wanted.dtype, STRICT) * float(wanted.abs().max())
    return bool(((found - wanted).abs() <= limit).all())
