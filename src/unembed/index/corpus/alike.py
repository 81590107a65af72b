"""Which neurons, latents or heads are active together: correlations over every token of one pass.

Of the nodes that are asked about with all that are read from the same activation: the neurons of
the layer, the latents of the autoencoder, the heads of the layer by the norm of what they write.
What is kept are sums, whatever the size of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from unembed.engine.targets import Target
from unembed.index.corpus.examples_result import AlikeNode
from unembed.index.corpus.measures import Whole
from unembed.index.store import Array

FLAT = 1e-12  # a variance below this share of the mean square is rounding


class Correlations:
    """Sums over tokens of some nodes with all others of their activation."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, ...], _Sums] = {}

    def add(self, wholes: Sequence[Whole], own: Array) -> None:
        """The tokens `own` of one sentence."""
        for whole in wholes:
            rows = whole.values[torch.from_numpy(own).to(whole.values.device)]
            sums = self._groups.get(whole.orders)
            if sums is None:
                sums = self._groups[whole.orders] = _Sums.of(whole)
            sums.add(rows.to(torch.promote_types(rows.dtype, torch.float32)))

    def nearest(self, k: int) -> dict[int, tuple[AlikeNode, ...]]:
        """By the number of each node that has such others: the k most correlated, itself left out;
        those without a correlation, since they never change, are none.
        """
        found: dict[int, tuple[AlikeNode, ...]] = {}
        for sums in self._groups.values():
            correlations = sums.correlations()
            for row, target in enumerate(sums.targets):
                mine = correlations[row]
                mine[sums.numbers[row]] = torch.nan
                best = torch.nan_to_num(mine, nan=-2.0).topk(min(k, len(mine)))
                found[sums.orders[row]] = tuple(
                    AlikeNode(target.numbered(number).text, value)
                    for number, value in zip(
                        best.indices.tolist(), best.values.tolist(), strict=True
                    )
                    if value >= -1.0
                )
        return found


@dataclass(eq=False)
class _Sums:
    """x are the nodes asked about, y all of them."""

    orders: tuple[int, ...]
    numbers: list[int]
    targets: Sequence[Target]
    n: int
    y: Tensor  # Float[n], in double precision as all of them
    yy: Tensor
    xy: Tensor  # Float[nodes n]

    @staticmethod
    def of(whole: Whole) -> _Sums:
        """Nothing yet, of nodes of this activation."""
        n, k = whole.values.shape[1], len(whole.numbers)
        zeros = whole.values.new_zeros(n, dtype=torch.float64)
        return _Sums(
            whole.orders,
            list(whole.numbers),
            whole.targets,
            0,
            zeros,
            zeros.clone(),
            zeros.new_zeros(k, n),
        )

    def add(self, rows: Tensor) -> None:
        """Values of all of them at some tokens [token, n]."""
        self.n += len(rows)
        self.y += rows.sum(0)
        self.yy += rows.square().sum(0)
        self.xy += rows[:, self.numbers].T @ rows

    def correlations(self) -> Tensor:
        """Pearson's, [nodes, n]; NaN where one of the two does not change."""
        mean, n = self.y / max(self.n, 1), max(self.n, 1)
        square = self.yy / n
        variance = square - mean.square()
        variance = torch.where(variance > FLAT * square, variance, torch.nan)
        own = torch.tensor(self.numbers, device=mean.device)
        covariance = self.xy / n - mean[own, None] * mean
        found = covariance / (variance[own, None] * variance).sqrt()
        return found.clamp(-1.0, 1.0).cpu()
