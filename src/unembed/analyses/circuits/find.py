"""Finds the edges that an answer needs, and measures how much of it they carry alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from unembed.analyses.attribution.references import draw
from unembed.analyses.circuits.checks import (
    check_names,
    check_predicts,
    check_prompts,
    check_size,
)
from unembed.analyses.circuits.files import CircuitFile
from unembed.analyses.circuits.graph import Graph
from unembed.analyses.circuits.naming import edge_numbers, edges_by_hand, effects_of_file
from unembed.analyses.circuits.options import CircuitOptions
from unembed.analyses.circuits.rating import edges_of, rated, reading_slopes
from unembed.analyses.circuits.result import (
    Circuit,
    CircuitEdge,
    CircuitPoint,
    nodes_of,
    share_kept,
)
from unembed.analyses.circuits.running import Circuits, graph_of, written, written_capture
from unembed.analyses.tools.checks import chosen
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.target import OF_LOGITS, in_words, likeliest, measured_at
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.names.sites import resolve_position
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run
from unembed.errors import InputError
from unembed.models.progress import Progress
from unembed.options import Explained, given

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

Mask = Callable[[], Tensor]  # of edges [source, reader] or [source, reader, pos], made when run
DEFAULTS = CircuitOptions()


def find_circuit(
    model: Loaded,
    prompt: Prompt,
    corrupted: Prompt | None = None,
    target: str | int | Explained | None = None,
    *,
    options: CircuitOptions = DEFAULTS,
    scores: CircuitFile | None = None,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> Circuit:
    """The edges between nodes that matter most to an objective, and how much they carry alone.

    Args:
        corrupted: another prompt of as many tokens, which differs where it matters; needed for
            `ablation="patch"`, of any length for "resample".
        target: a token, or a `ue.Objective` of logits, which says its own position.
        options: how edges are rated, which are kept and measured; `target` and `changes` are single
            ones, as in `distractor=" John", edges=200`.
        scores: of every edge, from `ue.load_circuit`, in place of what the estimator says.

    Raises:
        PromptError, TargetError, InputError: bad input; nothing was run, but for an edge of
            `measure_named` that turns out to be none of the circuit.
        CapabilityError: a model whose stream is not a sum of embedding, heads and feed-forwards, or
            which gives labels.
        TooLargeError: more runs than `max_circuit_runs`, more edges than the model has.
    """
    check_predicts(model)
    options = chosen(options, given(target=target) | changes, {})
    graph, read = graph_of(model), model.read_prompt(prompt)
    if options.by_position:
        graph = replace(graph, positions=len(read.ids))
    other = None if corrupted is None else model.read_prompt(corrupted)
    check_prompts(options, read, other)
    check_size(model, options, graph, len(read.ids))
    check_names(options, graph)
    objective = _objective(model, read, other, options)
    if options.by_position:
        graph = replace(graph, answer=objective.position)
        check_names(options, graph)
    given_effects = None if scores is None else effects_of_file(graph, scores)
    return _Search(model, read, other, graph, objective, options, cancel, progress).circuit(
        given_effects
    )


def _objective(model: Loaded, read: Read, other: Read | None, options: CircuitOptions) -> Objective:
    """What is explained, at its position counted from the start; an objective of logits."""
    model.require("lens")
    position, target = resolve_position(options.position, len(read.ids)), options.target
    distractor = options.distractor
    if target is None:
        likely = [likeliest(model, one, position) for one in (read, other) if one is not None]
        target = likely[0]
        if distractor is None and len(set(likely)) == 2:
            distractor = likely[1]
    objective = measured_at(model, target, distractor, position, len(read.ids))
    if not objective.is_of_logits:
        raise InputError(
            f"a circuit of the {objective.words} is not found here",
            field="target",
            value=objective.kind,
            legal=OF_LOGITS,
            fix="ue.trace(model, prompt, node) for a node inside the model",
        )
    return objective


class _Search:
    """One circuit."""

    def __init__(
        self,
        model: Loaded,
        read: Read,
        other: Read | None,
        graph: Graph,
        objective: Objective,
        options: CircuitOptions,
        cancel: Cancel | None,
        progress: Progress | None,
    ) -> None:
        self.model, self.read, self.other, self.graph = model, read, other, graph
        self.objective, self.options = objective, options
        self.cancel, self.progress = cancel, progress
        self.done = 0

    def circuit(self, given_effects: Tensor | None = None) -> Circuit:
        options, graph = self.options, self.graph
        seen = self._seen(self.read)
        writes = written(seen)
        replaced = self._replaced(writes)
        effects = given_effects
        if effects is None:
            effects = rated(graph, writes - replaced, self._slopes(writes[0], replaced[0]))
        self.circuits = Circuits(self.model, self.read, graph, replaced, self.cancel)
        order = _strongest_first(effects, graph)
        kept = self._mask(order[: self._n_kept(effects, order)])
        kept = edges_by_hand(graph, kept, options.include, options.exclude)
        edges = self._edges(kept, effects, order)
        self._check_named(kept)
        asked, curve = self._asked(edges), self._curve_masks(order)
        none, value, *values = self._values(
            [lambda: self._mask(order[:0]), lambda: kept, *self._without(asked, kept), *curve]
        )
        whole, lost = float(self.objective.value(seen)), values[: 2 * len(asked)]
        edges = self._measured(edges, asked, lost, whole, value)
        return Circuit(
            objective=in_words(self.model, self.objective.at(-1)),
            position=self.objective.position,
            tokens=seen.tokens,
            ablation=options.ablation,
            estimator=options.estimator if given_effects is None else "given",
            whole=whole,
            none=none,
            value=value,
            by_position=options.by_position,
            n_edges=graph.n_edges,
            n_heads=tuple(layer.n_heads for layer in graph.layers),
            nodes=nodes_of(edges),
            edges=edges,
            curve=self._curve(values[len(lost) :], whole, none),
            cost=self._cost(given_effects is not None),
            provenance=seen.provenance,
            graph=graph,
            effects=effects,
            d_model=self.model.anatomy.d_model,
        )

    # ------------------------------------------------------------ effects

    def _seen(self, read: Read) -> Run:
        capture = [*written_capture(self.model), *self.objective.required_capture(self.model)]
        return run(self.model, request_of(read, list(dict.fromkeys(capture))), self.cancel)

    def _replaced(self, writes: Float[Tensor, "source pos d_model"]) -> Tensor:
        """What edges that are left out carry."""
        if self.options.ablation == "zero":
            return torch.zeros_like(writes)
        if self.options.ablation == "resample":
            others = writes if self.other is None else written(self._seen(self.other))
            return others[:, draw(writes.shape[1], [others.shape[1]], self.options.seed)]
        if self.options.ablation == "mean" or self.other is None:
            return writes.mean(1, keepdim=True).expand_as(writes)
        return written(self._seen(self.other))

    def _slopes(self, here: Tensor, there: Tensor) -> Float[Tensor, "reader pos d_model"]:
        """Gradients at what reads, or their mean on the way from the other embeddings."""
        given = self.model, self.read, self.graph, self.objective
        if self.options.estimator == "gradient":
            return reading_slopes(*given, cancel=self.cancel)
        steps, total = self.options.steps, None
        for step in range(1, steps + 1):
            self._say("gradients of edges", step - 1, steps)
            embedded = there + step / steps * (here - there)
            found = reading_slopes(*given, embedded, self.cancel)
            total = found if total is None else total + found
        if total is None:
            raise AssertionError("there is a step")
        return total / steps

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

    def _values(self, sets: Sequence[Mask]) -> list[float]:
        """The objective with each set of edges alone, as many in a pass as fit."""
        found: list[float] = []
        for start in range(0, len(sets), self.circuits.at_once):
            self._say("runs of circuits", start, len(sets))
            some = sets[start : start + self.circuits.at_once]
            found += self.circuits.values([made() for made in some], self.objective)
        self.done = len(sets)
        return found

    def _asked(self, edges: Sequence[CircuitEdge]) -> list[int]:
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

    def _cost(self, given: bool) -> str:
        if given:
            return f"{self.done} runs of circuits, by scores that were given"
        steps = self.options.steps if self.options.estimator == "integrated" else 1
        passes = "pass" if steps == 1 else "passes"
        return f"{steps} forward and backward {passes} over all edges, {self.done} runs of circuits"

    def _say(self, stage: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(stage, done, total)


def _strongest_first(
    effects: Float[Tensor, "source reader *pos"], graph: Graph
) -> Int[Tensor, " edge"]:
    """The place of every edge in a flattened mask, largest effect either way first."""
    edges = edges_of(graph).flatten().nonzero()[:, 0]
    sizes = effects.flatten()[edges].abs().cpu()
    return edges[sizes.argsort(descending=True, stable=True)]
