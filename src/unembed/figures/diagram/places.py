"""Where the boxes of a diagram stand, in px from its top. Knows no Plotly."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, groupby

from unembed.figures.diagram.parts import Band, Box

GAP = 14.0  # px between two boxes of a column
LINE = 15.0  # px that a label takes
LANE_GAP = 26.0  # px between the bands on top and what is below them
LEAST_HEIGHT = 760.0  # px of the diagram without its margins


def box_sizes(n_boxes: int, bands: Sequence[Band]) -> list[float]:
    """What comes in or what goes out, whichever is more."""
    coming, going = [0.0] * n_boxes, [0.0] * n_boxes
    for band in bands:
        going[band.source] += band.size
        coming[band.target] += band.size
    return [max(pair) for pair in zip(coming, going, strict=True)]


def places(
    boxes: Sequence[Box], bands: Sequence[Band], sizes: Sequence[float]
) -> tuple[list[float], float]:
    """Middles of the boxes from the top, and the height of the diagram, px.

    Lane 0 hangs from the top; each lane below it is as high as its fullest column, and the others
    stand in its middle.
    """
    room = [max(size, LINE) + GAP for size in sizes]
    stacks = _stacks(boxes)
    heights: dict[int, float] = {0: _highest_band(boxes, bands)}
    for (lane, _), members in stacks.items():
        if lane:
            heights[lane] = max(heights.get(lane, 0.0), sum(room[box] for box in members))
    tops = dict(
        zip(
            sorted(heights),
            accumulate((heights[lane] + LANE_GAP for lane in sorted(heights)), initial=0.0),
            strict=False,
        )
    )
    middles = [0.0] * len(boxes)
    for (lane, _), members in stacks.items():
        taken = sum(room[box] for box in members)
        at = tops[lane] + (max(0.0, heights[lane] - taken) / 2 if lane else 0.0)
        for box in members:
            middles[box] = at + (sizes[box] if lane == 0 else room[box]) / 2
            at += room[box]
    bottom = max(middle + size / 2 for middle, size in zip(middles, sizes, strict=True))
    return middles, max(LEAST_HEIGHT, bottom + GAP)


def _stacks(boxes: Sequence[Box]) -> dict[tuple[int, int], list[int]]:
    """Boxes by lane and column, in their order."""
    order = sorted(range(len(boxes)), key=lambda box: (boxes[box].lane, boxes[box].column, box))
    return {
        key: list(members)
        for key, members in groupby(order, lambda box: (boxes[box].lane, boxes[box].column))
    }


def _highest_band(boxes: Sequence[Box], bands: Sequence[Band]) -> float:
    """Of those that join two boxes on top."""
    tops = (band.size for band in bands if not (boxes[band.source].lane or boxes[band.target].lane))
    return max(tops, default=0.0)
