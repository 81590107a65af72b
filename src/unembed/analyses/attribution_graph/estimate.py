"""What an attribution graph will take, from its run and a few of its ways back: time and memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import torch
from torch import Tensor

from unembed.analyses.attribution_graph.build import BATCH, DEFAULTS, Chosen, Work, begun
from unembed.analyses.attribution_graph.influence import reached
from unembed.analyses.attribution_graph.listing import raised_by
from unembed.analyses.attribution_graph.options import GraphOptions
from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded, Prompt
from unembed.latents.memory import available
from unembed.options import Explained, given
from unembed.result import Columns, Result

TRIED = 64  # latents of the trial
WAYS = 4  # copies of the directions that go back together
ROWS = 3  # of the edges into latents: they, a batch joined to them, their parts of each target
INDEX_BYTES = 8  # of a place in an order

Made = TypeVar("Made")


@dataclass(frozen=True, repr=False)
class GraphEstimate(Result):
    """What an attribution graph will take."""

    n_nodes: Annotated[int, "Before any is pruned."]
    n_active: Annotated[int, "Latents that are active, at all positions."]
    n_chosen: Annotated[int, "Of these, how many are nodes."]
    seconds: Annotated[float, "On this machine, as busy as it is now."]
    memory: Annotated[int, "Bytes beside the model, at most, about."]
    lack: Annotated[
        str | None, "Why it does not fit into memory, and what to lower; None where it does."
    ]

    def summary(self) -> str:
        said = (
            f"{self.n_nodes:,} nodes before any is pruned ({self.n_chosen:,} of {self.n_active:,} "
            f"active latents), {self.seconds:,.1f} seconds, {self.memory / 1e6:,.0f} MB of memory"
        )
        return said if self.lack is None else f"{said}; {self.lack}"

    def columns(self) -> Columns:
        """One row."""
        return {name: [value] for name, value in self.to_dict().items()}


def estimate_graph(
    model: Loaded,
    prompt: Prompt,
    target: str | int | Explained | None = None,
    *,
    options: GraphOptions = DEFAULTS,
    cancel: Cancel | None = None,
    **changes: Any,
) -> GraphEstimate:
    """What `attribution_graph` of the same would take; itself its pass and a few ways back.

    Raises as `attribution_graph` does.
    """
    asked = chosen(options, given(target=target) | changes, {})
    work = begun(model, prompt, asked, cancel)
    start = time.perf_counter()
    work.ran()
    ran = time.perf_counter() - start
    trial, size = _Trial(work), _Size(work)
    memory = size.bytes_of(work.most)
    return GraphEstimate(
        n_nodes=size.nodes(work.most),
        n_active=work.sources.n_latents,
        n_chosen=work.most,
        seconds=ran + trial.seconds(),
        memory=memory,
        lack=_lack(model, size, memory, work.most),
    )


def _lack(model: Loaded, size: _Size, memory: int, latents: int) -> str | None:
    there = available() if model.device.type == "cpu" else None
    if there is None or memory <= there:
        return None
    fewer = size.latents_within(there, latents)
    fix = "a shorter prompt" if fewer == 0 else f"at most {fewer:,} latents, or a shorter prompt"
    return (
        f"{memory / 2**20:,.0f} MiB are needed, and {there / 2**20:,.0f} MiB are left on this "
        f"machine: {fix}"
    )


class _Size:
    """Nodes and bytes of a graph, by how many latents are nodes of it."""

    def __init__(self, work: Work) -> None:
        self._sources, self._n_answers = work.sources, len(work.found)
        self._number = work.sources.embed.element_size()
        rows = min(BATCH, max(work.most, 1), work.edges.at_once)
        self._held = _held_bytes(work)
        self._ways = WAYS * rows * work.sources.embed.nbytes

    def nodes(self, latents: int) -> int:
        """Latents, errors, tokens, answers."""
        return latents + self._sources.n_columns - self._sources.n_latents + self._n_answers

    def bytes_of(self, latents: int) -> int:
        """At most: while latents are chosen, or while the graph of them is pruned.

        Pruning has five squares of the nodes and three of their order beside its places.
        """
        rows = (latents + self._n_answers) * self._sources.n_columns * self._number
        square = self.nodes(latents) ** 2 * (8 * self._number + INDEX_BYTES + 1)
        return self._held + max(self._ways + ROWS * rows, rows + square)

    def latents_within(self, there: int, most: int) -> int:
        """The most latents whose graph takes no more than there is; 0 where none does."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.bytes_of(middle) <= there else (low, middle - 1)
        return low


def _held_bytes(work: Work) -> int:
    """Of the run, of what writes, and of attention as it is held."""
    several: list[Tensor] = [*work.seen.activations.values(), *work.sources.errors.values()]
    for one in work.sources.transcoded.values():
        several += [one.at, one.latents, one.values, *one.written.values()]
    for layer in work.edges.held.layers:
        several += [layer.values, layer.value_bias, layer.pattern]
    storages = [one.untyped_storage() for one in several]
    return sum({one.data_ptr(): one.nbytes() for one in storages}.values())


class _Trial:
    """A graph of a few latents, made whole, and its parts timed."""

    def __init__(self, work: Work) -> None:
        self._work = work
        n, few = work.sources.n_latents, min(TRIED, work.most)
        self._columns = [number * n // few for number in range(few)]  # from all layers

    @torch.no_grad()
    def seconds(self) -> float:
        """Of the whole graph, but for its run."""
        work, columns, most = self._work, self._columns, self._work.most
        answered, of_answers = _timed(work.answered)
        if not columns:
            return of_answers + _timed(lambda: self._pruned(Chosen([], answered, 0.0)))[1]
        starts = work.edges.latent_starts(columns)
        rows, of_rows = _timed(lambda: work.edges.rows(starts))
        reach, of_reach = _timed(lambda: work.reach(answered, rows, columns))
        few = Chosen(columns, torch.cat([rows, answered]), 0.0)
        _, of_square = _timed(lambda: self._pruned(few))
        size = _Size(work)
        again = (size.nodes(most) / size.nodes(len(columns))) ** 2
        steps = sum(range(BATCH, most, BATCH)) + most  # rows that are gone through while choosing
        each = (of_rows * most + of_reach * steps) / len(columns)
        return of_answers + each + of_square * again + self._labelling(reach)

    def _labelling(self, reach: Tensor) -> float:
        """Of the latents that are kept, by their influence as far as the trial knows it; one look
        at the unembedding is the least.
        """
        work = self._work
        if not work.options.labels:
            return 0.0
        within = reached(reach)[: work.sources.n_latents] <= float(work.options.node_threshold)
        kept = min(int(within.sum()), work.most)
        rows = [
            torch.stack(list(work.sources.written(one).values())).sum((0, 1))
            for one in self._columns
        ]
        _, of_labels = _timed(lambda: raised_by(work.model, rows))
        return of_labels * max(1.0, kept / len(rows))

    def _pruned(self, made: Chosen) -> None:
        options = self._work.options
        try:
            self._work.options = options.model_copy(update={"labels": False})
            self._work.made_of(made)
        finally:
            self._work.options = options


def _timed(work: Callable[[], Made]) -> tuple[Made, float]:
    start = time.perf_counter()
    made = work()
    return made, time.perf_counter() - start
