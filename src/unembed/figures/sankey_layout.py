"""Where the boxes of a flow diagram stand, and how high Plotly draws them. Knows only numbers.

Plotly scales a Sankey so that the fullest column of its own layout has room, whatever places it
is given. A ballast, a flow that is out of sight, makes that column exactly as high as the diagram:
then a size of 1 is one pixel, and what is stacked here is what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

LABEL = 15.0  # px between the middles of two boxes, so that their labels can be read
MOST_GAP = 44.0
LEAST_BALLAST = 1.0
LANE_GAP = 26.0  # px between the bands on top and what is below them, and between lanes


@dataclass(frozen=True)
class Piece:
    """A box: where it stands, in lane 0, with the bands on top, or in one of those below."""

    column: int
    lane: int = 1


@dataclass(frozen=True)
class Flow:
    """A band between two boxes, by their places in the list; `size` in px, above 0."""

    source: int
    target: int
    size: float


@dataclass(frozen=True)
class Placed:
    """Middles and heights of the boxes in px, the height of the diagram, and the ballast: the
    size of a flow between two more boxes with which a unit is one pixel."""

    middles: tuple[float, ...]
    heights: tuple[float, ...]
    height: float
    ballast: float


def place(pieces: Sequence[Piece], flows: Sequence[Flow], least_height: float) -> Placed:
    """Boxes stacked by column: the stream's at the top, the others below its bands."""
    heights = box_sizes(len(pieces), flows)
    band = _band(pieces, flows)
    first, between, last = _drawn_sums(heights, flows)
    ends = max(first, last)
    height = max(least_height, _needed(pieces, heights, band), between, ends + LEAST_BALLAST)
    middles = _middles(pieces, flows, heights, band, height)
    return Placed(tuple(middles), tuple(heights), height, height - ends)


def box_sizes(n_boxes: int, flows: Sequence[Flow]) -> list[float]:
    """What comes in or what goes out, whichever is more."""
    coming, going = [0.0] * n_boxes, [0.0] * n_boxes
    for flow in flows:
        going[flow.source] += flow.size
        coming[flow.target] += flow.size
    return [max(pair) for pair in zip(coming, going, strict=True)]


def _drawn_sums(sizes: Sequence[float], flows: Sequence[Flow]) -> tuple[float, float, float]:
    """Sums of the boxes in the first, the fullest and the last column of Plotly's own layout.

    A box is as many columns from the left as its longest way from a start is long; those where
    all ways end are in the last.
    """
    depths = _depths(len(sizes), flows)
    starts = {flow.source for flow in flows}
    last = max(depths, default=0)
    sums = [0.0] * (last + 1)
    for box, size in enumerate(sizes):
        sums[depths[box] if box in starts else last] += size
    return sums[0], max(sums), sums[-1]


def _depths(n_boxes: int, flows: Sequence[Flow]) -> list[int]:
    following: list[list[int]] = [[] for _ in range(n_boxes)]
    waiting = [0] * n_boxes
    for flow in flows:
        following[flow.source].append(flow.target)
        waiting[flow.target] += 1
    depths = [0] * n_boxes
    ready = [box for box in range(n_boxes) if not waiting[box]]
    while ready:
        box = ready.pop()
        for after in following[box]:
            depths[after] = max(depths[after], depths[box] + 1)
            waiting[after] -= 1
            if not waiting[after]:
                ready.append(after)
    return depths


# ------------------------------------------------------------------ stacking


def _band(pieces: Sequence[Piece], flows: Sequence[Flow]) -> float:
    """How high the bands on top are: those that join two boxes of the stream."""
    tops = (
        flow.size for flow in flows if not (pieces[flow.source].lane or pieces[flow.target].lane)
    )
    return max(tops, default=0.0)


def _needed(pieces: Sequence[Piece], sizes: Sequence[float], band: float) -> float:
    alone = [size for piece, size in zip(pieces, sizes, strict=True) if not piece.lane]
    lanes = _least_lanes(pieces, sizes).values()
    return max(max(alone, default=0.0), band + sum(lanes) + LANE_GAP * len(lanes))


def _least_lanes(pieces: Sequence[Piece], sizes: Sequence[float]) -> dict[int, float]:
    """How high each lane below the bands must be, for the labels of its fullest column."""
    columns: dict[tuple[int, int], list[float]] = {}
    for piece, size in zip(pieces, sizes, strict=True):
        if piece.lane:
            columns.setdefault((piece.lane, piece.column), []).append(size)
    lanes: dict[int, float] = {}
    for (lane, _), heights in sorted(columns.items()):
        lanes[lane] = max(lanes.get(lane, 0.0), _least_stack(heights))
    return lanes


