"""Which edges are kept, and what they carry: of one prompt, or in the mean over many pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.asked import Asked, Mask
from unembed.analyses.circuits.graph import Graph
from unembed.analyses.circuits.naming import edge_numbers, edges_by_hand
from unembed.analyses.circuits.options import CircuitEdges
from unembed.analyses.circuits.rating import edges_of
from unembed.analyses.circuits.result import (
    Circuit,
    CircuitEdge,
    CircuitPoint,
    HeldOut,
    PairCarried,
    areas_of,
    nodes_of,
    share_kept,
)
from unembed.analyses.patching.result import LeftOut
from unembed.errors import InputError
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int


class Search:
    """One circuit.

    Args:
        asked: what it is found of; effects and values are means over these.
        words: the objective.
        given: the effect of every edge, in place of what the estimator says.
        held: what the circuit is measured on, too.
        pairs: number and clean prompt of what is asked, then of what is held; none of one prompt.
    """

    def __init__(
        self,
        asked: Sequence[Asked],
        words: str,
        graph: Graph,
        options: CircuitEdges,
        progress: Progress | None,
        given: Tensor | None = None,
        held: Sequence[Asked] = (),
        pairs: Sequence[tuple[int, str]] = (),
    ) -> None:
        self.asked, self.words, self.graph, self.options = asked, words, graph, options
        self.progress, self.given, self.held, self.pairs = progress, given, held, pairs
        self.done, self.total = 0, 0  # runs

    def circuit(self, left_out: tuple[LeftOut, ...] = ()) -> Circuit:
        options, graph, first = self.options, self.graph, self.asked[0]
        effects = self._effects() if self.given is None else self.given
        order = _strongest_first(effects, graph)
        kept = self._mask(order[: self._n_kept(effects, order)])
        kept = edges_by_hand(graph, kept, options.include, options.exclude)
        edges = self._edges(kept, effects, order)
        self._check_named(kept)
        measured, curve = self._measured_places(edges), self._curve_masks(order)
        ends: list[Mask] = [lambda: self._mask(order[:0]), lambda: kept]
        sets, again = [*ends, *self._without(measured, kept), *curve], [*ends, *curve]
        self.total = len(sets) * len(self.asked) + len(again) * len(self.held)
        found, tried = self._values(self.asked, sets), self._values(self.held, again)
        whole, none, value, *values = _means(found)
        lost = values[: 2 * len(measured)]
        edges = self._measured(edges, measured, lost, whole, value)
        return Circuit(
            objective=self.words,
            position=first.objective.position,
            tokens=first.seen.tokens,
            n_pairs=len(self.asked),
            left_out=left_out,
            by_pair=self._by_pair([*found, *tried]),
            held_out=self._held_out(tried),
            ablation=options.ablation,
            estimator=options.estimator if self.given is None else "given",
            whole=whole,
            none=none,
            value=value,
            by_position=options.by_position,
            n_edges=graph.n_edges,
            n_heads=tuple(layer.n_heads for layer in graph.layers),
            nodes=nodes_of(edges),
            edges=edges,
            curve=self._curve(values[len(lost) :], whole, none),
            cost=self._cost(),
            provenance=first.seen.provenance,
            graph=graph,
            effects=effects,
            d_model=first.model.anatomy.d_model,
        )

    # ------------------------------------------------------------ over all that is asked

    def _effects(self) -> Float[Tensor, "source reader *pos"]:
        steps = self.options.steps if self.options.estimator == "integrated" else 1
        gradients, total = 0, len(self.asked) * steps

        def passed() -> None:
            nonlocal gradients
            self._say("gradients of edges", gradients, total)
            gradients += 1

        found = None
        for one in self.asked:
            effects = one.effects(self.graph, passed)
            found = effects if found is None else found + effects
            self._release(one)
        if found is None:
            raise AssertionError("something is asked")
        return found / len(self.asked)

    def _values(self, asked: Sequence[Asked], sets: Sequence[Mask]) -> list[list[float]]:
        """Of each, the objective of the whole model, then with each set of edges alone."""
        found = []
        for one in asked:
            own: list[float] = []
            for values in one.values(self.graph, sets):
                self._say("runs of circuits", self.done, self.total)
                own += values
                self.done += len(values)
            found.append([one.whole, *own])
            self._release(one)
        return found

    def _release(self, one: Asked) -> None:
        if len(self.asked) + len(self.held) > 1:
            one.release()

    def _by_pair(self, found: Sequence[Sequence[float]]) -> tuple[PairCarried, ...]:
        """In the order that they were given in."""
        carried = []
        for order, ((pair, clean), values) in enumerate(zip(self.pairs, found, strict=False)):
            whole, none, value = values[:3]
            kept = share_kept(value, whole, none)
            held_out = order >= len(self.asked)
            carried.append(PairCarried(pair, clean, held_out, whole, none, value, kept))
        return tuple(sorted(carried, key=lambda one: one.pair))

    def _held_out(self, tried: Sequence[Sequence[float]]) -> HeldOut | None:
        if not tried:
            return None
        whole, none, value, *values = _means(tried)
        curve = self._curve(values, whole, none)
        kept = share_kept(value, whole, none)
        return HeldOut(len(tried), whole, none, value, kept, curve, *areas_of(curve))

    # ------------------------------------------------------------ which edges

    def _n_kept(self, effects: Tensor, order: Tensor) -> int:
        """How many of the edges in order are in the circuit."""
        if self.options.threshold is None:
            return self.options.edges
        sizes = effects.flatten()[order].abs()
        return int((sizes >= self.options.threshold).sum())

    def _mask(self, edges: Int[Tensor, " edge"]) -> Bool[Tensor, "source reader *pos"]:
        mask = torch.zeros(self.graph.shape, dtype=torch.bool)
        mask.view(-1)[edges] = True
        return mask

    def _edges(self, kept: Tensor, effects: Tensor, order: Tensor) -> tuple[CircuitEdge, ...]:
        self.inside = order[kept.flatten()[order]]
        places = torch.stack(torch.unravel_index(self.inside, self.graph.shape), 1)
        return tuple(
            CircuitEdge(*self.graph.names(*place), effect)
            for place, effect in zip(
                places.tolist(), effects.flatten()[self.inside].tolist(), strict=True
            )
        )

    def _check_named(self, kept: Bool[Tensor, "source reader *pos"]) -> None:
        for name in self.options.measure_named:
            if not kept[edge_numbers(self.graph, name, "measure_named")]:
                raise InputError(
                    f"{name} is no edge of the circuit, so that nothing is lost without it",
                    field="measure_named",
                    value=name,
                    legal="edges that are kept",
                    fix=f"include=[{name!r}] as well",
                )

    # ------------------------------------------------------------ what is measured

    def _measured_places(self, edges: Sequence[CircuitEdge]) -> list[int]:
        """Places of the edges that are measured: the largest, and those that are named."""
        named = {
            edge_numbers(self.graph, name, "measure_named") for name in self.options.measure_named
        }
        return [
            place
            for place, edge in enumerate(edges)
            if place < self.options.measure or self.graph.numbers(edge.source, edge.target) in named
        ]

    def _without(self, asked: Sequence[int], kept: Tensor) -> list[Mask]:
        """For each edge that is measured the whole model without it, and the circuit."""
        everything = edges_of(self.graph)

        def less(edges: Tensor, place: int) -> Tensor:
            without = edges.clone()
            without.view(-1)[self.inside[place]] = False
            return without

        return [partial(less, edges, place) for place in asked for edges in (everything, kept)]

    def _measured(
        self,
        edges: Sequence[CircuitEdge],
        asked: Sequence[int],
        left: Sequence[float],
        whole: float,
        value: float,
    ) -> tuple[CircuitEdge, ...]:
        """Edges with what the model, and the circuit, lose without each that was asked about."""
        found = list(edges)
        for number, place in enumerate(asked):
            model, circuit = left[2 * number : 2 * number + 2]
            found[place] = replace(edges[place], measured=whole - model, within=value - circuit)
        return tuple(found)

    @property
    def _shares(self) -> list[float]:
        return sorted({float(one) for one in self.options.shares}) if self.options.curve else []

    def _curve_masks(self, order: Tensor) -> list[Mask]:
        return [partial(self._mask, order[: self._count(share)]) for share in self._shares]

    def _count(self, share: float) -> int:
        return round(share * self.graph.n_edges)

    def _curve(
        self, values: Sequence[float], whole: float, none: float
    ) -> tuple[CircuitPoint, ...]:
        return tuple(
            CircuitPoint(share, self._count(share), value, share_kept(value, whole, none))
            for share, value in zip(self._shares, values, strict=True)
        )

    def _cost(self) -> str:
        if self.given is not None:
            return f"{self.done} runs of circuits, by scores that were given"
        steps = self.options.steps if self.options.estimator == "integrated" else 1
        steps *= len(self.asked)
        passes = "pass" if steps == 1 else "passes"
        return f"{steps} forward and backward {passes} over all edges, {self.done} runs of circuits"

    def _say(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)


def _means(several: Sequence[Sequence[float]]) -> list[float]:
    """Of each number over what has it."""
    return [sum(values) / len(several) for values in zip(*several, strict=True)]


def _strongest_first(
    effects: Float[Tensor, "source reader *pos"], graph: Graph
) -> Int[Tensor, " edge"]:
    """The place of every edge in a flattened mask, largest effect either way first."""
    edges = edges_of(graph).flatten().nonzero()[:, 0]
    sizes = effects.flatten()[edges].abs().cpu()
    return edges[sizes.argsort(descending=True, stable=True)]
