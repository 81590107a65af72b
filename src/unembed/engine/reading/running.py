"""What is kept while a vocabulary goes by in chunks: the best tokens, the sums behind a softmax,
and how many tokens beat a target. Knows tensors only.

Each class is fed chunks of logits in the order of the vocabulary and never sees one twice, so the
memory is that of one chunk however large the vocabulary is.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MANY_TIES = 8  # candidates of a row, in k: nearly all of them tie, as where a state is zero
BLOCK = 64  # columns that share one maximum: a multiple of every vector width


def block_maxima(logits: Float[Tensor, "n width"]) -> Float[Tensor, "n blocks"]:
    """Maximum of each run of BLOCK columns; of all columns where they do not divide evenly."""
    n, width = logits.shape
    size = BLOCK if width % BLOCK == 0 else width
    return logits.view(n, width // size, size).amax(-1)


class RunningTop:
    """The k largest logits of each row. Ties go to the lower token id, whatever the chunk size."""

    def __init__(self, n: int, k: int, like: Tensor) -> None:
        self.values = like.new_full((n, k), -torch.inf)
        self.ids = torch.zeros((n, k), dtype=torch.long, device=like.device)
        self._k = k
        self._filled = 0

    def add(
        self, start: int, logits: Float[Tensor, "n width"], maxima: Float[Tensor, "n blocks"]
    ) -> None:
        """Takes in the chunk whose first column is token `start`."""
        if self._filled < self._k:
            rows, columns = _at_least_kth(logits, self._k)
        else:
            rows, columns = _above(logits, maxima, self.values[:, -1])
        if len(rows):
            self._merge(rows, columns + start, logits[rows, columns])
        self._filled = min(self._k, self._filled + logits.shape[1])

    def _merge(self, rows: Tensor, ids: Tensor, values: Tensor) -> None:
        """Sorts the candidates of each row in; `rows` ascend, and `ids` within a row."""
        touched, counts = torch.unique_consecutive(rows, return_counts=True)
        many = counts > MANY_TIES * self._k
        if bool(many.any()) and not bool(many.all()):  # or a few rows would make all as wide
            crowded = many.repeat_interleave(counts)
            for part in (crowded, ~crowded):
                self._merge(rows[part], ids[part], values[part])
            return
        old, most = self._filled, int(counts.max())
        width = max(old + most, self._k)
        place = torch.arange(len(touched), device=rows.device).repeat_interleave(counts)
        first = (counts.cumsum(0) - counts)[place]
        slot = old + torch.arange(len(rows), device=rows.device) - first
        all_values = values.new_full((len(touched), width), -torch.inf)
        all_ids = ids.new_zeros((len(touched), width))
        all_values[:, :old], all_ids[:, :old] = self.values[touched, :old], self.ids[touched, :old]
        all_values[place, slot], all_ids[place, slot] = values, ids
        # Stable, and candidates stand in the order of their ids: equal logits keep that order.
        all_values, order = all_values.sort(dim=-1, descending=True, stable=True)
        self.values[touched] = all_values[:, : self._k]
        self.ids[touched] = all_ids.gather(1, order)[:, : self._k]


def _at_least_kth(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of the k largest of each row, and of all that tie with the last of them."""
    kth = logits.topk(min(k, logits.shape[1]), dim=-1).values[:, -1:]
    rows, columns = (logits >= kth).nonzero(as_tuple=True)
    return rows, columns


