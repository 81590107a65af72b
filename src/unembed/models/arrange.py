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
from unembed.models.equations import adds_up, result, same
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
    stream_norms: tuple[str | None, ...] | None = None
    stream_factors: tuple[float, float] = (1.0, 1.0)
    beside: Added | None = None
    per_layer: Added | None = None
    per_layer_readers: tuple[Call, ...] = ()

    @property
    def has_more(self) -> bool:
        """Whether more than two things are added."""
        return self.beside is not None or self.per_layer is not None or bool(self.mlp.also)


@dataclass(frozen=True)
class Crossed:
    """A block with a third branch, attention to an encoder, between its two.

    `rest` is how that, as its mixer, and the feed-forward join the stream behind the first branch.
    """

    attention: Added
    resid_mid: Tap
    rest: Arranged

    @property
    def stream_norms(self) -> tuple[str | None, ...] | None:
        """The norm behind each branch, where the stream itself goes through one."""
        rest = self.rest.stream_norms
        return None if rest is None else (self.resid_mid.module, *rest)


def arrange_crossed(
    block: Call, inside: list[Call], ends: tuple[int, int], cross: Call, unit: Unit, config: Any
) -> Crossed | None:
    """Which equations join the three branches to the stream; None where none does.

    `ends` are when the output maps of attention and of `cross`, the attention to an encoder, ended.
    """
    first = outputs_between(inside, block, ends[0], cross.start)
    second = outputs_between(inside, block, ends[1], unit.start)
    mlp = outputs_between(inside, block, unit.end, None)
    if block.input is None or block.output is None:
        return None
    for scale in _multipliers(block, config):
        for middle, behind in ((_plain_middle, _sequential), (_normed_middle, _post_norm)):
            for attention in first:
                between = middle(block.input, inside, attention, scale)
                if between is None:
                    continue
                for other in second:
                    rest = behind(between[0], block.output, inside, other, mlp, scale)
                    if rest is not None:
                        return Crossed(Added(attention, scale), between[1], rest)
    return None


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
            if adds_up(block.output, [block.input, scale * result(call)]):
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
    between = _plain_middle(stream, inside, attention, scale)
    if between is None:
        return None
    middle, tap = between
    for second in mlp:
        if adds_up(end, [middle, scale * result(second)]):
            parts = Added(attention, scale), Added(second, scale)
            return Arranged("sequential", *parts, tap)
    return None


def _plain_middle(
    stream: Tensor, inside: list[Call], branch: Call, scale: float
) -> tuple[Tensor, Tap] | None:
    """The stream behind a branch, and where it is read; None where nothing reads it."""
    reader = _reader(inside, [stream, scale * result(branch)], branch.end)
    if reader is None or reader.input is None:
        return None
    return reader.input, Tap(reader.name, "input", in_place=True)


def _post_norm(
    stream: Tensor, end: Tensor, inside: list[Call], attention: Call, mlp: list[Call], scale: float
) -> Arranged | None:
    between = _normed_middle(stream, inside, attention, scale)
    if between is None:
        return None
    middle, tap = between
    for second in mlp:
        last = _reader(inside, [middle, scale * result(second)], second.start)
        if last is not None and same(last.output, end):
            parts, norms = (Added(attention, scale), Added(second, scale)), (tap.module, last.name)
            return Arranged("post_norm", *parts, tap, norms)
    return None


def _normed_middle(
    stream: Tensor, inside: list[Call], branch: Call, scale: float
) -> tuple[Tensor, Tap] | None:
    """The stream behind a branch and the norm that it goes through, which the tap is of."""
    norm = _reader(inside, [stream, scale * result(branch)], branch.start)
    if norm is None or norm.output is None:
        return None
    return norm.output, Tap(norm.name, "output")


def _parallel(
    stream: Tensor, end: Tensor, _: list[Call], attention: Call, mlp: list[Call], scale: float
) -> Arranged | None:
    for second in mlp:
        parts = [stream, scale * result(attention), scale * result(second)]
        if attention is not second and adds_up(end, parts):
            return Arranged("parallel", Added(attention, scale), Added(second, scale))
    return None


def _reader(inside: list[Call], parts: list[Tensor], after: int) -> Call | None:
    """The first module that is given the sum of these after this time."""
    later = (call for call in inside if call.start > after)
    return next((call for call in later if adds_up(call.input, parts)), None)
