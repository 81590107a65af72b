"""Activations from processes of Ray: the same rows in the same order, for one learner.

Each process holds the model and the texts, and runs the sequences that one pass here would. What
it answers is taken in order, while others compute what comes next; Ray holds it back where the
learner is slower. What a process was asked that died, another one is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from safetensors.torch import load, save

from unembed.engine.targets import SiteKey
from unembed.index.corpus import cluster_workers
from unembed.index.corpus.cluster import OnRay, put
from unembed.index.corpus.cluster_workers import ModelSource, Row, answered
from unembed.training.activations import Activations, Rows

KEPT = "what the last checkpoint has is kept, and the same command goes on after it"
MOST_GROUPS = 50_000  # that Ray is asked for at once: after them, processes load the model again


class ActivationsWorker:
    """Holds the model and the texts: the activations of sequences that run together."""

    def __init__(self, source: ModelSource, texts: Any, reads: SiteKey, writes: SiteKey) -> None:
        self._source, self._texts, self._ends = source, texts, (reads, writes)

    @cached_property
    def _of(self) -> Activations:
        return Activations(self._source.load(), *self._ends, cluster_workers.fetched(self._texts))

    def __call__(self, row: Row) -> Row:
        return answered(self.answer, row)

    def answer(self, row: Row) -> bytes:
        """Rows of the sequences, as safetensors."""
        rows = self._of.rows([int(one) for one in row["sequences"]])
        found = {"x": rows.x} if rows.y is rows.x else {"x": rows.x, "y": rows.y}
        packed: bytes = save({name: one.cpu().contiguous() for name, one in found.items()})
        return packed


class ClusterActivations(OnRay):
    """What `Activations.stream` gives, computed elsewhere; whoever takes it is within `running`."""

    def __init__(self, of: Activations, workers: int | None) -> None:
        super().__init__(of.model, workers, of.cancel, KEPT)
        self._of = of

    def stream(self, blocks: Iterable[Sequence[int]], most: int) -> Iterator[Rows]:
        """See `Activations.stream`. Raises LoadError where processes cannot be had."""
        left = iter(blocks)
        while held := list(self._some(left)):
            answers = self._asked([group for block in held for group in block])
            for block in held:
                yield self._together([next(answers) for _ in block], most)

    def _some(self, blocks: Iterator[Sequence[int]]) -> Iterator[list[list[int]]]:
        """The groups of some blocks, as many as Ray is asked for at once."""
        n = 0
        for sequences in blocks:
            yield (groups := list(self._of.groups(sequences)))
            n += len(groups)
            if n >= MOST_GROUPS:
                return

    def _asked(self, groups: Sequence[list[int]]) -> Iterator[dict[str, torch.Tensor]]:
        texts = put(self._of.texts)
        given = {"texts": texts, "reads": self._of.reads, "writes": self._of.writes}
        rows = [{"sequences": group} for group in groups]
        for answer in self.asked_of(ActivationsWorker, rows, given):
            self._of.between()
            yield load(answer)

    def _together(self, parts: Sequence[dict[str, torch.Tensor]], most: int) -> Rows:
        x, y = (
            torch.cat([part.get(name, part["x"]) for part in parts])[:most].to(self.model.device)
            for name in ("x", "y")
        )
        return Rows(x, x if self._of.reads == self._of.writes else y)
