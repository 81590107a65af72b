"""One prompt, or a pair: what nodes write there, what edges carry that are left out, their effects.

A circuit over many pairs is computed of as many of these, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.circuits.graph import Graph
from unembed.analyses.circuits.options import CircuitEdges
from unembed.analyses.circuits.rating import rated, reading_slopes
from unembed.analyses.circuits.running import Circuits, written, written_capture
from unembed.analyses.tools.objective import Objective
from unembed.engine.cancel import Cancel
from unembed.engine.editing.drawing import draw
from unembed.engine.loaded import Loaded
from unembed.engine.names.vocabulary import Read
from unembed.engine.passes.forward import request_of, run
from unembed.engine.passes.run import Run

if TYPE_CHECKING:
    from jaxtyping import Float

Mask = Callable[[], Tensor]  # of edges [source, reader] or [source, reader, pos], made when run
Passed = Callable[[], None]


class Asked:
    """A prompt with its objective, and the other prompt where there is one."""

    def __init__(
        self,
        model: Loaded,
        read: Read,
        other: Read | None,
        objective: Objective,
        options: CircuitEdges,
        cancel: Cancel | None,
    ) -> None:
        self.model, self.read, self.other, self.objective = model, read, other, objective
        self.options, self.cancel = options, cancel

    @cached_property
    def seen(self) -> Run:
        return self._seen(self.read)

    @cached_property
    def whole(self) -> float:
        """The objective of the whole model."""
        return float(self.objective.value(self.seen))

    @cached_property
    def writes(self) -> Float[Tensor, "source pos d_model"]:
        return written(self.seen)

    @cached_property
    def replaced(self) -> Float[Tensor, "source pos d_model"]:
        """What edges that are left out carry."""
        writes = self.writes
        if self.options.ablation == "zero":
            return torch.zeros_like(writes)
        if self.options.ablation == "resample":
            others = writes if self.other is None else written(self._seen(self.other))
            return others[:, draw(writes.shape[1], [others.shape[1]], self.options.seed)]
        if self.options.ablation == "mean" or self.other is None:
            return writes.mean(1, keepdim=True).expand_as(writes)
        return written(self._seen(self.other))

    def release(self) -> None:
        """Gives back the memory of what was run; it is run again when asked for."""
        for name in ("seen", "writes", "replaced"):
            self.__dict__.pop(name, None)

    def effects(self, graph: Graph, passed: Passed) -> Float[Tensor, "source reader *pos"]:
        """The estimate of every edge. `passed` is called before each gradient."""
        slopes = self._slopes(graph, self.writes[0], self.replaced[0], passed)
        return rated(graph, self.writes - self.replaced, slopes)

    def values(self, graph: Graph, sets: Sequence[Mask]) -> Iterator[list[float]]:
        """The objective with each set of edges alone, as many in a pass as fit."""
        circuits = Circuits(self.model, self.read, graph, self.replaced, self.cancel)
        for start in range(0, len(sets), circuits.at_once):
            some = sets[start : start + circuits.at_once]
            yield circuits.values([made() for made in some], self.objective)

    def _seen(self, read: Read) -> Run:
        capture = [*written_capture(self.model), *self.objective.required_capture(self.model)]
        return run(self.model, request_of(read, list(dict.fromkeys(capture))), self.cancel)

    def _slopes(
        self, graph: Graph, here: Tensor, there: Tensor, passed: Passed
    ) -> Float[Tensor, "reader pos d_model"]:
        """Gradients at what reads, or their mean on the way from the other embeddings."""
        given = self.model, self.read, graph, self.objective
        if self.options.estimator == "gradient":
            passed()
            return reading_slopes(*given, cancel=self.cancel)
        steps, total = self.options.steps, None
        for step in range(1, steps + 1):
            passed()
            embedded = there + step / steps * (here - there)
            found = reading_slopes(*given, embedded, self.cancel)
            total = found if total is None else total + found
        if total is None:
            raise AssertionError("there is a step")
        return total / steps
