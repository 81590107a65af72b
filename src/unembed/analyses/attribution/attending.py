"""Queries and keys as nodes: what the objective loses, through the pattern, where one is replaced.

A gradient sees a softmax by its slope, which is flat where one key has nearly all attention: there
a query that matters looks as if it did not. AtP* (Kramár et al. 2024, arXiv:2403.00745, section
3.1.1) makes the softmax anew with the query or key replaced, and multiplies what changes of the
pattern with the gradient of the pattern.

A query's row of the pattern is its own, and a key's column of scores is its own. So with what every
layer adds held, one run with all queries replaced has the row of each, and one with all keys
replaced the column of each; the softmax with one column changed is made of sums over the others.
Nodes of this kind write nothing to the stream themselves: they are beside the sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from unembed.analyses.attribution.references import References
from unembed.analyses.attribution.result import NodeGroup
from unembed.analyses.tools.frozen import accurate
from unembed.engine.loaded import Loaded
from unembed.engine.names.taps import why_not
from unembed.engine.passes.run import Run
from unembed.engine.targets import SiteKey

if TYPE_CHECKING:
    from jaxtyping import Float

    Pattern = Float[Tensor, "head query key"]

ROUNDING = 1e-3  # of a pattern, beside the softmax of its scores
ROUNDING_OF_HALF = 2e-2


@dataclass(frozen=True, eq=False)
class Attending:
    """What patterns become of with queries and keys replaced, by layer.

    Args:
        by_query: the pattern less the one with each query replaced, in its own row.
        by_key: what the pattern with one key replaced is made of; not of the layers in
        odd: whose pattern is not the softmax of its scores.
    """

    by_query: Mapping[int, Pattern]
    by_key: Mapping[int, KeyScores]
    odd: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class KeyScores:
    """Scores of a layer, those with every key replaced, and the share of attention of a sink."""

    scores: Pattern
    replaced: Pattern
    sink: Float[Tensor, "head query"] | None

    def changes(self, slope: Pattern) -> Float[Tensor, "head key"]:
        """Sum over queries of (pattern - pattern with this one key replaced) · slope.

        In float64 and by sums over the other keys: their attention is what is left of 1 where a
        key has nearly all of it, and would be lost in the difference.
        """
        scores, replaced, slope = (one.double() for one in (self.scores, self.replaced, slope))
        highest = scores.amax(-1, keepdim=True)
        weights = (scores - highest).exp()
        whole = weights.sum(-1, keepdim=True)
        aside = torch.zeros_like(whole)
        if self.sink is not None:
            share = self.sink.double()[..., None]
            aside = whole * share / (1 - share)
        moved = weights * slope
        now = moved.sum(-1, keepdim=True) / (whole + aside)
        top = torch.maximum(highest, replaced)
        others, own = (highest - top).exp(), (replaced - top).exp()
        after = (_of_others(moved) * others + own * slope) / (
            (_of_others(weights) + aside) * others + own
        )
        return (now - after).sum(1)

    def distance(self, pattern: Pattern) -> float:
        """How far a pattern is from the softmax of the scores; one that was edited is far."""
        softmax = self.scores.double().softmax(-1)
        if self.sink is not None:
            softmax = softmax * (1 - self.sink.double()[..., None])
        return float((softmax - pattern.double()).abs().max())


def _of_others(values: Pattern) -> Pattern:
    """For each entry the sum of all others of its row, without a difference."""
    before = pad(values.cumsum(-1)[..., :-1], (1, 0))
    behind = pad(values.flip(-1).cumsum(-1)[..., :-1], (1, 0)).flip(-1)
    return before + behind


def layers_attending(model: Loaded) -> tuple[int, ...]:
    """Layers whose queries are seen."""
    layers = range(model.anatomy.n_layers)
    return tuple(one for one in layers if why_not(model.anatomy, SiteKey("q", one)) is None)


def own_keys(model: Loaded) -> tuple[int, ...]:
    """Of these, the layers whose keys they make and read alone."""
    layers = layers_attending(model)
    read = [model.anatomy.layer_of_keys(layer) for layer in layers]
    return tuple(
        one for one, made in zip(layers, read, strict=True) if made == one and read.count(one) == 1
    )


def sites_of(model: Loaded) -> tuple[list[SiteKey], list[SiteKey]]:
    """Where gradients are taken for queries and keys, and what else of the run is read."""
    keys = own_keys(model)
    variables = [SiteKey(site, one) for one in layers_attending(model) for site in ("q", "pattern")]
    variables += [SiteKey("k", one) for one in keys]
    read = [SiteKey(site, one) for one in keys for site in ("scores", "sink")]
    return variables, [key for key in read if why_not(model.anatomy, key) is None]


def count_attending(model: Loaded) -> int:
    """How many queries and keys there are at a position."""
    blocks = model.anatomy.blocks
    queries = sum(blocks[one].attention.n_heads for one in layers_attending(model))
    return queries + sum(blocks[one].attention.n_kv_heads for one in own_keys(model))


def attending(seen: Run, queries: Run, keys: Run) -> Attending:
    """Of a run, one with every query replaced and one with every key replaced."""
    model = seen.model
    half = model.dtype in (torch.float16, torch.bfloat16)
    by_query, by_key, odd = {}, {}, []
    for layer in layers_attending(model):
        pattern, changed = (
            accurate(one.activations[SiteKey("pattern", layer)]) for one in (seen, queries)
        )
        by_query[layer] = pattern - changed
        if SiteKey("scores", layer) not in keys.activations:
            continue
        sink = seen.activations.get(SiteKey("sink", layer))
        scores, replaced = (one.activations[SiteKey("scores", layer)] for one in (seen, keys))
        made = KeyScores(
            scores.detach(), replaced.detach(), None if sink is None else sink.detach().T
        )
        if made.distance(pattern) <= (ROUNDING_OF_HALF if half else ROUNDING):
            by_key[layer] = made
        else:
            odd.append(layer)
    return Attending(by_query, by_key, tuple(odd))


class QueriesAndKeys:
    """Makes the groups of queries and of keys of one run.

    Args:
        run: with every site of `sites_of`.
        references: what queries and keys are compared with.
        made: what patterns become of with them replaced; None: by the gradient at each.
    """

    def __init__(self, run: Run, references: References, made: Attending | None) -> None:
        self.run, self.model, self.references, self.made = run, run.model, references, made

    @property
    def notes(self) -> list[str]:
        """Of which layers keys are no rows, and why."""
        shared = set(layers_attending(self.model)) - set(own_keys(self.model))
        odd = () if self.made is None else self.made.odd
        whys = {
            "layers share them": sorted(shared),
            "its pattern is not the softmax of its scores": odd,
        }
        return [
            f"keys of {', '.join(f'L{layer}' for layer in layers)} are no rows: {why}"
            for why, layers in whys.items()
            if layers
        ]

    @torch.no_grad()
    def groups(self, slopes: Mapping[SiteKey, Tensor]) -> Iterator[NodeGroup]:
        """Those of every layer, queries before keys. `slopes`: gradients of the objective."""
        keys = own_keys(self.model)
        for layer in layers_attending(self.model):
            yield _group("query", layer, self._of_queries(layer, slopes))
            if layer in keys and not (self.made and layer in self.made.odd):
                yield _group("key", layer, self._of_keys(layer, slopes))

    def _of_queries(
        self, layer: int, slopes: Mapping[SiteKey, Tensor]
    ) -> Float[Tensor, "query head"]:
        if self.made is None:
            return self._linear(SiteKey("q", layer), slopes)
        changes = self.made.by_query[layer]
        return (changes * slopes[SiteKey("pattern", layer)].to(changes)).sum(-1).T

    def _of_keys(
        self, layer: int, slopes: Mapping[SiteKey, Tensor]
    ) -> Float[Tensor, "key kv_head"]:
        """Through all heads that share a key."""
        if self.made is None:
            return self._linear(SiteKey("k", layer), slopes)
        by_head = self.made.by_key[layer].changes(slopes[SiteKey("pattern", layer)])
        n_kv_heads = self.model.block(layer).attention.n_kv_heads
        return by_head.reshape(n_kv_heads, -1, by_head.shape[-1]).sum(1).T

    def _linear(self, key: SiteKey, slopes: Mapping[SiteKey, Tensor]) -> Float[Tensor, "pos head"]:
        """(value - reference) · gradient."""
        values, reference = accurate(self.run.activations[key]), self.references.of(key)
        if reference is not None:
            values = values - reference.to(values)
        return (values * slopes[key].to(values)).sum(-1)


def _group(kind: str, layer: int, total: Float[Tensor, "pos head"]) -> NodeGroup:
    return NodeGroup(
        "query" if kind == "query" else "key",
        layer,
        f"L{layer}.H",
        None,
        torch.zeros_like(total),
        None,
        total,
        beside=True,
    )
