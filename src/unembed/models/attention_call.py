"""One call of an attention kernel: what goes in, and scores, sink and pattern as it has them.

The observer sees tensors with the rows of the batch in front and returns either the same object,
or a changed one that is used in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

SEEN = ("scores", "sink", "pattern")  # what is computed beside the kernel, in that order
SINKS = ("s_aux", "sinks")  # what kernels call the logits of their sinks


class AttentionObserver(Protocol):
    """What a run wants from attention."""

    def on(self, core: nn.Module, site: str, value: Tensor) -> Tensor:
        """See `q`, `k`, `v` [row, head, pos, d_head]; scores, pattern [row, head, query, key].

        `sink` is [row, head, query]: the share of a query's attention that goes to no position.
        """

    def wants(self, core: nn.Module, site: str) -> bool:
        """Whether `scores`, `sink` or `pattern` must be computed."""

    def heads(self, core: nn.Module) -> Sequence[int] | None:
        """The query heads to compute `scores` and `pattern` for; None is all of them."""

    def queries(self, core: nn.Module) -> Sequence[int] | None:
        """The query positions to compute them for; None is all of them."""


class KernelArguments:
    """One call of an attention kernel: [row, head, pos, d_head] each, the mask as it was given."""

    def __init__(
        self,
        core: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        kwargs: dict[str, Any],
    ) -> None:
        self.core, self.query, self.key, self.value = core, query, key, value
        self.mask, self.kwargs = mask, kwargs

    def scores(self, heads: Sequence[int], rows: Sequence[int] | None = None) -> Tensor:
        """The argument of the softmax [row, head, query, key]; -inf where masked."""
        group = self.query.shape[1] // self.key.shape[1]
        key = self.key[:, [head // group for head in heads]]
        width = torch.float64 if self.query.dtype == torch.float64 else torch.float32
        scale = self.kwargs.get("scaling")
        scale = self.query.shape[-1] ** -0.5 if scale is None else scale
        query = self.query[:, list(heads)]
        query = query if rows is None else query[:, :, list(rows)]
        scores = (query @ key.transpose(-1, -2)).to(width) * scale
        softcap = self.kwargs.get("softcap")
        if softcap is not None:
            scores = torch.tanh(scores / softcap) * softcap
        bias = self.kwargs.get("position_bias")
        if bias is not None:
            bias = bias if bias.shape[1] == 1 else bias[:, list(heads)]
            scores = scores + (bias if rows is None else bias[:, :, list(rows)])
        return self._masked(scores, heads, rows)

    def _masked(self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None) -> Tensor:
        n_query, n_key = self.query.shape[2], scores.shape[-1]
        kept = slice(None) if rows is None else list(rows)
        if self.mask is None:
            causal = self.kwargs.get("is_causal")
            causal = getattr(self.core, "is_causal", True) if causal is None else causal
            if not causal or n_query == 1:
                return scores
            future = torch.ones(n_query, n_key, dtype=torch.bool, device=scores.device).triu(1)
            return scores.masked_fill(future[kept], float("-inf"))
        mask = self.mask[..., :n_key]
        mask = mask if mask.shape[2] == 1 else mask[:, :, kept]
        mask = mask if mask.shape[1] == 1 else mask[:, list(heads)]
        if mask.dtype == torch.bool:
            return scores.masked_fill(~mask, float("-inf"))
        return masked_as_infinite(scores + mask, mask.dtype)

    @property
    def sinks(self) -> Tensor | None:
        """The logits of the sink: [head], or [row, head, query, 1]; None without one."""
        return next((one for name in SINKS if (one := self.kwargs.get(name)) is not None), None)

    def share(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None = None
    ) -> Tensor | None:
        """The share of each query that goes to the sink [row, head, query]; None without one."""
        logits = self._sink_logits(scores, heads, rows)
        return None if logits is None else torch.sigmoid(logits - torch.logsumexp(scores, -1))

    def _sink_logits(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None
    ) -> Tensor | None:
        sinks = self.sinks
        if sinks is None:
            return None
        if sinks.dim() == 1:
            return sinks[list(heads)].to(scores.dtype).view(1, -1, 1).expand(scores.shape[:3])
        own = sinks[:, list(heads), :, 0].to(scores.dtype)
        return own if rows is None else own[:, :, list(rows)]

    def pattern(
        self, scores: Tensor, heads: Sequence[int], rows: Sequence[int] | None = None
    ) -> Tensor:
        """Softmax of the scores; heads with a sink spend some of it there."""
        logits = self._sink_logits(scores, heads, rows)
        if logits is None:
            return self.over_keys(scores)
        whole = torch.softmax(torch.cat([scores, logits[..., None]], dim=-1), dim=-1)
        return whole[..., :-1].to(self.query.dtype)

    def over_keys(self, scores: Tensor, share: Tensor | None = None) -> Tensor:
        """Softmax of the scores, of which a sink has had its share."""
        pattern = torch.softmax(scores, dim=-1)
        if share is not None:
            pattern = pattern * (1 - share[..., None])
        pattern = pattern.to(self.query.dtype)
        if len(scores) == 1:
            return pattern
        # padding may see nothing at all (a window behind the text): not a number otherwise
        blind = scores.amax(-1, keepdim=True).isneginf()
        return pattern.masked_fill(blind, 0.0)

    def mixed(self, pattern: Tensor, heads: Sequence[int]) -> Tensor:
        """pattern · v: [row, head, query, d_head]."""
        group = self.query.shape[1] // self.value.shape[1]
        return pattern @ self.value[:, [head // group for head in heads]]


def masked_as_infinite(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Kernels mask with the lowest number of their type; show it as what it means."""
    return scores.masked_fill(scores <= torch.finfo(dtype).min / 2, float("-inf"))


