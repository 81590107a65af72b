"""Which positions of other runs a draw takes the place of each position from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch


def draw(n_positions: int, lengths: Sequence[int], seed: int) -> list[int]:
    """For each position a row of the reference prompts, which stand behind each other.

    A first position is drawn from first ones, which see nothing before them; all others from all
    others.
    """
    starts = [0, *accumulate(lengths)][:-1]
    later = [row for row in range(sum(lengths)) if row not in starts]
    generator = torch.Generator().manual_seed(seed)

    def one_of(rows: Sequence[int]) -> int:
        return rows[int(torch.randint(len(rows), (), generator=generator))]

    return [one_of(starts if position == 0 else later) for position in range(n_positions)]
