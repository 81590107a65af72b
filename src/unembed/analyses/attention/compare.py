"""Attention in two runs beside each other: without and with edits, or of two prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from unembed.analyses.attention.attention import DEFAULTS, attention
from unembed.analyses.attention.options import AttentionOptions
from unembed.analyses.attention.result import PROMPTS, RUNS, AttentionComparison
from unembed.engine.cancel import Cancel
from unembed.engine.passes.run import Run
from unembed.models.progress import Progress
from unembed.options import given


def compare_attention(
    baseline: Run,
    edited: Run,
    layers: Sequence[int],
    heads: Sequence[int] | None = None,
    *,
    options: AttentionOptions = DEFAULTS,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> AttentionComparison:
    """What the same heads look at in two runs, each of which captured `attention_capture`.

    `edited` may be of another prompt; of prompts that have as many tokens there is a `difference`.
    Raises what `attention` raises.
    """
    options = options.changed(**given(heads=heads), **changes)
    before, after = (
        attention(run, layers, options=options, cancel=cancel, progress=progress)
        for run in (baseline, edited)
    )
    return AttentionComparison(before, after, RUNS if baseline.ids == edited.ids else PROMPTS)
