"""Every vector of a flow graph read as a prediction, in one walk through the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from unembed.analyses.flow.result import FlowReading, FlowScore, FlowToken
from unembed.engine.cancel import Cancel
from unembed.engine.loaded import Loaded
from unembed.engine.reading.readout import Readout
from unembed.models.progress import Progress

if TYPE_CHECKING:
    from jaxtyping import Float


LARGEST = 1e4  # entries of a vector in half precision, so that a norm can square them


@dataclass(frozen=True, eq=False)
class Readings:
    """What the vectors of a graph say; of a whole target, those of every one of its positions."""

    model: Loaded
    norms: list[float]
    entropies: list[float]
    tops: list[tuple[FlowToken, ...]]
    scores: list[FlowScore]

    def entropy(self, row: int) -> float | None:
        """Of what a row predicts; None without a lens."""
        return self.entropies[row] if self.entropies else None

    def reading(self, name: str, row: int) -> FlowReading:
        """A row under a name. A vector of zeros predicts nothing: it has no tokens."""
        something = self.norms[row] > 0 and bool(self.entropies)
        return FlowReading(
            name=name,
            row=row,
            norm=self.norms[row],
            entropy=self.entropy(row),
            tokens=self.tops[row] if something else (),
            target=self.scores[row] if something else None,
        )


def unread(model: Loaded, vectors: Float[Tensor, "row d_model"]) -> Readings:
    """The vectors of a model without a lens: their norms, and no predictions."""
    return Readings(model, vectors.norm(dim=-1).tolist(), [], [], [])


def read_vectors(
    model: Loaded,
    vectors: Sequence[Float[Tensor, "row d_model"]],
    targets: Sequence[int],
    k: int,
    cancel: Cancel | None,
    progress: Progress | None,
) -> Readings:
    """Read the vectors; `vectors[j]` are the rows where token j of the target comes next."""
    stacked = torch.cat(list(vectors))
    n_rows = len(vectors[0])
    wanted = torch.tensor(targets).repeat_interleave(n_rows)
    states = model.final_norm(_within_range(stacked, model.dtype))
    readout = model.unembedding.read(states, k=k, targets=wanted, cancel=cancel, progress=progress)
    norms: list[float] = vectors[0].norm(dim=-1).tolist()
    return Readings(
        model=model,
        norms=norms,
        entropies=readout.entropy[:n_rows].tolist(),
        tops=_tops(model, readout, n_rows),
        scores=_scores(readout, n_rows),
    )


def _within_range(vectors: Tensor, dtype: torch.dtype) -> Tensor:
    """In the model's type. What would overflow there is made smaller: a norm divides it anyway."""
    if dtype == torch.float16:
        largest = vectors.abs().amax(-1, keepdim=True)
        vectors = vectors * (LARGEST / largest.clamp_min(LARGEST))
    return vectors.to(dtype)


def _tops(model: Loaded, readout: Readout, n_rows: int) -> list[tuple[FlowToken, ...]]:
    ids = readout.top_ids[:n_rows].tolist()
    probabilities = readout.top_probabilities[:n_rows].tolist()
    return [
        tuple(
            FlowToken(model.token(token), probability)
            for token, probability in zip(*row, strict=True)
        )
        for row in zip(ids, probabilities, strict=True)
    ]


def _scores(readout: Readout, n_rows: int) -> list[FlowScore]:
    """Probabilities of the target's tokens multiply; the worst rank counts."""
    log_probabilities = (readout.target_logits[:, 0] - readout.logsumexp).reshape(-1, n_rows)
    ranks = readout.ranks[:, 0].reshape(-1, n_rows).amax(0).tolist()
    probabilities = log_probabilities.double().sum(0).exp().tolist()
    return [FlowScore(*pair) for pair in zip(probabilities, ranks, strict=True)]
