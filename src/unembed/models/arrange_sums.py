"""Blocks whose sums have factors of their own, a part more than two, or a stream normalised first.

The stream past a branch is `factor · stream`, or `factor · norm(stream)`, and what is added has a
factor of its own. Beside attention another mixer may be added (Falcon H1); a feed-forward may be
the sum of two modules, shared and routed experts (Granite); behind it a block may add a branch of
per-layer embeddings (Gemma 4). The factors are solved for: see `equations.combination`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor

from unembed.models.anatomy import Tap
from unembed.models.arrange import Added, Arranged, Unit, outputs_between
from unembed.models.equations import (
    combination,
    distance,
    is_half,
    is_norm,
    numbers_of,
    result,
    same,
)
from unembed.models.trace import Call

CLEARLY = 0.7  # times as far: a part that was not there would hardly bring a sum closer


@dataclass(frozen=True)
class _Stream:
    """What goes past a branch: the stream, or what a norm made of it."""

    value: Tensor
    norm: Call | None = None

    @property
    def name(self) -> str | None:
        return None if self.norm is None else self.norm.name


@dataclass(frozen=True)
class _First:
    """The first step: the stream behind it, and what was added to what."""

    middle: Tensor
    reader: Call
    stream: _Stream
    factor: float
    mixer: Added
    beside: Added | None


@dataclass(frozen=True)
class _Second:
    stream: _Stream
    factor: float
    mlp: Added
    per_layer: Added | None = None
    per_layer_readers: tuple[Call, ...] = ()


def arrange_sums(block: Call, inside: list[Call], after: int, unit: Unit) -> Arranged | None:
    """Two steps, each a sum whose factors are solved for; None where none fits.

    `after` is when the token mixer's output map, or the mixer itself, ended.
    """
    if block.input is None or block.output is None:
        return None
    known = numbers_of(block.module)
    for first in _first_steps(block, inside, after, unit, known):
        second = _second_step(block, inside, unit, first, known)
        if second is None:
            continue
        norms = (first.stream.name, second.stream.name)
        normed = norms != (None, None)
        return Arranged(
            "norm_first" if normed else "sequential",
            first.mixer,
            second.mlp,
            # a norm that is the only one to read the stream is all that an edit must reach
            Tap(first.reader.name, "input", in_place=second.stream.norm is None),
            norms if normed else None,
            (first.factor, second.factor),
            first.beside,
            second.per_layer,
            second.per_layer_readers,
        )
    return None


def _first_steps(
    block: Call, inside: list[Call], after: int, unit: Unit, known: frozenset[float]
) -> Iterator[_First]:
    mixers = outputs_between(inside, block, after, unit.start)
    for mixer in mixers:
        for reader in _readers(block, inside, mixer.end, unit.end):
            middle = reader.input
            if middle is None:
                continue
            for stream in _streams(block.input, inside, mixer):
                parts = [stream.value, result(mixer)]
                others = _besides(block, inside, mixer)
                for beside, factors in _fitting(middle, parts, others, known):
                    other = None if beside is None else Added(beside, factors[2])
                    added = Added(mixer, factors[1])
                    yield _First(middle, reader, stream, factors[0], added, other)


Fitting = tuple[Call | None, tuple[float, ...]]
"""What is added beside two parts, if anything, and the factors of all."""


def _fitting(
    total: Tensor, parts: list[Tensor], others: Iterable[Call], known: frozenset[float]
) -> list[Fitting]:
    """The ways in which two parts, or a third beside them, sum to a tensor.

    In half precision a small third part is lost in the rounding of the others: there it counts
    as one where the sum is clearly closer with it.
    """
    found: list[Fitting] = []
    factors = combination(total, parts, known)
    if factors is not None:
        found.append((None, factors))
        if not is_half(total):
            return found
    for other in others:
        more = [*parts, result(other)]
        with_it = combination(total, more, known)
        if with_it is None:
            continue
        closer = factors is None or (
            distance(total, more, with_it) < CLEARLY * distance(total, parts, factors)
        )
        found = [(other, with_it), *found] if closer else found
    return found


def may_have_more(block: Call, inside: list[Call], arranged: Arranged) -> bool:
    """Whether modules beside the two of an arrangement make something that could be added, too."""
    chosen = (arranged.mixer.call, arranged.mlp.call)
    for call in outputs_between(inside, block, block.start, None):
        apart = all(not call.within(one) and not one.within(call) for one in chosen)
        used = any(same(call.output, one) for each in chosen for one in (each.input, each.output))
        if apart and not used and not is_norm(call):
            return True
    return False


def _readers(block: Call, inside: list[Call], after: int, before: int) -> Iterator[Call]:
    """Modules that read something of the stream's shape in this time, each thing once."""
    seen: list[Tensor] = []
    for call in inside:
        if not after < call.start < before or call.input is None or block.input is None:
            continue
        given = call.input
        if given.shape == block.input.shape and not any(same(given, one) for one in seen):
            seen.append(given)
            yield call


def _streams(value: Tensor | None, inside: list[Call], until: Call) -> Iterator[_Stream]:
    """A stream itself, and what norms make of it that run before a call."""
    if value is None:
        return
    yield _Stream(value)
    for call in inside:
        if call.start < until.start and same(call.input, value) and is_norm(call):
            yield _Stream(result(call), call)


def _besides(block: Call, inside: list[Call], mixer: Call) -> Iterator[Call]:
    """Modules beside a mixer that read the stream or a norm of it, and could be added with it."""
    normed = [one.value for one in _streams(block.input, inside, mixer)]
    for call in outputs_between(inside, block, block.start, mixer.end + 1):
        apart = not call.within(mixer) and not mixer.within(call)
        if apart and any(same(call.input, one) for one in normed) and not is_norm(call):
            yield call


def _second_step(
    block: Call, inside: list[Call], unit: Unit, first: _First, known: frozenset[float]
) -> _Second | None:
    if block.output is None:
        return None
    later = outputs_between(inside, block, unit.end, None)
    for mlp in later:
        for stream in _streams(first.middle, inside, mlp):
            parts = [stream.value, result(mlp)]
            others = outputs_between(inside, block, first.reader.start, None)
            for other, factors in _fitting(block.output, parts, others, known):
                if other is None:
                    return _Second(stream, factors[0], Added(mlp, factors[1]))
                found = _third(inside, stream, mlp, other, factors)
                if found is not None:
                    return found
    return None


def _third(
    inside: list[Call], stream: _Stream, mlp: Call, other: Call, factors: tuple[float, ...]
) -> _Second | None:
    """What a third part of the second step is: more of the feed-forward, or a branch behind it."""
    if mlp.within(other) or other.within(mlp):
        return None
    together = same(mlp.input, other.input) and factors[1] == factors[2]
    if together and other.end < mlp.end:
        return _Second(stream, factors[0], Added(mlp, factors[1], (other,)))
    behind = stream.value + result(mlp) * (factors[1] / factors[0])
    readers = tuple(
        call for call in inside if mlp.end < call.start < other.end and same(call.input, behind)
    )
    if not readers:
        return None
    return _Second(stream, factors[0], Added(mlp, factors[1]), Added(other, factors[2]), readers)
