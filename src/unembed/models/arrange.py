"""How a block's attention and feed-forward join the residual stream.

Sequential: each is added in turn. Parallel: both read the same residual and are added together.
Post-norm: the sum goes through a norm on its way (BERT). Single: the block has one branch. Each is
an equation that either holds for the activations that were seen, or does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unembed.models.anatomy import Arrangement, Tap
from unembed.models.equations import result, same
from unembed.models.trace import Call


@dataclass(frozen=True)
class Unit:
    """The feed-forward of a block: one output map, or one module that holds experts."""

    start: int
    end: int
    output_map: Call | None
    experts: Call | None


@dataclass(frozen=True)
class Added:
    """What joins the stream: a call's result, and that of others before it, times a number."""

    call: Call
    multiplier: float
    also: tuple[Call, ...] = ()

    @property
    def tap(self) -> Tap:
        """Where it can be read and written."""
        also = tuple(call.name for call in self.also)
        return Tap(self.call.name, "output", self.multiplier, also=also)


@dataclass(frozen=True)
class Arranged:
    """How a block is put together: what joins the stream, and where the stream is between."""

    arrangement: Arrangement
    mixer: Added
    mlp: Added
    resid_mid: Tap | None = None
    stream_norms: tuple[str | None, str | None] | None = None
    stream_factors: tuple[float, float] = (1.0, 1.0)
    beside: Added | None = None
    per_layer: Added | None = None
    per_layer_readers: tuple[Call, ...] = ()


def arrange(
    block: Call, inside: list[Call], after: int, unit: Unit, config: Any
) -> Arranged | None:
    """Which equation joins attention and feed-forward to the stream; None where none does.

    `after` is when the attention's output map ended, or another token mixer as a whole.
    """
    attention = outputs_between(inside, block, after, unit.start)
    mlp = outputs_between(inside, block, unit.end, None)
    if block.input is None or block.output is None:
        return None
    for scale in _multipliers(block, config):
        for hypothesis in (_sequential, _post_norm, _parallel):
            for first in attention:
                found = hypothesis(block.input, block.output, inside, first, mlp, scale)
                if found is not None:
                    return found
    return None


@dataclass(frozen=True)
class Single:
    """How the only branch of a block joins the stream."""

    multiplier: float
    branch: Call


def arrange_single(block: Call, inside: list[Call], branch: Call, config: Any) -> Single | None:
    """The call whose result alone is added, from `branch` on; None where none is."""
    if block.input is None or block.output is None:
        return None
    for scale in _multipliers(block, config):
        for call in outputs_between(inside, block, branch.end, None):
            if same(block.input + scale * result(call), block.output):
                return Single(scale, call)
    return None


def _multipliers(block: Call, config: Any) -> Iterator[float]:
    """What a branch could be multiplied with: a number of the config, or of the block's own."""
    yield 1.0
    own = (value for value in vars(block.module).values() if isinstance(value, float))
    for value in dict.fromkeys((getattr(config, "residual_multiplier", None), *own)):
        if isinstance(value, int | float) and value not in (0.0, 1.0):
            yield float(value)


def outputs_between(inside: list[Call], block: Call, after: int, before: int | None) -> list[Call]:
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
    stream: Tensor, end: Tensor, inside: list[Call], attention: Call, mlp: list[Call], scale: float
) -> Arranged | None:
    middle = stream + scale * result(attention)
    reader = _reader(inside, middle, attention.end)
    if reader is None:
        return None
    for second in mlp:
        if same(middle + scale * result(second), end):
            tap = Tap(reader.name, "input", in_place=True)
            return Arranged("sequential", Added(attention, scale), Added(second, scale), tap)
    return None


def _post_norm(
    stream: Tensor, end: Tensor, inside: list[Call], attention: Call, mlp: list[Call], scale: float
) -> Arranged | None:
    norm = _reader(inside, stream + scale * result(attention), attention.start)
    if norm is None or norm.output is None:
        return None
    for second in mlp:
        last = _reader(inside, norm.output + scale * result(second), second.start)
        if last is not None and same(last.output, end):
            tap, norms = Tap(norm.name, "output"), (norm.name, last.name)
            parts = Added(attention, scale), Added(second, scale)
            return Arranged("post_norm", *parts, tap, norms)
    return None


def _parallel(
    stream: Tensor, end: Tensor, _: list[Call], attention: Call, mlp: list[Call], scale: float
) -> Arranged | None:
    for second in mlp:
        total = stream + scale * result(attention) + scale * result(second)
        if attention is not second and same(total, end):
            return Arranged("parallel", Added(attention, scale), Added(second, scale))
    return None


def _reader(inside: list[Call], value: Tensor, after: int) -> Call | None:
    """The first module that is given this activation after this time."""
    return next((call for call in inside if call.start > after and same(call.input, value)), None)
