"""What a training will take, from a few of its passes and steps: time, memory, disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch

from unembed.analyses.tools.checks import chosen
from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.index.corpus.corpus import Corpus
from unembed.index.corpus.estimate import expected_tokens
from unembed.index.corpus.options import CorpusOptions
from unembed.options import given
from unembed.result import Columns, Result
from unembed.training.activations import AT_ONCE, Activations, Rows
from unembed.training.checks import COPIES, check_size, ends_of, memory_bytes, weight_bytes
from unembed.training.learner import Learner
from unembed.training.options import TrainOptions
from unembed.training.texts import Source, source_of, texts_of

DEFAULTS = TrainOptions()
SEQUENCES = 256  # of the texts, that are looked at
WARM, TIMED, LEAST_SECONDS = 1, 6, 1.0  # steps, and how long they may take before fewer will do
ID_BYTES = 5  # of a token of the texts, which are held


@dataclass(frozen=True, repr=False)
class TrainingEstimate(Result):
    """What a training will take."""

    n_tokens: Annotated[int, "That are learnt from; one that is used again counts again."]
    n_own: Annotated[int, "Of the texts, that can be learnt from: more are repetitions, about."]
    seconds: Annotated[float, "On this machine, as busy as it is now."]
    tokens_per_second: float
    memory: Annotated[int, "Bytes beside the model, at most, about."]
    disk: Annotated[int, "Bytes while it runs: two checkpoints."]

    def summary(self) -> str:
        return (
            f"{self.n_tokens:,} tokens in {self.seconds / 60:,.1f} minutes "
            f"({self.tokens_per_second:,.0f} a second), {self.memory / 1e6:,.0f} MB of memory, "
            f"{self.disk / 1e6:,.0f} MB on disk; the texts have {self.n_own:,}"
        )

    def columns(self) -> Columns:
        """One row."""
        return {name: [value] for name, value in self.to_dict().items()}


def estimate_training(
    model: Model,
    corpus: Source,
    site: str,
    latents: int | None = None,
    k: int | None = None,
    *,
    options: TrainOptions = DEFAULTS,
    cancel: Cancel | None = None,
    **changes: Any,
) -> TrainingEstimate:
    """What `train_sae` of the same would take, from some of its passes and steps; takes seconds.

    Raises as `train_sae` does.
    """
    asked = chosen(options, given(latents=latents, k=k) | changes, {})
    ends = ends_of(model, site, asked)
    check_size(model, asked, ends)
    source = source_of(model, corpus)
    texts = texts_of(model, source, asked.context, asked.column, cancel, most=SEQUENCES)
    in_all = _tokens_of(model, source, asked.column)
    trial = _Trial(Activations(model, *ends, texts, cancel), asked)
    seconds = trial.seconds()
    tokens = asked.n_steps * asked.batch
    return TrainingEstimate(
        n_tokens=tokens,
        n_own=round(in_all * texts.own.mean()),
        seconds=seconds,
        tokens_per_second=tokens / seconds,
        memory=memory_bytes(model, asked, ends) + ID_BYTES * in_all,
        disk=COPIES * weight_bytes(model, asked, ends),
    )


def _tokens_of(model: Model, source: Corpus | Sequence[Path], column: str) -> int:
    """How many tokens the texts have, about."""
    if isinstance(source, Corpus):
        return len(source)
    return expected_tokens(model, source, CorpusOptions(column=column))


class _Trial:
    """Some passes, and some steps on what they gave."""

    def __init__(self, activations: Activations, asked: TrainOptions) -> None:
        self._of, self._asked = activations, asked

    def seconds(self) -> float:
        """Of the whole training."""
        asked, done = self._asked, self._asked.n_steps * self._asked.batch
        rows, a_pass = self._passes()
        checkpoints = 1 + done // asked.checkpoint
        held_out = asked.held_out * (checkpoints + 4)  # and once as it is, without it, and so on
        ran = done / asked.uses + held_out
        return ran * a_pass + asked.n_steps * self._step(rows)

    def _passes(self) -> tuple[Rows, float]:
        """Activations, and the seconds that a token of them took."""
        texts = self._of.texts
        numbers = list(range(len(texts)))
        few = numbers[: max(1, AT_ONCE // 4 // int(texts.counts.max() + 1))]
        self._of.rows(few)  # the first takes longer
        start = time.perf_counter()
        rows = self._of.rows(numbers)
        return rows, (time.perf_counter() - start) / max(1, len(rows))

    def _step(self, rows: Rows) -> float:
        """Seconds of a step, on a batch that has as many rows as one of the training."""
        asked = self._asked
        at = torch.arange(asked.batch, device=rows.x.device) % len(rows)
        batch = Rows(rows.x[at], rows.y[at])
        learner = Learner(asked, self._of.reads, self._of.writes, rows)
        for _ in range(WARM):
            learner.learn(batch)
        start, n = time.perf_counter(), 0
        while n < TIMED and (n == 0 or time.perf_counter() - start < LEAST_SECONDS):
            if self._of.cancel is not None:
                self._of.cancel.check()
            learner.learn(batch)
            n += 1
        return (time.perf_counter() - start) / n
