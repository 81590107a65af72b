"""What nodes are at the tokens of a sample, and from where on that is called active."""

from __future__ import annotations

import numpy as np
import torch

from unembed.engine.cancel import Cancel
from unembed.engine.model import Model
from unembed.explanations.sample import Sample
from unembed.index.corpus.measures import Measures
from unembed.index.corpus.passes import runs_of
from unembed.index.store import Array
from unembed.models.progress import Progress

PEAK = 0.999


def values_of(
    model: Model,
    measures: Measures,
    sample: Sample,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> Array:
    """[node, token] over the tokens of a sample, in the model's precision; one pass over them."""
    kind = np.float64 if model.dtype == torch.float64 else np.float32
    found: Array = np.empty((len(measures), len(sample.rows)), kind)
    for (first, size), run in runs_of(
        model, sample.columns, sample.spans, measures.capture, cancel=cancel, progress=progress
    ):
        low, high = np.searchsorted(sample.rows, [first, first + size])
        own = sample.rows[low:high] - first
        found[:, low:high] = measures.values(run)[:, own]
    return found


def threshold_of(values: Array) -> float:
    """Halfway from the median to what one value in 1,000 exceeds."""
    median, peak = np.quantile(values, (0.5, PEAK))
    return float(median + (peak - median) / 2)
