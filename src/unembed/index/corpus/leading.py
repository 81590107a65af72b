"""Leading directions of many vectors in bytes, by which most rows are put aside unseen.

The principal directions of a sample span most of every product, and of what is left Cauchy and
Schwarz say how much it can add. With a row x = B b + e + r, b its part in the span as bytes, e what
rounding to bytes changes and r what is outside of it, and of a query the same two parts:

    q.x <= q1.b + |q1| |e| + |q2| |r|

So a search of all rows first reads a third of their numbers, a byte each, of those that this leaves
open a second part, and compares whole what is open then: nothing is missed. (Bounds by rounded
coordinates: VA-files, Weber et al. 1998.) The directions of a part are turned at random among
themselves: no number is much longer than the others then, and bytes are finer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

if TYPE_CHECKING:
    from jaxtyping import BFloat16, Float, Int8, Int64

DIRECTIONS = 128  # of a part: products of longer rows of bytes are not at the speed of memory
PARTS = 2
SHARE = 2 / 3  # of the numbers of a vector; with nearly all of them products are as cheap
EVEN = 32  # the directions of a part are so many times a number
ITERATIONS = 6
ROWS = 2**20  # of a product: its kernel counts bytes in 32 bits
BLOCK = 64  # rows, of which a product has a whole number
LEVELS = 127
BFLOAT = 2**-8  # part by which rounding to bfloat16 changes a number at the most
ROUNDING = 1e-5  # of sums in single precision, of squared lengths near one
TRIED = 16_384  # rows, by which it is decided whether bytes are faster


def sizes(width: int) -> tuple[int, ...]:
    """How many directions each part has for vectors of so many numbers; none: they are too few."""
    most = width if width <= DIRECTIONS else min(PARTS * DIRECTIONS, int(SHARE * width))
    most = most // EVEN * EVEN
    return tuple(min(DIRECTIONS, most - start) for start in range(0, most, DIRECTIONS))


def leading_bytes(n: int, width: int) -> int:
    """What the leading parts of so many rows take."""
    return n * sum(size + 2 + 4 + 4 for size in sizes(width))


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows in some directions as bytes with a scale, and the lengths of what they leave."""

    basis: Float[Tensor, "width k"]
    bytes: Int8[Tensor, "n k"]
    scales: BFloat16[Tensor, " n"]
    rounded: Float[Tensor, " n"]  # length of what rounding changes
    rest: Float[Tensor, " n"]  # length of what is outside of these directions and those before

    def fill(
        self, own: slice, parts: Float[Tensor, "some k"], outside: Float[Tensor, " some"]
    ) -> None:
        """Keep some rows: their parts in these directions, and what is outside, squared."""
        self.rest[own] = outside.clamp_min(0).sqrt_()
        scales = (parts.abs().amax(1) * ((1 + 2 * BFLOAT) / LEVELS)).clamp_min_(1e-30).bfloat16()
        levels = (parts / scales[:, None]).round_()
        self.scales[own], self.bytes[own] = scales, levels.to(torch.int8)
        self.rounded[own] = levels.mul_(-scales[:, None]).add_(parts).norm(dim=1)


class Leading:
    """Bounds of products with rows, once they are filled in.

    Args:
        sample: some of the rows, by which directions are chosen.
        n: rows there are.
    """

    def __init__(self, sample: Float[Tensor, "some width"], n: int) -> None:
        shares = list(sizes(sample.shape[1]))
        parts = torch.split(_principal(sample, sum(shares)), shares, dim=1)
        self._parts = [_empty(n, _turned(one)) for one in parts]
        self._longest = 0.0

    def fill(self, start: int, rows: Float[Tensor, "some width"]) -> None:
        """Keep rows from `start` on."""
        own = slice(start, start + len(rows))
        square = rows.square().sum(1)
        self._longest = max(self._longest, float(square.max()) ** 0.5)
        outside = square * (1 + ROUNDING)
        for part in self._parts:
            inside = rows @ part.basis
            outside -= inside.square().sum(1)
            part.fill(own, inside, outside)

    def bounds(self, direction: Float[Tensor, " width"]) -> Float[Tensor, " n"]:
        """What no product of a row with a direction is above, by the first part."""
        first = self._parts[0]
        length, outside = self._lengths(direction)[0]
        found = self._inside(first, direction, length, None)
        return found.add_(first.rest, alpha=outside)

    def tighter(
        self,
        direction: Float[Tensor, " width"],
        rows: Int64[Tensor, " some"],
        bounds: Float[Tensor, " some"],
    ) -> Float[Tensor, " some"]:
        """Bounds of some rows by all parts; those by the first are known."""
        lengths = self._lengths(direction)
        for before, part in pairwise(range(len(self._parts))):
            bounds = bounds - lengths[before][1] * self._parts[before].rest[rows]
            own, (length, outside) = self._parts[part], lengths[part]
            bounds += self._inside(own, direction, length, rows)
            bounds.add_(own.rest[rows], alpha=outside)
        return bounds

    def _inside(
        self, part: _Part, direction: Tensor, length: float, rows: Tensor | None
    ) -> Float[Tensor, " some"]:
        """The most that the directions of a part can add."""
        own = part.basis.T @ direction
        column = own.bfloat16()
        kept = [part.bytes, part.scales, part.rounded]
        numbers, scales, rounded = (x if rows is None else x.index_select(0, rows) for x in kept)
        found = _product(column, numbers, scales).add_(rounded, alpha=length)
        left = (own - column).norm() + BFLOAT * length + ROUNDING * direction.norm()
        return found.add_(1.01 * float(left) * self._longest)

    def _lengths(self, direction: Tensor) -> list[tuple[float, float]]:
        """A direction's length in each part's directions, and outside of those until then."""
        found = []
        square = float(direction.square().sum())
        outside = square * (1 + ROUNDING)
        for part in self._parts:
            own = float((part.basis.T @ direction).square().sum())
            outside -= own
            found.append((own**0.5, max(0.0, outside) ** 0.5))
        return found