def _above(logits: Tensor, maxima: Tensor, bound: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what exceeds the row's bound: only blocks whose maximum does are read."""
    rows, blocks = (maxima > bound[:, None]).nonzero(as_tuple=True)
    size = logits.shape[1] // maxima.shape[1]
    survivors = logits.view(len(logits), -1, size)[rows, blocks]
    hit, offset = (survivors > bound[rows, None]).nonzero(as_tuple=True)
    return rows[hit], blocks[hit] * size + offset


class RunningSums:
    """Σ exp(z - s), Σ exp(z - s)(z - s) and, for pairs of rows, Σ exp(z_ref - s_ref)(z - s).

    s is the largest logit of the row so far. All of log-sum-exp, entropy and Kullback-Leibler
    divergence follow from them. Chunks are summed in their own dtype, chunk totals in float64.
    """

    def __init__(
        self, like: Float[Tensor, "n width"], references: Int[Tensor, "n pairs"], *, masked: bool
    ) -> None:
        n, device = len(like), like.device
        wide = torch.float32 if device.type == "mps" else torch.float64
        self._references = references
        self._masked = masked  # some logits are -inf: 0 * -inf must count as 0
        self._shift = like.new_full((n,), torch.finfo(like.dtype).min)
        self._mass = torch.zeros(n, dtype=wide, device=device)
        self._moment = torch.zeros(n, dtype=wide, device=device)
        self._cross = torch.zeros(references.shape, dtype=wide, device=device)
        self._exp = torch.empty_like(like)
        self.scratch = torch.empty_like(like)  # anyone's between two calls of `add`

    def add(self, logits: Float[Tensor, "n width"], largest: Float[Tensor, " n"]) -> None:
        """Takes in a chunk and overwrites it; `largest` is the maximum of each of its rows."""
        if bool((largest > self._shift).any()):
            self._rescale(torch.maximum(self._shift, largest))
        width = logits.shape[1]
        exp, work = self._exp[:, :width], self.scratch[:, :width]
        logits -= self._shift[:, None]
        torch.exp(logits, out=exp)
        self._mass += exp.sum(-1)
        self._moment += self._dot(exp, logits, work)
        for pair in range(self._references.shape[1]):
            torch.index_select(exp, 0, self._references[:, pair], out=work)
            self._cross[:, pair] += self._dot(work, logits, work)

    def _dot(self, weights: Tensor, values: Tensor, out: Tensor) -> Tensor:
        if self._masked:
            silent = weights == 0
            torch.mul(weights, values, out=out)
            return out.masked_fill_(silent, 0).sum(-1)
        return torch.mul(weights, values, out=out).sum(-1)

    def _rescale(self, shift: Float[Tensor, " n"]) -> None:
        step = self._shift.to(self._mass.dtype) - shift
        decay = step.exp()
        mass, fade = self._mass[self._references], decay[self._references]
        self._moment = decay * (self._moment + self._mass * step)
        self._cross = fade * (self._cross + mass * step[:, None])
        self._mass *= decay
        self._shift = shift

    def logsumexp(self) -> Float[Tensor, " n"]:
        """log Σ exp z."""
        return self._shift.to(self._mass.dtype) + self._mass.log()

    def entropy(self) -> Float[Tensor, " n"]:
        """-Σ p log p, in nats."""
        return (self._mass.log() - self._moment / self._mass).clamp_min(0)

    def divergence(self) -> Float[Tensor, "n pairs"]:
        """KL(reference ‖ row) = Σ p_ref (log p_ref - log p), in nats; 0 for a row and itself."""
        log_mass = self._mass.log()
        mass, moment = self._mass[self._references], self._moment[self._references]
        difference = (moment - self._cross) / mass
        return (difference + log_mass[:, None] - log_mass[self._references]).clamp_min(0)


class RunningMean:
    """The mean of each row. Chunks are summed in their own dtype, chunk totals in float64."""

    def __init__(self, like: Float[Tensor, "n width"]) -> None:
        wide = torch.float32 if like.device.type == "mps" else torch.float64
        self._total = torch.zeros(len(like), dtype=wide, device=like.device)
        self._count = 0

    def add(self, logits: Float[Tensor, "n width"]) -> None:
        """Takes in a chunk, and leaves it as it is."""
        self._total += logits.sum(-1)
        self._count += logits.shape[1]

    def found(self) -> Float[Tensor, "n 1"]:
        """Of the chunks so far."""
        return (self._total / self._count)[:, None]


class RankCounter:
    """The rank of each row's targets: 1, and one more for each token with a strictly higher logit.

    Counting starts before the chunk of a target comes by, so its logit is passed in (`expected`).
    What the chunk really holds is kept as well: where the two differ by as much as a bit, as two
    products of different shapes may, the count is void and `agreed` says so.
    """

    def __init__(
        self, targets: Int[Tensor, "n m"], expected: Float[Tensor, "n m"], work: Tensor
    ) -> None:
        self._targets = targets
        self._expected = expected
        self._work = work
        self.ranks = torch.ones_like(targets)
        self.logits = torch.full_like(expected, torch.nan)

    def add(self, start: int, logits: Float[Tensor, "n width"]) -> None:
        """Takes in the chunk whose first column is token `start`."""
        width = logits.shape[1]
        work = self._work[:, :width]
        for column in range(self._targets.shape[1]):
            torch.gt(logits, self._expected[:, column, None], out=work)
            self.ranks[:, column] += work.sum(-1).long()
        inside = (self._targets >= start) & (self._targets < start + width)
        rows, columns = inside.nonzero(as_tuple=True)
        if len(rows):
            self.logits[rows, columns] = logits[rows, self._targets[rows, columns] - start]

    def agreed(self) -> bool:
        """Whether every target's logit was what had been expected, to the bit."""
        return torch.equal(self.logits, self._expected)


class FlooredDivergence:
    """Σ max(p_ref, c) (log max(p_ref, c) - log max(p, c)) for pairs of rows, in nats.

    Both distributions clipped from below at c and not renormalised; needs their log-sum-exps, so it
    takes a second walk.
    """

    def __init__(
        self,
        logsumexp: Float[Tensor, " n"],
        references: Int[Tensor, "n pairs"],
        floor: float,
        work: Tensor,
    ) -> None:
        self._logsumexp = logsumexp
        self._references = references
        self._log_floor = math.log(floor)
        self._work = work
        self.sums = torch.zeros(references.shape, dtype=logsumexp.dtype, device=logsumexp.device)

    def add(self, logits: Float[Tensor, "n width"]) -> None:
        """Takes in a chunk and overwrites it."""
        work = self._work[:, : logits.shape[1]]
        logits -= self._logsumexp.to(logits.dtype)[:, None]
        logits.clamp_(min=self._log_floor)
        for pair in range(self._references.shape[1]):
            torch.index_select(logits, 0, self._references[:, pair], out=work)
            share = work.exp()
            self.sums[:, pair] += work.sub_(logits).mul_(share).sum(-1)
