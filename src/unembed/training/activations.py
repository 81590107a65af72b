"""What a model computes at a site over sequences: the rows that an autoencoder learns from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.engine.passes.forward import Request, run_rows
from unembed.engine.targets import SiteKey
from unembed.training.texts import Texts, nothing

if TYPE_CHECKING:
    from jaxtyping import Float

AT_ONCE = 2048  # tokens of a pass, padding among them


@dataclass(frozen=True, eq=False)
class Rows:
    """Activations at some tokens: what is read, and what is to be written."""

    x: Float[Tensor, "row d_in"]
    y: Float[Tensor, "row d_out"]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Activations:
    """A model's activations at one or two sites, over texts."""

    model: Model
    reads: SiteKey
    writes: SiteKey
    texts: Texts
    cancel: Cancel | None = None
    between: Callable[[], None] = nothing  # called after every pass

    def rows(self, sequences: Sequence[int], most: int | None = None) -> Rows:
        """Those of some sequences, long ones first; at most so many. Float32 at least."""
        parts = list(self.each(sequences))
        x, y = (torch.cat([part[side] for _, part in parts])[:most] for side in (0, 1))
        return Rows(x, x if self.reads == self.writes else y)

    def each(self, sequences: Sequence[int]) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
        """(number, (what is read, what is written) at its tokens that count) of each sequence."""
        names = list(dict.fromkeys((self.reads.name, self.writes.name)))
        for together in self.groups(sequences):
            requests = [Request(self.texts.sequence(one), names, logits="none") for one in together]
            for number, run in zip(
                together, run_rows(self.model, requests, self.cancel), strict=True
            ):
                places = torch.from_numpy(self.texts.places(number))
                found = tuple(
                    _wide(run.activations[key].flatten(1)[places.to(self.model.device)])
                    for key in (self.reads, self.writes)
                )
                yield number, (found[0], found[1])
            self.between()

    def stream(self, blocks: Iterable[Sequence[int]], most: int) -> Iterator[Rows]:
        """`rows` of one block after the other."""
        for sequences in blocks:
            yield self.rows(sequences, most)

    def groups(self, sequences: Sequence[int]) -> Iterator[list[int]]:
        """Sequences that one pass runs together, long ones first."""
        sizes = self.texts.starts[1:] - self.texts.starts[:-1]
        left = sorted(sequences, key=lambda one: (-int(sizes[one]), one))
        while left:
            n = max(1, AT_ONCE // int(sizes[left[0]]))
            together, left = left[:n], left[n:]
            yield together


def _wide(activation: Tensor) -> Tensor:
    return activation.to(torch.promote_types(activation.dtype, torch.float32))
