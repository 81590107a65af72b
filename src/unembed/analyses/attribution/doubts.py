"""When estimates cannot be meant: nodes whose totals are far larger than anything they could do.

Where activations at a position are massive, as at first tokens of many models, and later layers
take them away again, each of the nodes that write them is large against a stream that is not: to
first order it then seems to do thousands of times what is explained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

FAR = 100  # times the objective, or 1
LISTED = 4  # positions


class Estimated(Protocol):
    """Of a group of nodes what is needed here."""

    @property
    def total(self) -> Tensor: ...

    def name(self, index: Sequence[int]) -> str:
        """Of one node."""
        ...


def doubts(groups: Iterable[Estimated], value: float, held: bool) -> tuple[str, ...]:
    """A sentence where totals are beyond belief, with what to do; nothing where they are not.

    Args:
        value: of the objective.
        held: whether norms were held, so that they can be let go.
    """
    limit = FAR * max(1.0, abs(value))
    n_far, worst, name, where = 0, 0.0, "", set[int]()
    for group in groups:
        sizes = group.total.abs().nan_to_num(0.0)
        far = sizes > limit
        if not far.any():
            continue
        n_far += int(far.sum())
        where |= set(far.flatten(1).any(1).nonzero()[:, 0].tolist())
        best = int(sizes.argmax())
        if float(sizes.flatten()[best]) > abs(worst):
            index = torch.unravel_index(torch.tensor(best), sizes.shape)
            name = group.name([int(one) for one in index])
            worst = float(group.total.flatten()[best])
    if n_far == 0:
        return ()
    at = sorted(where)
    listed = ", ".join(map(str, at[:LISTED])) + (", ..." if len(at) > LISTED else "")
    fix = "Let norms live (frozen none), or measure" if held else "Measure"
    return (
        f"Estimates of {n_far:,} node{'s' * (n_far > 1)} at position{'s' * (len(at) > 1)} {listed} "
        f"are over {FAR} times what is explained, {name} {worst:+.3g}: activations there are so "
        "large that a slope says nothing of what happens without one. "
        f"{fix} the nodes listed (verify).",
    )