class Changed(NamedTuple):
    """What other patterns mix, of some heads at some queries."""

    heads: Sequence[int]
    queries: Sequence[int] | None  # None: all
    rows: Tensor  # which of these did change: [row, head, query]
    mixed: Tensor  # [row, head, query, d_head]


def see_pattern(
    observer: AttentionObserver,
    call: KernelArguments,
    weights: Tensor | None,
    wanted: Sequence[str],
) -> Changed | None:
    """Show scores, sink and pattern; what they mix now where that changed."""
    chosen = observer.heads(call.core)
    heads = range(call.query.shape[1]) if chosen is None else chosen
    before, after = _edited(
        observer, call, _own(weights, heads, observer, call.core), heads, wanted
    )
    if after is before:
        return None
    changed = torch.ne(after, before).any(dim=-1)  # an observer that edits asks for every row
    if torch.is_grad_enabled():  # gradients need all that was shown in the result
        changed = torch.ones_like(changed)
    return Changed(heads, observer.queries(call.core), changed, call.mixed(after, heads))


def _own(
    weights: Tensor | None, heads: Sequence[int], observer: AttentionObserver, core: nn.Module
) -> Tensor | None:
    """What the kernel itself returned of the wanted part of the pattern."""
    rows = observer.queries(core)
    own = None if weights is None else weights[:, list(heads)]
    return own if own is None or rows is None else own[:, :, list(rows)]


def _edited(
    observer: AttentionObserver,
    call: KernelArguments,
    own: Tensor | None,
    heads: Sequence[int],
    wanted: Sequence[str],
) -> tuple[Tensor, Tensor]:
    """The pattern before and after the observer saw it; the same object where nothing changed."""
    rows = observer.queries(call.core)
    if own is not None and "scores" not in wanted and call.sinks is None:
        return own, _shown(observer, call, own, wanted)
    scores = call.scores(heads, rows)
    share = call.share(scores, heads, rows)
    if own is None:
        own = call.pattern(scores, heads, rows)
    elif share is not None:
        own = less_sink(own, share)
    before = pattern = own
    if "scores" in wanted:
        seen = observer.on(call.core, "scores", scores)
        if seen is not scores:
            before = call.pattern(scores, heads, rows)
            pattern = call.pattern(seen, heads, rows)
            scores, share = seen, call.share(seen, heads, rows)
    if share is not None and "sink" in wanted:
        seen = observer.on(call.core, "sink", share)
        if seen is not share:
            rescaled = call.over_keys(scores, seen)
            kept = (seen == share)[..., None] & (not torch.is_grad_enabled())
            pattern = torch.where(kept, pattern, rescaled)
    return before, _shown(observer, call, pattern, wanted)


def _shown(
    observer: AttentionObserver, call: KernelArguments, pattern: Tensor, wanted: Sequence[str]
) -> Tensor:
    return observer.on(call.core, "pattern", pattern) if "pattern" in wanted else pattern


def less_sink(weights: Tensor, share: Tensor) -> Tensor:
    """A kernel's weights without what its sink takes: some kernels return them from before.

    Those sum to 1; of the others the share is missing.
    """
    total, left = weights.to(share).sum(-1), 1 - share
    if (total - left).abs().max() <= (total - 1).abs().max():
        return weights
    return weights * left[..., None].to(weights)


def rewritten(output: Tensor, changed: Changed) -> Tensor:
    """The kernel's output [row, query, head, d_head] with what changed of the changed heads."""
    output = output.clone()
    queries = range(output.shape[1]) if changed.queries is None else changed.queries
    place = (slice(None), torch.tensor(queries)[:, None], torch.tensor(changed.heads))
    changes = changed.rows.transpose(1, 2).unsqueeze(-1)
    output[place] = torch.where(changes, changed.mixed.transpose(1, 2), output[place])
    return output
