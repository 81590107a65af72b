"""A norm with its scale frozen at what one forward pass had: then it is linear, and parts of its
input can be carried through it one by one.

    norm(y) = gain ∘ (y - c·mean(y)) + bias        gain = weight / scale(y), c = 1 for LayerNorm

Which norm it is is found by asking the module, not by its name. Knows no model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from unembed.errors import CapabilityError
from unembed.models.maps import stored

if TYPE_CHECKING:
    from jaxtyping import Float

Norm = Callable[[Tensor], Tensor]

NEGLIGIBLE = 1e-3  # entries this small beside the others say too little about the gain
AGREEMENT = {torch.bfloat16: 5e-2, torch.float16: 5e-3}
STRICT = 1e-3


@dataclass(frozen=True)
class FrozenNorm:
    """What a norm did to each of some rows, as a linear map."""

    gain: Float[Tensor, "pos d"]
    bias: Float[Tensor, " d"]
    centres: bool

    def carry(self, parts: Float[Tensor, "pos *parts d"]) -> Float[Tensor, "pos *parts d"]:
        """What each part of the norm's input contributes to its output, the bias left out."""
        gain = self.gain.reshape(len(self.gain), *[1] * (parts.dim() - 2), -1)
        return gain * _centred(parts, self.centres)

    def back(self, rows: Float[Tensor, "*rows pos d"]) -> Float[Tensor, "*rows pos d"]:
        """The transpose: `back(rows) · part` is `rows · carry(part)`, at every position."""
        return _centred(self.gain * accurate(rows), self.centres)


@torch.no_grad()
def freeze(norm: Norm, states: Float[Tensor, "pos d"]) -> FrozenNorm:
    """The norm at these inputs. Raises CapabilityError if the module is no norm of known form."""
    given = stored(norm, "bias") if isinstance(norm, nn.Module) else None
    bias = states.new_zeros(states.shape[-1]) if given is None else given.detach()
    output = _apply(norm, states)
    if output.shape != states.shape:
        raise _no_norm(type(norm).__name__)
    probe = probes(states)
    found = [_apply(norm, one[None])[0] for one in probe[1:]]
    return frozen_as(states, output, torch.stack([bias.to(output), *found]), type(norm).__name__)


def probes(states: Float[Tensor, "pos d"]) -> Float[Tensor, "3 d"]:
    """What a norm must be asked for besides these states, for `frozen_as`: zeros, which its bias is
    made of, and two inputs that are apart by a shift."""
    probe = _probe(states)
    return torch.cat([torch.zeros_like(probe), probe, probe + 0.5])


def frozen_as(
    states: Float[Tensor, "pos d"],
    output: Float[Tensor, "pos d"],
    probed: Float[Tensor, "3 d"],
    name: str,
) -> FrozenNorm:
    """The norm that makes `output` of states, and `probed` of what `probes` gives.

    Raises CapabilityError, with the name, if it is no norm of known form.
    """
    output, probed = accurate(output), accurate(probed)
    bias, still, moved = probed
    # not 0: a centring norm moves by its rounding, which in half precision is not small
    centres = bool((moved - still).abs().max() < 0.02 * still.abs().max())
    weight = (still - bias) / _centred(_probe(states), centres)  # times a number
    gain, expected = _gain(_centred(states, centres), output - bias, weight)
    limit = AGREEMENT.get(states.dtype, STRICT) * expected.abs().amax(-1, keepdim=True)
    if not bool(((gain - expected).abs() <= limit).all()):
        raise _no_norm(name)
    return FrozenNorm(gain, bias, centres)


def _gain(given: Tensor, output: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Output over input, entry by entry, and the multiple of the weight that it should be.

    Measured, the parts sum to the output to the last bit or so, also where the module rounds to
    float32 inside. Entries of the input near zero measure nothing; there the gain is as expected.
    """
    telling = given.abs() > NEGLIGIBLE * given.abs().amax(-1, keepdim=True)
    measured = torch.where(telling, output / torch.where(telling, given, 1.0), 0.0)
    square = torch.where(telling, weight * weight, 0.0).sum(-1, keepdim=True)
    scale = (measured * weight).sum(-1, keepdim=True) / square.clamp_min(1e-30)
    expected = scale * weight
    return torch.where(telling, measured, expected), expected


def _no_norm(name: str) -> CapabilityError:
    return CapabilityError(
        f"{name} is not a norm whose scale can be frozen: its output is not a "
        "weight times its input over one number",
        field="target",
    )


def _probe(states: Tensor) -> Float[Tensor, "1 d"]:
    """An input with no small entry, the same in every call, and not centred."""
    d = states.shape[-1]
    angles = torch.arange(d, dtype=torch.float64) * 2.399963  # the golden angle: no pattern
    signs = torch.where(angles.sin() >= 0, 1.0, -1.0)
    return (signs * (1 + angles.cos().abs()) + 0.05)[None].to(states)


def _apply(norm: Norm, states: Tensor) -> Tensor:
    return accurate(norm(states[None])[0])


def accurate(values: Tensor) -> Tensor:
    """Half precision as float32: it would round parts more than it rounded their sum."""
    return values.detach().to(torch.promote_types(values.dtype, torch.float32))


def _centred(states: Tensor, centres: bool) -> Tensor:
    states = accurate(states)
    return states - states.mean(-1, keepdim=True) if centres else states