def _lanes(
    pieces: Sequence[Piece], sizes: Sequence[float], band: float, height: float
) -> dict[int, tuple[float, float]]:
    """Top and bottom of each lane: what is free is shared by how high they must be."""
    least = _least_lanes(pieces, sizes)
    free = max(0.0, height - band - sum(least.values()) - LANE_GAP * len(least))
    found, top = {}, band
    for lane, needed in least.items():
        top += LANE_GAP
        bottom = top + needed + free * needed / max(1e-9, sum(least.values()))
        found[lane] = (top, bottom)
        top = bottom
    return found


def _least_stack(heights: Sequence[float]) -> float:
    gaps = sum(_least_gap(above, below) for above, below in pairwise(heights))
    return sum(heights) + gaps


def _least_gap(above: float, below: float) -> float:
    return max(3.0, LABEL - (above + below) / 2)


def _columns(pieces: Sequence[Piece], lane: int) -> list[list[int]]:
    """The boxes of a lane by column, the fullest first."""
    columns: dict[int, list[int]] = {}
    for box, piece in enumerate(pieces):
        if piece.lane == lane:
            columns.setdefault(piece.column, []).append(box)
    return sorted(columns.values(), key=len, reverse=True)


def _middles(
    pieces: Sequence[Piece],
    flows: Sequence[Flow],
    heights: Sequence[float],
    band: float,
    height: float,
) -> list[float]:
    """The fullest columns first, evenly; then each box beside those that it is joined to."""
    middles = {box: heights[box] / 2 for box, piece in enumerate(pieces) if not piece.lane}
    joined = _neighbours(pieces, flows)
    for lane, ends in _lanes(pieces, heights, band, height).items():
        for boxes in _columns(pieces, lane):
            middles |= _column(boxes, heights, joined, middles, ends)
    return [middles[box] for box in range(len(pieces))]


def _column(
    boxes: Sequence[int],
    heights: Sequence[float],
    joined: Sequence[set[int]],
    middles: dict[int, float],
    ends: tuple[float, float],
) -> dict[int, float]:
    even = _even([heights[box] for box in boxes], *ends)
    wanted = dict(zip(boxes, even, strict=True))
    for box in boxes:
        placed = [middles[other] for other in joined[box] if other in middles]
        if placed:
            wanted[box] = fmean(placed)
    order = sorted(boxes, key=lambda box: wanted[box])
    apart = _apart([wanted[box] for box in order], [heights[box] for box in order], *ends)
    return dict(zip(order, apart, strict=True))


def _neighbours(pieces: Sequence[Piece], flows: Iterable[Flow]) -> list[set[int]]:
    """Boxes of one lane that bands join, those on top left out."""
    joined: list[set[int]] = [set() for _ in pieces]
    for flow in flows:
        if pieces[flow.source].lane == pieces[flow.target].lane != 0:
            joined[flow.source].add(flow.target)
            joined[flow.target].add(flow.source)
    return joined


def _even(heights: Sequence[float], top: float, bottom: float) -> list[float]:
    """Middles of boxes with equal gaps, as a whole in the middle."""
    free = bottom - top - sum(heights)
    gap = min(MOST_GAP, max(0.0, free) / max(1, len(heights) - 1))
    at = top + max(0.0, (free - gap * (len(heights) - 1)) / 2)
    middles = []
    for one in heights:
        middles.append(at + one / 2)
        at += one + gap
    return middles


def _apart(
    wanted: Sequence[float], heights: Sequence[float], top: float, bottom: float
) -> list[float]:
    """Middles near the wanted ones, in their order, with no two boxes too close.

    Down from the top, then up from the bottom.
    """
    squeeze = min(1.0, (bottom - top) / max(_least_stack(heights), 1e-9))
    gaps = [_least_gap(a, b) * squeeze for a, b in pairwise(heights)]
    middles, end = list(wanted), top
    for at, height in enumerate(heights):
        middles[at] = max(middles[at], end + height / 2)
        end = middles[at] + height / 2 + (gaps[at] if at < len(gaps) else 0.0)
    end = bottom
    for at in reversed(range(len(heights))):
        middles[at] = min(middles[at], end - heights[at] / 2)
        end = middles[at] - heights[at] / 2 - (gaps[at - 1] if at else 0.0)
    return middles
