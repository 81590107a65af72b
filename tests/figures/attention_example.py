"""Attention to draw, by hand: every awkward token, signs, sinks, a causal and a whole pattern."""

from __future__ import annotations

import torch

from unembed.analyses.attention.edges import strongest
from unembed.analyses.attention.result import AttentionResult

from .conftest import AWKWARD


def attention_of(
    heads: int = 3,
    tokens: int = 6,
    *,
    seed: int = 0,
    causal: bool = True,
    signed: bool = False,
    sink: bool = False,
    queries: tuple[int, ...] | None = None,
    mass: float = 0.7,
) -> AttentionResult:
    """Random heads of layers 4 and 5 on tokens that repeat the awkward ones."""
    draw = torch.Generator().manual_seed(seed)
    queries = tuple(range(tokens)) if queries is None else queries
    scores = 2 * torch.randn(heads, tokens, tokens + sink, generator=draw, dtype=torch.float64)
    future = torch.ones(tokens, tokens + sink).triu(1 + sink).bool()
    if sink:
        future[:, 0] = False  # in the first column: what goes to no token
    if causal:
        scores = scores.masked_fill(future, -torch.inf)
    shares = scores.softmax(-1)[:, list(queries)]
    values = shares[..., int(sink) :]
    if signed:
        values = values * torch.randn(values.shape, generator=draw, dtype=torch.float64)
    combined = values.mean(0)
    kept = strongest(combined, mass, queries)
    return AttentionResult(
        heads=tuple(f"L{4 + at // 2}.H{at % 2}" for at in range(heads)),
        part="self",
        key_tokens=None,
        queries=queries,
        tokens=tuple(AWKWARD[at % len(AWKWARD)] for at in range(tokens)),
        measure="target" if signed else "attention",
        unit="direct effect on the logit of ' x'" if signed else "share of attention",
        combine="mean",
        weights=(1.0,) * heads,
        special="shown",
        between="all",
        segments=(),
        mass=mass,
        provenance={"model": "by <hand> & eye", "dtype": "float64"},
        values=values,
        combined=combined,
        sink=shares[..., 0] if sink else None,
        edge_queries=kept.queries,
        edge_keys=kept.keys,
        edge_values=kept.values,
    )
