"""From states of the residual stream to what they predict, without holding [states, vocabulary].

`Unembedding.logits` is the model's own product, for few states. `Unembedding.read` goes through the
vocabulary in chunks that stay in the processor's cache and keeps only what people look at: the top
k, log-sum-exp, entropy, the logits and ranks of target tokens, divergences between states. The
same call gives the same bytes. Knows torch and no model: built from a matrix, a bias, and what the
model does to its logits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.reading.readout import Readout
from unembed.engine.reading.running import (
    BLOCK,
    FlooredDivergence,
    RankCounter,
    RunningMean,
    RunningSums,
    RunningTop,
    block_maxima,
)
from unembed.errors import InputError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float, Int


# One chunk of logits. Smaller ones stay in the second-level cache and are a tenth faster on an idle
# machine; but every step over a chunk makes all threads meet, and on a busy machine (a browser
# beside the server) each meeting waits for the slowest: fewer, larger steps cost less there.
CHUNK_BYTES = 16 * 1024 * 1024
MIN_CHUNK = 2 * BLOCK  # columns; narrower products lose more than the cache gives


@dataclass(frozen=True)
class _Request:
    """The arguments of one reading, checked."""

    states: Float[Tensor, "n d"]
    k: int
    targets: Int[Tensor, "n m"]
    references: Int[Tensor, "n pairs"]
    kl_floor: float | None
    mean: bool
    cancel: Cancel | None


@dataclass(frozen=True)
class _Buffers:
    """Working memory of one chunk; the same tensor twice unless the weights are half precision."""

    product: Float[Tensor, "n width"]  # in the dtype of the weights, as the model has it
    logits: Float[Tensor, "n width"]  # float32 or float64


class Unembedding:
    """`logits = softcap((states · Wᵀ + bias) * scale / divisor)`, in the order that models do it.

    `scale` and `divisor` are apart because x / 8 and x * 0.125 round alike but x / 10 and x * 0.1
    do not: Granite divides, Cohere multiplies.
    """

    def __init__(
        self,
        weight: Float[Tensor, "vocab d"],
        bias: Float[Tensor, " vocab"] | None = None,
        *,
        scale: float = 1.0,
        divisor: float = 1.0,
        softcap: float | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.weight = weight.detach()
        self.bias = None if bias is None else bias.detach()
        self.scale = scale
        self.divisor = divisor
        self.softcap = softcap
        self._chunk_bytes = chunk_bytes

    @property
    def vocab_size(self) -> int:
        return int(self.weight.shape[0])

    def logits(
        self, states: Float[Tensor, "n d"], ids: Sequence[int] | None = None
    ) -> Float[Tensor, "n tokens"]:
        """Every logit, as the model computes them, or those of some tokens; differentiable.

        Size n x tokens: for few states, or few tokens.
        """
        states = self._as_weight(states)
        some = slice(None) if ids is None else list(ids)
        bias = None if self.bias is None else self.bias[some]
        logits = torch.nn.functional.linear(states, self.weight[some], bias)
        if self.scale != 1.0:
            logits = logits * self.scale
        if self.divisor != 1.0:
            logits = logits / self.divisor
        if self.softcap is not None:
            logits = torch.tanh(logits / self.softcap) * self.softcap
        return logits

    @torch.no_grad()
    def read(
        self,
        states: Float[Tensor, "n d"],
        *,
        k: int = 10,
        targets: Int[Tensor, "n ..."] | None = None,
        references: Int[Tensor, "n ..."] | None = None,
        kl_floor: float | None = None,
        mean: bool = False,
        cancel: Cancel | None = None,
        progress: Progress | None = None,
    ) -> Readout:
        """What each state predicts.

        `targets` are token ids, one or m per state. `references` index `states`: one or several
        per state, each giving a KL(reference ‖ state); a state that names itself gets exactly 0.
        States that share references should stand close together: they are read in one product.
        `kl_floor` clips both distributions of a divergence from below, without renormalising them;
        that takes a second walk through the vocabulary. `mean` asks for the mean of all logits.
        Raises InputError where a state, or a row's largest logit, is not finite; single logits of
        -inf, from a bias that forbids tokens, are allowed.
        """
        states = self._as_weight(states)
        n = len(states)
        request = _Request(
            states=states,
            k=_checked_k(k, self.vocab_size),
            targets=_columns(targets, n, self.vocab_size, "targets").to(states.device),
            references=_columns(references, n, n, "references").to(states.device),
            kl_floor=kl_floor,
            mean=mean,
            cancel=cancel,
        )
        _require_finite("state", states.isfinite().all(-1), states.dtype)
        tiles = self._tiles(n)
        shares = [_share(progress, done, len(tiles)) for done in range(len(tiles))]
        parts = [self._read_tile(request, *both) for both in zip(tiles, shares, strict=True)]
        readout = Readout.joined(parts)
        _require_finite("distribution", readout.logsumexp.isfinite(), states.dtype)
        return readout

    def _tiles(self, n: int) -> list[range]:
        """States read together: as many as leave chunks a useful width."""
        most = max(1, self._chunk_bytes // (self._accurate_dtype().itemsize * MIN_CHUNK))
        return [range(start, min(start + most, n)) for start in range(0, max(n, 1), most)]

    def _read_tile(self, request: _Request, own: range, share: Progress) -> Readout:
        """Reads the states of `own`, and with them the references that lie elsewhere."""
        wanted = torch.unique(request.references[own.start : own.stop])
        outside = wanted[(wanted < own.start) | (wanted >= own.stop)]
        rows = torch.cat([torch.arange(own.start, own.stop, device=outside.device), outside])
        place = rows.new_zeros(len(request.states))
        place[rows] = torch.arange(len(rows), device=rows.device)
        references = place[request.references[rows]]
        references[len(own) :] = 0  # the readings of these rows are dropped
        tile = replace(
            request,
            states=request.states[rows],
            targets=request.targets[rows],
            references=references,
        )
        return self._scan(tile, share).first(len(own))

    def _scan(self, request: _Request, share: Progress) -> Readout:
        """One walk through the vocabulary; another for a floor, and in rare cases for ranks."""
        targets, n_walks = request.targets, 1 if request.kl_floor is None else 2
        first, second = (_share(share, walk, n_walks) for walk in range(2))
        buffers = self._buffers(len(request.states), self._chunk_width(len(request.states)))
        top = RunningTop(len(request.states), request.k, buffers.logits)
        sums = RunningSums(buffers.logits, request.references, masked=self._has_masked_tokens())
        ranks = RankCounter(
            targets, self._target_logits(request, buffers.logits.shape[1]), sums.scratch
        )
        mean = RunningMean(buffers.logits) if request.mean else None
        readout = _walk(self._chunks(request, buffers, first), top, sums, ranks, mean)
        if not ranks.agreed():
            again = RankCounter(targets, ranks.logits, sums.scratch)
            for start, logits in self._chunks(request, buffers, first):
                again.add(start, logits)
            readout = replace(readout, ranks=again.ranks)
        if request.kl_floor is None:
            return readout
        floored = FlooredDivergence(
            readout.logsumexp, request.references, request.kl_floor, sums.scratch
        )
        for _, logits in self._chunks(request, buffers, second):
            floored.add(logits)
        return replace(readout, kl=floored.sums)

    def _chunks(
        self, request: _Request, buffers: _Buffers, share: Progress
    ) -> Iterator[tuple[int, Tensor]]:
        """Chunks of logits with the token that each starts at, in order.

        Every product has the same shape, so that equal columns give equal bits wherever they
        stand; the last chunk therefore reaches back and is cut.
        """
        width = buffers.logits.shape[1]
        for start in range(0, self.vocab_size, width):
            if request.cancel is not None:
                request.cancel.check()
            begin = min(start, self.vocab_size - width)
            rows = slice(begin, begin + width)
            bias = None if self.bias is None else self.bias[rows]
            logits = self._product(request.states, self.weight[rows], bias, buffers)
            share("projecting", begin + width, self.vocab_size)
            yield start, logits[:, start - begin :]

    def _target_logits(self, request: _Request, widest: int) -> Float[Tensor, "n m"]:
        """The logit of each state's targets, by products as like a chunk's as is cheap.

        Most libraries give equal columns equal bits whatever the width of the product; where one
        does not, RankCounter notices.
        """
        targets = request.targets
        found = targets.new_empty(targets.shape, dtype=self._accurate_dtype())
        for ids in torch.unique(targets).split(widest):
            width = min(-(-len(ids) // MIN_CHUNK) * MIN_CHUNK, widest)
            padded = torch.cat([ids, ids.new_zeros(width - len(ids))])
            bias = None if self.bias is None else self.bias[padded]
            buffers = self._buffers(len(targets), width)
            logits = self._product(request.states, self.weight[padded], bias, buffers)
            slot = torch.searchsorted(ids, targets).clamp_max(len(ids) - 1)
            here = ids[slot] == targets
            found = torch.where(here, logits.gather(1, slot), found)
        return found

    def _product(
        self, states: Tensor, weight: Tensor, bias: Tensor | None, buffers: _Buffers
    ) -> Float[Tensor, "n width"]:
        if bias is None:
            torch.mm(states, weight.t(), out=buffers.product)
        else:
            torch.addmm(bias, states, weight.t(), out=buffers.product)
        self._finish(buffers.product)
        if buffers.logits is not buffers.product:
            buffers.logits.copy_(buffers.product)
        return buffers.logits

    def _finish(self, product: Tensor) -> None:
        """In place, what `logits` does after its product: the same operations, the same bits."""
        if self.scale != 1.0:
            product.mul_(self.scale)
        if self.divisor != 1.0:
            product.div_(self.divisor)
        if self.softcap is not None:
            product.div_(self.softcap).tanh_().mul_(self.softcap)

    def _chunk_width(self, n: int) -> int:
        columns = self._chunk_bytes // (self._accurate_dtype().itemsize * max(n, 1))
        return min(max(columns // BLOCK * BLOCK, MIN_CHUNK), self.vocab_size)

    def _buffers(self, n: int, width: int) -> _Buffers:
        product = self.weight.new_empty((n, width))
        return _Buffers(product, product.to(self._accurate_dtype()))

    def _accurate_dtype(self) -> torch.dtype:
        """Half precision is summed in float32."""
        return torch.promote_types(self.weight.dtype, torch.float32)

    def _has_masked_tokens(self) -> bool:
        return self.bias is not None and bool(self.bias.isneginf().any())

    def _as_weight(self, states: Tensor) -> Tensor:
        return states.to(device=self.weight.device, dtype=self.weight.dtype)


@torch.no_grad()
def read_logits(
    logits: Float[Tensor, "n vocab"],
    *,
    k: int = 10,
    targets: Int[Tensor, "n ..."] | None = None,
    references: Int[Tensor, "n ..."] | None = None,
    mean: bool = False,
) -> Readout:
    """`Unembedding.read` for logits that are held already: a few rows. Leaves them as they are."""
    n, vocab_size = logits.shape
    _checked_k(k, vocab_size)
    targets = _columns(targets, n, vocab_size, "targets").to(logits.device)
    references = _columns(references, n, n, "references").to(logits.device)
    accurate = torch.promote_types(logits.dtype, torch.float32)
    held = logits.detach().to(accurate, copy=True)
    top = RunningTop(n, k, held)
    sums = RunningSums(held, references, masked=bool(held.isneginf().any()))
    ranks = RankCounter(targets, held.gather(1, targets), sums.scratch)
    readout = _walk([(0, held)], top, sums, ranks, RunningMean(held) if mean else None)
    _require_finite("distribution", readout.logsumexp.isfinite(), logits.dtype)
    return readout


def _walk(
    chunks: Iterable[tuple[int, Tensor]],
    top: RunningTop,
    sums: RunningSums,
    ranks: RankCounter,
    mean: RunningMean | None,
) -> Readout:
    """Takes in every chunk, and overwrites it."""
    for start, logits in chunks:
        maxima = block_maxima(logits)
        top.add(start, logits, maxima)
        ranks.add(start, logits)
        if mean is not None:
            mean.add(logits)
        sums.add(logits, maxima.amax(-1))  # last: it overwrites the logits
    return Readout(
        top_ids=top.ids,
        top_logits=top.values,
        logsumexp=sums.logsumexp(),
        entropy=sums.entropy(),
        target_logits=ranks.logits,
        ranks=ranks.ranks,
        kl=sums.divergence(),
        mean=top.values.new_empty((len(top.ids), 0)) if mean is None else mean.found(),
    )


def _columns(indices: Tensor | None, n: int, limit: int, name: str) -> Int[Tensor, "n m"]:
    """Indices as a matrix with a row per state, checked; no columns where there are none."""
    if indices is None:
        return torch.empty((n, 0), dtype=torch.long)
    columns = indices.long().reshape(n, -1) if indices.shape[:1] == (n,) else None
    if columns is None:
        raise InputError(
            f"{name} has shape {list(indices.shape)}; it needs one row for each of {n} states",
            field=name,
            value=list(indices.shape),
            legal=f"[{n}] or [{n}, m]",
        )
    wrong = columns[(columns < 0) | (columns >= limit)]
    if len(wrong):
        raise InputError(
            f"{name} holds {int(wrong[0])}; legal are 0 to {limit - 1}",
            field=name,
            value=int(wrong[0]),
            legal=f"0 to {limit - 1}",
        )
    return columns


def _checked_k(k: int, vocab_size: int) -> int:
    if not 1 <= k <= vocab_size:
        raise InputError(
            f"k is {k}; this model has {vocab_size} tokens to list",
            field="k",
            value=k,
            legal=f"1 to {vocab_size}",
        )
    return k


def _require_finite(what: str, finite: Tensor, dtype: torch.dtype) -> None:
    if bool(finite.all()):
        return
    row = int((~finite).nonzero()[0])
    raise InputError(
        f"{what} {row} of {len(finite)} is not finite in {str(dtype).removeprefix('torch.')}: "
        "what was computed before it overflowed",
        field="edits",
        value=row,
        fix="use smaller edits, or load the model in float32",
    )


def _share(progress: Progress | None, done: int, parts: int) -> Progress:
    """The progress of one of several parts, reported as progress of the whole."""

    def report(stage: str, part_done: int, part_total: int) -> None:
        if progress is not None:
            progress(stage, done * part_total + part_done, parts * part_total)

    return report