def _empty(n: int, basis: Tensor) -> _Part:
    numbers = torch.empty(n, basis.shape[1], dtype=torch.int8)
    scales = torch.empty(n, dtype=torch.bfloat16)
    rounded, rest = torch.empty(2, n, dtype=torch.float32)
    return _Part(basis, numbers, scales, rounded, rest)


def _product(
    column: BFloat16[Tensor, " k"], rows: Int8[Tensor, "n k"], scales: BFloat16[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """The product of rows of bytes, each with its scale, with one direction."""
    found = torch.empty(len(rows), dtype=torch.float32)
    whole = len(rows) // BLOCK * BLOCK
    for start, end in pairwise([*range(0, whole, ROWS), whole, len(rows)]):
        if end > start:
            short = -(end - start) % BLOCK
            own = pad(rows[start:end], (0, 0, 0, short)) if short else rows[start:end]
            scale = pad(scales[start:end], (0, short)) if short else scales[start:end]
            product = torch._weight_int8pack_mm(column[None], own, scale)[0]
            found[start:end] = product[: end - start]
    return found


def _principal(rows: Float[Tensor, "n width"], k: int) -> Float[Tensor, "width k"]:
    """About the `k` directions in which rows are longest, not centred, the first one first.

    By subspace iteration from drawn ones: a few products, where all directions would take minutes
    of wide vectors.
    """
    found = _drawn(rows.shape[1], k)
    for _ in range(ITERATIONS):
        found = _orthonormal(rows.T @ (rows @ found))
    inside = rows @ found
    order: Tensor = torch.linalg.eigh(inside.T @ inside).eigenvectors
    return found @ order.flip(1)


def _turned(basis: Float[Tensor, "width k"]) -> Float[Tensor, "width k"]:
    return _orthonormal(basis @ _orthonormal(_drawn(basis.shape[1], basis.shape[1])))


def _orthonormal(columns: Tensor) -> Tensor:
    found: Tensor = torch.linalg.qr(columns).Q
    return found


def _drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32)


@cache
def is_faster(width: int) -> bool:
    """Whether this machine multiplies bytes rightly, and in less time than it does halves."""
    if not sizes(width) or not is_right(sizes(width)[0]):
        return False
    rows = torch.zeros(TRIED, sizes(width)[0], dtype=torch.int8)
    column, scales = rows[0].bfloat16(), torch.ones(TRIED, dtype=torch.bfloat16)
    halves, half = torch.zeros(TRIED, width, dtype=torch.half), torch.zeros(width).half()
    taken = _seconds(lambda: _product(column, rows, scales))
    return taken < _seconds(lambda: torch.mv(halves, half))


def is_right(n: int) -> bool:
    """Whether this machine's products of rows of `n` bytes are off by no more than is allowed for.

    They are computed by a function that PyTorch has for models in bytes and that it may change.
    """
    drawn = torch.Generator().manual_seed(0)
    shape = (4 * BLOCK + 7, n)
    rows = torch.randint(-LEVELS, LEVELS + 1, shape, generator=drawn, dtype=torch.int8)
    scales = torch.rand(len(rows), generator=drawn).bfloat16()
    column = torch.randn(n, generator=drawn).bfloat16()
    try:
        found = _product(column, rows, scales).double()
    except (RuntimeError, AttributeError):  # on this processor, or in this version
        return False
    wanted = (rows.double() @ column.double()) * scales.double()
    terms = (rows.double().abs() @ column.double().abs()) * scales.double()
    return bool(((found - wanted).abs() <= BFLOAT * wanted.abs() + ROUNDING * terms).all())


def _seconds(work: Callable[[], object]) -> float:
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best
