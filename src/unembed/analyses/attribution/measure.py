"""Estimated effects beside measured ones: runs without each node, many in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unembed.analyses.attribution.options import AttributionOptions
from unembed.analyses.attribution.result import AttributedNode, Verification
from unembed.analyses.tools.frozen import accurate
from unembed.analyses.tools.objective import Objective
from unembed.analyses.tools.writes import branch_output
from unembed.engine.cancel import Cancel
from unembed.engine.editing.edits import Edit, add, set_to, zero
from unembed.engine.loaded import Loaded, Prompt
from unembed.engine.nodes import Branch
from unembed.engine.passes.run import Run
from unembed.engine.sweep import sweep
from unembed.engine.targets import site
from unembed.models.progress import Progress


def measured(
    model: Loaded,
    prompt: Prompt,
    seen: Run,
    edits: Sequence[Edit],
    objective: Objective,
    rows: Sequence[AttributedNode],
    options: AttributionOptions,
    *,
    cancel: Cancel | None = None,
    progress: Progress | None = None,
) -> tuple[tuple[AttributedNode, ...], Verification]:
    """The first rows with what the objective really loses without them, and how close that is."""
    some = rows[: options.verify]
    without = [(*edits, *edits_without(seen, row, options)) for row in some]
    swept = sweep(
        model,
        prompt,
        [tuple(edits), *without],
        objective=objective,
        cancel=cancel,
        progress=progress,
    )
    values = swept.values
    if values is None:
        raise AssertionError("there is an objective")
    changes = (values[0] - values[1:]).double()
    found = tuple(
        replace(row, measured=change) for row, change in zip(some, changes.tolist(), strict=True)
    )
    estimated = torch.tensor([row.total for row in some], dtype=torch.float64)
    return (*found, *rows[len(some) :]), agreement(estimated, changes)


def agreement(estimated: Tensor, changes: Tensor) -> Verification:
    """How close estimates [n] are to what was measured [n]."""
    error = float((estimated - changes).abs().max()) if len(changes) else 0.0
    return Verification(
        len(changes),
        _correlation(estimated, changes),
        _correlation(_ranks(estimated), _ranks(changes)),
        error,
    )


def _correlation(first: Tensor, second: Tensor) -> float | None:
    """Pearson's; None where it is not defined, or says nothing."""
    if len(first) < 3:
        return None
    one, other = first - first.mean(), second - second.mean()
    size = float(one.norm() * other.norm())
    return float(one @ other) / size if size > 0 else None


def _ranks(values: Tensor) -> Tensor:
    """Ranks from 0; equal numbers share the mean of theirs."""
    below = (values[None] < values[:, None]).sum(-1)
    equal = (values[None] == values[:, None]).sum(-1)
    return (below + (equal - 1) / 2).double()


def edits_without(seen: Run, row: AttributedNode, options: AttributionOptions) -> tuple[Edit, ...]:
    """What takes one node out of a run, or puts in its place what it is compared with."""
    if row.kind == "bias":
        branch: Branch = "mlp" if ".mlp_" in row.name else "attn"
        branch = "cross" if ".cross_" in row.name else branch
        written = branch_output(seen, row.layer or 0, branch).bias_write()[row.position]
        return (add(site(f"{branch}_out", row.layer).at(row.position), -written),)
    target = row.name
    if options.against == "zero" or row.kind == "pair":
        return (zero(target),)
    values = seen.value_of(seen.model.node(target), every_position=True)
    mean = accurate(values).mean(0)
    return (set_to(target, mean),)
